//! What is counted for requests.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics::set_default_local_recorder;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{Clock, UnixTime};
use tower_bearer::{FetchedKeySet, Issuer, KeySetError, KeySource, KeySourceFuture};
use tower_bearer::{RequireScopes, ResourceServer, Step, StepListener, ValidatedToken};
use tower_bearer_test::Defect;

use crate::fixtures::*;
use crate::scrape::{Scrape, recorder, serve_with_metrics};

/// A source that never has any keys.
#[derive(Debug)]
struct NoKeys;

impl KeySource for NoKeys {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(async { Err(KeySetError::source_failed(std::io::Error::other("out of order"))) })
    }
}

/// An API with a route for each outcome.
pub(crate) fn app(server: &ResourceServer) -> Router {
    let without_keys = server_trusting(Issuer::new(ISSUER).key_source(NoKeys));
    let leads = Router::new()
        .route("/leads", get(async || "leads"))
        .route("/admin", get(async || "admin").route_layer(RequireScopes::all(["admin"])))
        .route("/asks", get(async |token: ValidatedToken| token.require("admin").map(|()| "admin")))
        .route_layer(server.layer());
    let feed = Router::new()
        .route("/feed", get(async || "feed"))
        .route("/mine", get(async |_: ValidatedToken| "mine"))
        .route_layer(server.layer().optional());
    let health = Router::new()
        .route("/health", get(async || "ok"))
        .route_layer(server.layer().public_when(|_, uri| uri.path() == "/health"));
    let unavailable = Router::new().route("/unavailable", get(async || "never")).route_layer(without_keys.layer());
    let unlayered = Router::new().route("/unlayered", get(async |_: ValidatedToken| "never"));
    leads.merge(feed).merge(health).merge(unavailable).merge(unlayered)
}

