//! What revocation asks of tokens and of the configuration, and the response to a refused request.

use std::time::Duration;

use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::{
    Check, Introspection, IntrospectionSource, IntrospectionSourceFuture, Issuer, OmittedSetting,
    ResourceServerBuilder, RevocationAnswer, RevocationCheck, RevocationKind, RevocationList, RevocationState,
    RevocationStatus, RevocationVerdict, Step, StepListener, ValidatedToken,
};
use tower_bearer_test::TokenBuilder;

use crate::fixtures::{ISSUER, NOW, builder, clock, issuer_with, reason, token_with};
use crate::log;
use crate::world::{Kind, LIFETIME, SUBJECT, Way, World};

fn list(lifetime: Duration) -> RevocationList {
    RevocationList::builder(lifetime).clock(clock()).build().unwrap()
}

fn with_list(lifetime: Duration) -> ResourceServerBuilder {
    builder().issuer(issuer_with(Algorithm::EdDSA).trusted()).revocation(list(lifetime))
}

fn token() -> TokenBuilder {
    token_with(Algorithm::EdDSA)
}

/// Without it, there is no telling whether a token was issued before its subject was revoked.
#[tokio::test]
async fn n09_a_token_without_iat_is_refused() {
    let (with, without) = (with_list(LIFETIME).build().unwrap(), token().without_claim("iat").sign());
    assert_eq!(reason(&with, &without).await, "claim_missing");
    let plain = builder().issuer(issuer_with(Algorithm::EdDSA).trusted()).build().unwrap();
    assert_eq!(reason(&plain, &without).await, "accepted");
}

#[derive(Debug)]
struct Says(Value);

impl IntrospectionSource for Says {
    fn introspect<'a>(&'a self, _: &'a str) -> IntrospectionSourceFuture<'a> {
        let claims = self.0.to_string();
        Box::pin(async { Ok(Some(claims)) })
    }
}

#[tokio::test]
async fn n09_an_introspected_token_without_iat_is_refused() {
    let exp = NOW.as_secs() + 60;
    for (iat, expected) in [
        (Value::Null, "claim_missing"),
        (json!(NOW.as_secs()), "accepted"),
        (json!(NOW.as_secs() - 3_631), "too_old"),
        (json!("soon"), "claim_type"),
    ] {
        let answer = json!({ "aud": crate::fixtures::AUDIENCE, "exp": exp, "sub": "alice", "iat": iat });
        let issuer = Issuer::new(ISSUER).without_keys().introspection(Introspection::by(Says(answer)));
        let server = builder().issuer(issuer).revocation(list(LIFETIME)).build().unwrap();
        assert_eq!(reason(&server, "0paque").await, expected, "{iat}");
    }
}

/// The stricter of the list's lifetime and the configured maximum age.
#[tokio::test]
async fn k02_a_token_that_is_older_than_entries_last_is_refused() {
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    for (lifetime, configured, strictest) in
        [(hour, None, hour), (hour, Some(minute), minute), (minute, Some(hour), minute)]
    {
        let builder = with_list(lifetime);
        let server = configured.into_iter().fold(builder, ResourceServerBuilder::max_token_age).build().unwrap();
        let latest = strictest.as_secs() + 30;
        for (age, expected) in [(latest, "accepted"), (latest + 1, "too_old")] {
            assert_eq!(reason(&server, &token().claim("iat", NOW.as_secs() - age).sign()).await, expected);
        }
        assert_eq!(server.describe().max_token_age, Some(strictest));
        assert_eq!(server.describe().omitted, [OmittedSetting::Clock, OmittedSetting::Revocation]);
    }
}

/// A session that cannot be read could not be revoked.
#[tokio::test]
async fn k02_a_sid_that_is_no_name_is_refused() {
    let server = with_list(LIFETIME).build().unwrap();
    let long = "x".repeat(1_025);
    for (sid, expected) in [
        (json!(7), "claim_type"),
        (Value::Null, "claim_type"),
        (json!(["s1"]), "claim_type"),
        (json!(""), "claim_invalid"),
        (json!(long), "claim_invalid"),
        (json!("s\u{0}1"), "claim_invalid"),
        (json!("s1"), "accepted"),
    ] {
        assert_eq!(reason(&server, &token().claim("sid", sid.clone()).sign()).await, expected, "{sid}");
    }
}

