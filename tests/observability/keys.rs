//! What is counted for keys.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use metrics::set_default_local_recorder;
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::ManualClock;
use tower_bearer::{
    FetchedKeySet, Issuer, KeySetError, KeySource, KeySourceFuture, RefusalKind, ResourceServer, StatusPolicy,
};
use tower_bearer_test::Defect;

use crate::fixtures::*;
use crate::scrape::{Scrape, recorder, serve_with_metrics};

/// Longer than a set is current and than it may serve.
const LONG: Duration = Duration::from_secs(4_000);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    Publishes,
    SaysUnchanged,
    SendsHtml,
    Fails,
    Hangs,
    Panics,
}

/// A source that takes 250 ms of the manual clock for each fetch, and does what it is told.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) clock: ManualClock,
    mood: Arc<Mutex<Mood>>,
}

impl Source {
    pub(crate) fn new() -> Self {
        Self { clock: clock(), mood: Arc::new(Mutex::new(Mood::Publishes)) }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn server(&self) -> ResourceServer {
        let issuer = Issuer::new(ISSUER).key_source(self.clone());
        ResourceServer::builder().audience(AUDIENCE).clock(self.clock.clone()).issuer(issuer).build().unwrap()
    }
}

impl KeySource for Source {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(async {
            self.clock.advance(Duration::from_millis(250));
            let mood = *self.mood.lock().unwrap();
            match mood {
                Mood::Publishes => {
                    let issuer = issuer_with(Algorithm::RS256);
                    issuer.add_key(key(Algorithm::ES256));
                    let mut set = issuer.jwk_set();
                    set["keys"].as_array_mut().unwrap().push(serde_json::json!({ "kty": "oct", "k": "AQAB" }));
                    Ok(FetchedKeySet::new(set.to_string()))
                }
                Mood::SaysUnchanged => Ok(FetchedKeySet::unchanged()),
                Mood::SendsHtml => Ok(FetchedKeySet::new("<html>")),
                Mood::Fails => Err(KeySetError::source_failed(std::io::Error::other("out of order"))),
                Mood::Hangs => std::future::pending().await,
                Mood::Panics => panic!("a source of the application's own may panic"),
            }
        })
    }
}

async fn serve_metrics(recorder: &metrics_exporter_prometheus::PrometheusRecorder) -> SocketAddr {
    serve_with_metrics(axum::Router::new(), recorder.handle()).await
}

