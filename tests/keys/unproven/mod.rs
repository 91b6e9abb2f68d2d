//! An unknown `kid` while the keys cannot be fetched: they may have been rotated, so the response is not 401. The rows
//! are those of the table in `guide::keys`.

mod rows;
mod without_a_fetch;

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, KeyPolicy, RefusalKind, ResourceServer, StatusPolicy, TokenError};
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault};
use tower_bearer_test::TestIssuer;

use crate::provider::*;

const UNPROVEN: &str = "key_not_proven_absent";
const UNKNOWN: &str = "no_matching_key";

fn with_kid(issuer: &TestIssuer, kid: &str) -> String {
    issuer.token().audience(AUDIENCE).expires_in(Duration::from_secs(86_400)).header("kid", kid).sign()
}

/// Polls once: the response if the request need not wait.
fn at_once(server: &ResourceServer, token: &str) -> Option<&'static str> {
    let mut request = pin!(reason(server, token));
    match request.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reason) => Some(reason),
        Poll::Pending => None,
    }
}

fn retry_after(error: &TokenError) -> Duration {
    let TokenError::KeyNotProvenAbsent { retry_after } = error else { panic!("{error:?}") };
    *retry_after
}

/// The bundled server, and a resource server with its keys; then the keys are rotated, and the new ones cannot be
/// fetched.
struct RotatedInOutage {
    provider: AuthorizationServer,
    server: ResourceServer,
    clock: ManualClock,
    old: String,
    new: String,
}

impl RotatedInOutage {
    async fn start(fault: Fault) -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        let builder = AuthorizationServer::builder().signing_algorithm(Algorithm::EdDSA).clock(clock.clone());
        let provider = builder.start().await.unwrap();
        let short = Duration::from_millis(200);
        let policy = KeyPolicy::default().connect_timeout(short).fetch_timeout(short);
        let trusted = Issuer::new(provider.issuer()).key_policy(policy.request_wait(Duration::from_secs(60)));
        let server = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).clock(clock.clone()).build().unwrap();
        let old = token(provider.test_issuer());
        assert_eq!(reason(&server, &old).await, "accepted");
        provider.rotate_keys().unwrap();
        let new = token(provider.test_issuer());
        provider.misbehave(Endpoint::JwkSet, fault).unwrap();
        Self { provider, server, clock, old, new }
    }
}

/// The layer's response.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
    reason: &'static str,
}

async fn ask(server: &ResourceServer, token: &str) -> Got {
    let service = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let (parts, body) = server.layer().layer(service).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Got {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        reason: parts.extensions.get::<TokenError>().map_or("accepted", TokenError::reason),
    }
}

#[tokio::test]
async fn r18_a_rotation_that_an_outage_hides_is_503_of_its_own_and_heals() {
    for fault in [Fault::status(503), Fault::status(500), Fault::Html, Fault::EmptySet, Fault::Disconnect, Fault::Hang]
    {
        let it = RotatedInOutage::start(fault.clone()).await;
        let answer = ask(&it.server, &it.new).await;
        assert_eq!((answer.status, answer.reason), (503, UNPROVEN), "{fault:?}");
        let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{fault:?}: {seconds}");
        assert_eq!(answer.headers.get("www-authenticate"), None, "{fault:?}");
        assert!(!answer.body.contains("\"error\""), "{fault:?}: {}", answer.body);
        assert_eq!(ask(&it.server, &it.old).await.status, 200, "{fault:?}: known keys serve");
        assert!(it.server.readiness().is_ready(), "{fault:?}: it is no outage of the service");

        it.provider.behave(Endpoint::JwkSet);
        it.clock.advance(Duration::from_secs(seconds));
        assert_eq!(ask(&it.server, &it.new).await.status, 200, "{fault:?}: after `Retry-After`");
        assert_eq!(ask(&it.server, &it.old).await.reason, UNKNOWN, "{fault:?}: the old key was withdrawn");
    }
}

/// The whole provider is down, including discovery.
#[tokio::test]
async fn r18_a_rotation_before_the_provider_went_away_is_503_within_and_past_the_lifetime() {
    for passed in [0, 299, 300, 3_899] {
        let mut it = RotatedInOutage::start(Fault::status(503)).await;
        it.provider.stop().await;
        it.clock.advance(Duration::from_secs(passed));
        for _ in 0..4 {
            assert_eq!(reason(&it.server, &it.new).await, UNPROVEN, "{passed}");
        }
        it.clock.advance(Duration::from_secs(3_900 - passed));
        assert_eq!(reason(&it.server, &it.new).await, "keys_unavailable", "past the bound it is an outage");
        it.provider.restart().await.unwrap();
        it.provider.behave(Endpoint::JwkSet);
        it.clock.advance(KeyPolicy::MAX_BACKOFF);
        assert_eq!(reason(&it.server, &it.new).await, "accepted", "{passed}");
    }
}