#[test]
fn settings_that_would_accept_revoked_tokens_are_refused() {
    let minute = Duration::from_secs(60);
    let error = with_list(LIFETIME).leeway(minute).build().unwrap_err();
    assert_eq!(error.setting(), "revocation");
    assert!(error.to_string().contains("RevocationList::builder(..).leeway(..)"), "{error}");
    let patient = RevocationList::builder(LIFETIME).leeway(minute).build().unwrap();
    assert!(with_list(LIFETIME).leeway(minute).revocation(patient).build().is_ok());
    let error = with_list(LIFETIME).revocation_wait(Duration::ZERO).build().unwrap_err();
    assert_eq!(error.setting(), "revocation_wait");
}

async fn response(world: &World) -> (StatusCode, HeaderMap, String) {
    let service = world.server.layer().layer(service_fn(accept));
    let (parts, body) = service.oneshot(world.request()).await.unwrap().into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn accept(_: Request<()>) -> Result<http::Response<String>, std::convert::Infallible> {
    Ok(http::Response::new(String::new()))
}

/// Four reasons in the log, one text for clients.
#[tokio::test]
async fn r28_k02_the_response_does_not_say_why_a_token_ended() {
    for (kind, expected) in [
        (RevocationKind::TokenId, "token_revoked"),
        (RevocationKind::Session, "session_revoked"),
        (RevocationKind::Client, "client_revoked"),
        (RevocationKind::Subject, "subject_revoked"),
    ] {
        for is_later in [false, true] {
            let world = World::new(Kind::Jwt);
            let verdict = RevocationVerdict::Revoked(kind);
            if is_later {
                world.script.answer_later(verdict);
            } else {
                world.script.answer(move || verdict.into());
            }
            log::capture();
            let (status, headers, body) = response(&world).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            let challenge = headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
            assert!(challenge.contains(r#"error_description="the token is not active""#), "{challenge}");
            assert!(!headers.contains_key("retry-after"));
            assert_eq!(body, r#"{"error":"invalid_token","error_description":"the token is not active"}"#);
            let lines = log::take();
            let refusals: Vec<_> = lines.lines().filter(|line| line.contains("refused")).collect();
            assert_eq!(refusals.len(), 1, "{lines}");
            assert!(refusals[0].contains(expected) && refusals[0].contains("revocation"), "{lines}");
            for secret in [&world.text, SUBJECT] {
                assert!(!lines.contains(secret), "{lines}");
            }
        }
    }
}

#[tokio::test]
async fn r18_k02_an_unavailable_check_never_blames_the_token() {
    let world = World::new(Kind::Jwt);
    let retry_after = Duration::from_millis(6_500);
    world.script.answer(move || RevocationVerdict::Unavailable { retry_after }.into());
    let (status, headers, body) = response(&world).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers["retry-after"], "7");
    assert!(!headers.contains_key("www-authenticate"));
    assert_eq!(body, r#"{"error_description":"tokens cannot be checked at the moment"}"#);
}

#[derive(Default)]
struct Steps(Vec<(Check, bool, String)>);

impl StepListener for Steps {
    fn step(&mut self, step: Step<'_>) {
        self.0.push((step.check, step.passed, format!("{}: {}", step.expected, step.found)));
    }
}

#[tokio::test]
async fn k02_a_listener_receives_the_step() {
    let world = World::new(Kind::Jwt);
    world.server.warm_up(Duration::from_secs(5)).await.unwrap();
    type Answer = fn(&World);
    let cases: [(Answer, bool, &str); 5] = [
        (|_| {}, true, "not revoked: not revoked"),
        (|it| it.script.answer_later(RevocationVerdict::NotRevoked), true, "not revoked: not revoked"),
        (
            |it| it.script.answer(|| RevocationVerdict::Revoked(RevocationKind::Client).into()),
            false,
            "not revoked: revoked by its client",
        ),
        (
            |it| it.script.answer_later(RevocationVerdict::Revoked(RevocationKind::Subject)),
            false,
            "not revoked: revoked by its subject",
        ),
        (
            |it| it.script.answer(|| RevocationVerdict::Unavailable { retry_after: Duration::ZERO }.into()),
            false,
            "not revoked: unknown",
        ),
    ];
    for (answer, passed, text) in cases {
        answer(&world);
        // Twice: the second time, the token may be in the cache.
        for _ in 0..2 {
            let mut steps = Steps::default();
            assert_eq!(world.server.validate_explained(&world.text, &mut steps).await.is_ok(), passed);
            let last = steps.0.pop().unwrap();
            assert_eq!(last, (Check::Revocation, passed, text.to_owned()));
            let before: Vec<_> = steps.0.iter().map(|(check, ..)| *check).collect();
            // Once: a wait for the verdict alone proves nothing again.
            assert_eq!(before, Check::ALL);
        }
    }
}

#[tokio::test]
async fn k02_health_has_the_state_of_the_check() {
    let world = World::new(Kind::Opaque);
    world.script.list.revoke_session(ISSUER, "s9").unwrap();
    let readiness = world.server.readiness();
    assert!(readiness.is_ready());
    let json = serde_json::to_value(&readiness).unwrap();
    assert_eq!(json["revocation"], json!({ "state": "current", "entries": 1, "max_entries": 1_000_000 }));
    world.script.answer(|| RevocationVerdict::NotRevoked.into());
    assert_eq!(world.server.revocation().unwrap().state, RevocationState::Stale);
    assert!(world.server.readiness().is_ready());
    let plain = builder().issuer(issuer_with(Algorithm::EdDSA).trusted()).build().unwrap();
    assert_eq!(plain.revocation(), None);
    assert!(!serde_json::to_string(&plain.readiness()).unwrap().contains("revocation"));
}

/// A tenant that the configuration does not name.
#[tokio::test]
async fn k02_a_token_of_a_resolved_issuer_is_revoked() {
    let trusted = issuer_with(Algorithm::EdDSA).trusted();
    let resolver = move |_: String| {
        let trusted = trusted.clone();
        async move { Ok::<_, tower_bearer::IssuerResolverError>(Some(trusted)) }
    };
    let list = list(LIFETIME);
    let server = builder().issuer_resolver(resolver).revocation(list.clone()).build().unwrap();
    let text = token().sign();
    assert_eq!(reason(&server, &text).await, "accepted");
    list.revoke_client("https://other.example.com", "app").unwrap();
    assert_eq!(reason(&server, &text).await, "accepted");
    list.revoke_client(ISSUER, "app").unwrap();
    assert_eq!(reason(&server, &text).await, "client_revoked");
    assert_eq!(reason(&server, &token().without_claim("iat").sign()).await, "claim_missing");
}

/// A check that knows nothing.
#[derive(Debug)]
struct Down;

impl RevocationCheck for Down {
    fn check(&self, _: &ValidatedToken) -> RevocationAnswer {
        RevocationVerdict::Unavailable { retry_after: Duration::ZERO }.into()
    }

    fn max_token_lifetime(&self) -> Option<Duration> {
        None
    }

    fn max_leeway(&self) -> Option<Duration> {
        None
    }

    fn status(&self) -> RevocationStatus {
        RevocationStatus::new(RevocationState::Unavailable)
    }
}

/// It would refuse every token.
#[test]
fn k02_a_server_whose_check_is_unavailable_is_not_ready() {
    let server = builder().issuer(issuer_with(Algorithm::EdDSA).trusted()).revocation(Down).build().unwrap();
    assert!(!server.readiness().is_ready());
    assert_eq!(serde_json::to_value(server.readiness()).unwrap()["ready"], false);
}

#[tokio::test]
async fn k02_both_halves_with_different_statuses_share_the_check() {
    let world = World::new(Kind::Jwt);
    let other = world.server.with_status_policy(tower_bearer::StatusPolicy::rfc6750());
    let held = other.validate(&world.text).await.unwrap();
    assert_eq!(world.use_token(Way::Validate, None).await, "accepted");
    world.script.list.revoke_token(&held).unwrap();
    assert_eq!(other.revalidate(&held).unwrap_err().reason(), "token_revoked");
    assert_eq!(reason(&other, &world.text).await, "token_revoked");
    assert_eq!(world.use_token(Way::Validate, None).await, "token_revoked");
}