#[tokio::test]
async fn key_fetches_are_counted_by_result_with_their_duration_and_the_age_of_the_last_set() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let (source, address) = (Source::new(), serve_metrics(&recorder).await);
    let server = source.server();
    let token = token().expires_in(Duration::from_secs(86_400)).sign();

    // Each is asked when the last set is too old to serve, so that the request waits for the fetch.
    for (mood, expected) in [
        (Mood::Publishes, "accepted"),
        (Mood::SaysUnchanged, "accepted"),
        (Mood::SendsHtml, "keys_unavailable"),
        (Mood::Fails, "keys_unavailable"),
        (Mood::Publishes, "accepted"),
    ] {
        source.set(mood);
        assert_eq!(reason(&server, &token).await, expected, "{mood:?}");
        source.clock.advance(LONG);
    }

    let scrape = Scrape::of(address).await;
    scrape.assert_figures(
        "tower_bearer_key_fetches_total",
        &[
            (r#"issuer="https://as.example.com",result="success""#, 2),
            (r#"issuer="https://as.example.com",result="unchanged""#, 1),
            (r#"issuer="https://as.example.com",result="not_a_jwk_set""#, 1),
            (r#"issuer="https://as.example.com",result="source""#, 1),
        ],
    );
    let figure = |name: &str| scrape.figure(&format!(r#"tower_bearer_{name}{{issuer="https://as.example.com"}}"#));
    assert_eq!(figure("key_fetch_duration_seconds_count"), 5.0);
    assert_eq!(figure("key_fetch_duration_seconds_sum"), 5.0 * 0.25);
    // One was confirmed after one pause, one replaced after three more.
    assert_eq!(figure("key_set_age_seconds_count"), 2.0);
    assert_eq!(figure("key_set_age_seconds_sum"), 4_000.5 + 3.0 * 4_000.0 + 4.0 * 0.25);
    assert_eq!(figure("key_set_keys"), 2.0, "an RSA key fits six algorithms and is one key");
    assert_eq!(figure("key_set_dropped_keys"), 1.0);
    assert_eq!(figure("key_set_refreshed_timestamp_seconds"), 1_800_000_000.0 + 4.0 * 4_000.0 + 5.0 * 0.25);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_or_is_lost_is_counted_when_it_ends() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let source = Source::new();
    let (server, token) = (source.server(), token().sign());
    source.set(Mood::Hangs);
    let failed = |result: &str| {
        let series = format!(r#"tower_bearer_key_fetches_total{{issuer="https://as.example.com",result="{result}"}}"#);
        Scrape::read(recorder.handle().render()).figure(&series)
    };
    // Two requests give up after two seconds each; the third sees the end of the fetch after five.
    for timeouts in [0.0, 0.0, 1.0] {
        assert_eq!(reason(&server, &token).await, "keys_unavailable");
        assert_eq!(failed("timeout"), timeouts);
    }
    source.set(Mood::Panics);
    source.clock.advance(Duration::from_secs(61));
    assert_eq!(reason(&server, &token).await, "keys_unavailable");
    assert_eq!(failed("interrupted"), 1.0);
}

#[tokio::test]
async fn unknown_kids_are_counted_by_what_the_request_got() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let (source, address) = (Source::new(), serve_metrics(&recorder).await);
    let server = source.server();
    let long = || token().expires_in(Duration::from_secs(86_400));
    let (good, unknown) = (long().sign(), long().sign_defective(Defect::UnknownKid));

    assert_eq!(reason(&server, &good).await, "accepted");
    for _ in 0..3 {
        assert_eq!(reason(&server, &unknown).await, "no_matching_key");
    }
    source.set(Mood::Fails);
    let other = long().header("kid", "other").sign();
    assert_eq!(reason(&server, &other).await, "key_not_proven_absent");
    source.clock.advance(LONG);
    assert_eq!(reason(&server, &unknown).await, "keys_unavailable");
    assert_eq!(reason(&server, &good).await, "keys_unavailable", "a known one is not counted as unknown");
    let foreign = long().claim("iss", "https://elsewhere.example.com").header("kid", "foreign").sign();
    assert_eq!(reason(&server, &foreign).await, "issuer_mismatch", "nor is one of another issuer");

    Scrape::of(address).await.assert_figures(
        "tower_bearer_unknown_kids_total",
        &[
            (r#"issuer="https://as.example.com",answer="refused""#, 3),
            (r#"issuer="https://as.example.com",answer="unproven""#, 1),
            (r#"issuer="https://as.example.com",answer="unavailable""#, 1),
        ],
    );
}

/// Anybody can send an unknown `kid`, so it must not look like an outage, whatever status the row has.
#[tokio::test]
async fn an_unknown_kid_that_may_exist_has_an_outcome_that_the_outage_alert_leaves_out() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let source = Source::new();
    let server = source.server();
    assert_eq!(reason(&server, &token().sign()).await, "accepted");
    source.set(Mood::Fails);
    for (n, status) in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].into_iter().enumerate() {
        let policy = StatusPolicy::default().with(RefusalKind::KeyNotProvenAbsent, status).unwrap();
        let service = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
        let layered = server.with_status_policy(policy).layer().layer(service);
        let unknown = token().header("kid", format!("rotated-{n}")).sign();
        let request = Request::get("/").header("authorization", format!("Bearer {unknown}")).body(()).unwrap();
        assert_eq!(layered.oneshot(request).await.unwrap().status(), status);
    }
    let scrape = Scrape::read(recorder.handle().render());
    scrape
        .assert_figures("tower_bearer_decisions_total", &[(r#"outcome="unproven",reason="key_not_proven_absent""#, 2)]);
    let alerts = include_str!("../../docs/monitoring/alerts.yml");
    let outage = alerts.split("- alert: ").find(|alert| alert.starts_with("TowerBearerUnavailable")).unwrap();
    let (_, expression) = outage.split_once("expr:").unwrap();
    assert!(
        expression.contains(r#"{outcome="unavailable"}"#)
            && !expression.split("for:").next().unwrap().contains("unproven")
    );
}

#[tokio::test]
async fn waiting_requests_are_those_that_wait_now() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let (source, address) = (Source::new(), serve_metrics(&recorder).await);
    source.set(Mood::Hangs);
    let server = source.server();
    let token = token().sign();
    let waiting = r#"tower_bearer_waiting_requests{issuer="https://as.example.com"}"#;
    {
        let mut requests = [pin!(server.validate(&token)), pin!(server.validate(&token))];
        for request in &mut requests {
            assert!(matches!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
        }
        assert_eq!(Scrape::of(address).await.figure(waiting), 2.0);
    }
    let scrape = Scrape::of(address).await;
    assert_eq!(scrape.figure(waiting), 0.0, "their clients left");
    assert!(scrape.series().contains(waiting));
}