#[tokio::test]
async fn r18_the_row_has_the_status_that_the_policy_says() {
    let it = RotatedInOutage::start(Fault::status(503)).await;
    let unavailable = |policy: StatusPolicy, status| policy.with(RefusalKind::Unavailable, status).unwrap();
    let unproven = |policy: StatusPolicy, status| policy.with(RefusalKind::KeyNotProvenAbsent, status).unwrap();
    let (teapot, too_many) = (StatusCode::IM_A_TEAPOT, StatusCode::TOO_MANY_REQUESTS);
    let default = StatusPolicy::default;
    for (policy, status) in [
        (default(), 503),
        (StatusPolicy::rfc6750(), 503),
        (unproven(default(), too_many), 429),
        (unproven(StatusPolicy::rfc6750(), StatusCode::UNAUTHORIZED), 401),
        // Until it is set, the row has the status of an outage, as it did before there were two rows.
        (unavailable(default(), teapot), 418),
        (unavailable(unproven(default(), too_many), teapot), 429),
        (unproven(unavailable(default(), teapot), too_many), 429),
    ] {
        assert_eq!(policy.status(RefusalKind::KeyNotProvenAbsent).as_u16(), status);
        let answer = ask(&it.server.with_status_policy(policy.clone()), &it.new).await;
        assert_eq!((answer.status, answer.reason), (status, UNPROVEN), "{policy:?}");
        let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
        let challenge = answer.headers.get("www-authenticate").map(|challenge| challenge.to_str().unwrap());
        let expected = (status < 500).then_some("Bearer realm=\"https://api.example.com\"");
        assert_eq!(challenge, expected, "the token is not blamed");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let expected = r#"{"error_description":"whether the token's key exists cannot be checked at the moment"}"#;
        assert_eq!(answer.body, expected);
    }
    let only_this = unproven(default(), too_many);
    assert_eq!(only_this.status(RefusalKind::Unavailable), StatusCode::SERVICE_UNAVAILABLE);
}

/// The provider is up: a made-up `kid` gets 401, within the budget and beyond it.
#[tokio::test]
async fn r18_junk_is_401_while_the_provider_is_well() {
    for policy in [StatusPolicy::default(), StatusPolicy::rfc6750()] {
        let (provider, issuer) = Provider::with_keys().await;
        let server = provider.resource_server().with_status_policy(policy);
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
        for n in 0..20 {
            let answer = ask(&server, &with_kid(&issuer, &format!("junk-{n}"))).await;
            assert_eq!((answer.status, answer.reason), (401, UNKNOWN), "{n}");
            assert_eq!(answer.headers.get("retry-after"), None);
        }
        assert_eq!(provider.key_fetches(), 1 + KeyPolicy::UNKNOWN_KID_FETCHES);
    }
}

/// Row g, and row f once the latest attempt failed: both with the budget spent.
#[tokio::test]
async fn r18_g_a_spent_budget_is_401_only_after_an_attempt_that_succeeded() {
    let (provider, issuer) = Provider::with_keys().await;
    for (second, expected) in [(200, UNKNOWN), (503, UNPROVEN)] {
        provider.publish(&issuer);
        let server =
            provider.resource_server_trusting(Issuer::new(provider.url("")).jwk_set_url(provider.url(JWK_SET)));
        assert_eq!(reason(&server, &token(&issuer)).await, "accepted");
        assert_eq!(reason(&server, &with_kid(&issuer, "junk-1")).await, UNKNOWN);
        if second != 200 {
            provider.answer(JWK_SET, Answer::Status(second));
        }
        assert_eq!(reason(&server, &with_kid(&issuer, "junk-2")).await, expected);
        let fetches = provider.key_fetches();
        assert_eq!(at_once(&server, &with_kid(&issuer, "junk-3")), Some(expected), "the budget is spent");
        assert_eq!(at_once(&server, &with_kid(&issuer, "junk-1")), Some(UNKNOWN), "c: it was looked for");
        assert_eq!(provider.key_fetches(), fetches);
    }
}