async fn send(address: std::net::SocketAddr, path: &str, authorization: Option<&str>) -> u16 {
    let request = client().get(format!("http://{address}{path}"));
    let request = authorization.iter().fold(request, |request, value| request.header("authorization", *value));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn every_request_is_counted_once_by_outcome_and_reason() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let address = serve_with_metrics(app(&server()), recorder.handle()).await;

    let bearer = |token: String| format!("Bearer {token}");
    let (good, short) = (bearer(token().sign()), bearer(token().expires_in(Duration::from_secs(10)).sign()));
    let expired = bearer(token().sign_defective(Defect::Expired));
    let tampered = bearer(token().sign_defective(Defect::TamperedSignature));
    let mut sent = 0;
    for (times, path, authorization, expected) in [
        (3, "/leads", Some(&*good), 200),
        (1, "/leads", Some(&*short), 200),
        (2, "/leads", None, 400),
        (1, "/leads", Some("Basic YTpi"), 400),
        (1, "/leads", Some("Bearer"), 400),
        (2, "/leads", Some("Bearer opaque"), 400),
        (4, "/leads", Some(&*expired), 401),
        (1, "/leads", Some(&*tampered), 401),
        (2, "/admin", Some(&*good), 403),
        (1, "/asks", Some(&*good), 403),
        (5, "/feed", None, 200),
        (1, "/feed", Some(&*good), 200),
        (1, "/mine", None, 400),
        (2, "/health", Some(&*expired), 200),
        (2, "/unavailable", Some(&*good), 503),
    ] {
        for _ in 0..times {
            assert_eq!(send(address, path, authorization).await, expected, "{path} {authorization:?}");
            sent += 1;
        }
    }
    assert_eq!(send(address, "/unlayered", Some(&good)).await, 500);

    let scrape = Scrape::of(address).await;
    scrape.assert_figures(
        "tower_bearer_decisions_total",
        &[
            (r#"outcome="accepted",reason="none""#, 3 + 1 + 2 + 1 + 1),
            (r#"outcome="anonymous",reason="none""#, 5 + 1 + 2),
            (r#"outcome="refused",reason="token_absent""#, 2 + 1),
            (r#"outcome="refused",reason="token_empty""#, 1),
            (r#"outcome="refused",reason="opaque_token""#, 2),
            (r#"outcome="refused",reason="expired""#, 4),
            (r#"outcome="refused",reason="bad_signature""#, 1),
            (r#"outcome="unavailable",reason="keys_unavailable""#, 2),
        ],
    );
    assert_eq!(scrape.sum("tower_bearer_decisions_total{"), f64::from(sent), "none twice, none left out");
    scrape.assert_figures(
        "tower_bearer_route_refusals_total",
        &[(r#"reason="insufficient_scope""#, 3), (r#"reason="token_absent""#, 1), (r#"reason="layer_missing""#, 1)],
    );

    // Only what brought one token was checked, and of the good ones only the first time. The clock stands, so no check
    // takes any time.
    scrape.assert_figures(
        "tower_bearer_check_duration_seconds_count",
        &[(r#"outcome="accepted""#, 2), (r#"outcome="refused""#, 2 + 4 + 1), (r#"outcome="unavailable""#, 2)],
    );
    assert_eq!(scrape.sum("tower_bearer_check_duration_seconds_sum"), 0.0);

    assert_eq!(scrape.figure("tower_bearer_token_life_left_seconds_count"), 8.0);
    assert_eq!(scrape.figure("tower_bearer_token_life_left_seconds_sum"), 7.0 * 300.0 + 10.0);
    assert_eq!(scrape.figure(r#"tower_bearer_token_life_left_seconds_bucket{le="15"}"#), 1.0);
    assert_eq!(scrape.figure(r#"tower_bearer_token_life_left_seconds_bucket{le="300"}"#), 8.0);
}

/// A clock of which a quarter of a second passes at each look.
#[derive(Debug)]
struct Stepping(std::sync::Mutex<Duration>);

impl Clock for Stepping {
    fn now(&self) -> Option<UnixTime> {
        Some(NOW)
    }

    fn monotonic(&self) -> Duration {
        let mut now = self.0.lock().unwrap();
        *now += Duration::from_millis(250);
        *now
    }
}

#[tokio::test]
async fn the_duration_of_a_check_is_measured_with_the_resource_servers_clock() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let issuer = issuer_with(Algorithm::RS256);
    let server = builder().issuer(issuer.trusted()).clock(Stepping(std::sync::Mutex::default())).build().unwrap();
    let address = serve_with_metrics(app(&server), recorder.handle()).await;

    assert_eq!(send(address, "/leads", Some(&format!("Bearer {}", token().sign()))).await, 200);
    let scrape = Scrape::of(address).await;
    assert_eq!(scrape.figure(r#"tower_bearer_check_duration_seconds_sum{outcome="accepted"}"#), 0.25);
}

#[derive(Debug)]
struct PublishedKeys(String);

impl KeySource for PublishedKeys {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(async { Ok(FetchedKeySet::new(&*self.0)) })
    }
}

#[tokio::test]
async fn a_request_that_waited_for_its_key_is_counted_when_it_is_decided() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let keys = PublishedKeys(issuer_with(Algorithm::RS256).jwk_set().to_string());
    let server = server_trusting(Issuer::new(ISSUER).key_source(keys));
    let address = serve_with_metrics(app(&server), recorder.handle()).await;

    let (good, other) = (token().sign(), token().sign_defective(Defect::WrongAudience));
    assert_eq!(send(address, "/leads", Some(&format!("Bearer {good}"))).await, 200);
    assert_eq!(send(address, "/leads", Some(&format!("Bearer {other}"))).await, 401);
    Scrape::of(address).await.assert_figures(
        "tower_bearer_decisions_total",
        &[(r#"outcome="accepted",reason="none""#, 1), (r#"outcome="refused",reason="audience_mismatch""#, 1)],
    );
}

#[tokio::test]
async fn a_recorder_that_comes_after_the_resource_server_counts_all_the_same() {
    let server = server();
    let good = format!("Bearer {}", token().sign());
    // Decided before there is a recorder: counted by nobody, and no reason not to count the next ones.
    let unmeasured = serve(app(&server)).await;
    assert_eq!(send(unmeasured, "/leads", Some(&good)).await, 200);

    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let address = serve_with_metrics(app(&server), recorder.handle()).await;
    assert_eq!(send(address, "/leads", Some(&good)).await, 200);
    let scrape = Scrape::of(address).await;
    assert_eq!(scrape.figure(r#"tower_bearer_decisions_total{outcome="accepted",reason="none"}"#), 1.0);
}

/// Each token that is looked for counts once, and those of requests that have no single token are not looked for.
#[tokio::test]
async fn lookups_in_the_token_cache_are_counted() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let server = server();
    let address = serve_with_metrics(app(&server), recorder.handle()).await;
    let bearer = |token: String| format!("Bearer {token}");
    let good = bearer(token().sign());
    let tampered = bearer(token().sign_defective(Defect::TamperedSignature));
    for (times, authorization, expected) in [
        (4, Some(&*good), 200),                                     // 1 miss, 3 hits
        (2, Some(&*tampered), 401),                                 // 2 misses
        (1, Some("Bearer opaque"), 400),                            // 1 miss
        (1, Some(&*format!("Bearer {}", "x".repeat(17_000))), 400), // too large to be looked for
        (2, None, 400),
        (1, Some("Basic YTpi"), 400),
        (1, Some("Bearer"), 400),
    ] {
        for _ in 0..times {
            assert_eq!(send(address, "/leads", authorization).await, expected);
        }
    }
    let name = "tower_bearer_token_cache_lookups_total";
    let scrape = Scrape::of(address).await;
    scrape.assert_figures(name, &[(r#"result="hit""#, 3), (r#"result="miss""#, 4)]);
    // Other tests of this process have caches too, and the gauges are of all.
    assert!(scrape.figure("tower_bearer_token_cache_tokens") >= 1.0);
    let bytes = scrape.figure("tower_bearer_token_cache_bytes");
    assert!(bytes >= 100.0, "{bytes}");

    // `validate` looks as well; whoever wants to hear of every check does not.
    let text = token().sign();
    for _ in 0..3 {
        server.validate(&text).await.unwrap();
        server.validate_explained(&text, &mut Deaf).await.unwrap();
    }
    Scrape::of(address).await.assert_figures(name, &[(r#"result="hit""#, 5), (r#"result="miss""#, 5)]);

    // Without a cache nothing is looked for.
    let none = builder().issuer(issuer_with(Algorithm::RS256).trusted()).token_cache_bytes(0).build().unwrap();
    none.validate(&text).await.unwrap();
    Scrape::of(address).await.assert_figures(name, &[(r#"result="hit""#, 5), (r#"result="miss""#, 5)]);
}

struct Deaf;

impl StepListener for Deaf {
    fn step(&mut self, _: Step<'_>) {}
}
