//! What is logged, and how often.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::routing::get;
use tower::ServiceExt;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{Clock, ManualClock, UnixTime};
use tower_bearer::{
    FetchedKeySet, Issuer, KeySetError, KeySource, KeySourceFuture, Refusal, RequireScopes, ResourceServer,
    ValidatedToken,
};
use tower_http::trace::TraceLayer;

use crate::support::*;

/// Has keys for the fetches that are marked so, and none for all others.
#[derive(Debug)]
struct Moody(Mutex<VecDeque<bool>>);

impl KeySource for Moody {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        let has_keys = self.0.lock().unwrap().pop_front().unwrap_or_default();
        Box::pin(async move {
            if has_keys {
                Ok(FetchedKeySet::new(issuer().jwk_set().to_string()))
            } else {
                Err(KeySetError::source_failed(std::io::Error::other("out of order")))
            }
        })
    }
}

fn server_with(fetches: impl Into<VecDeque<bool>>, clock: impl Clock + 'static) -> ResourceServer {
    let issuer = Issuer::new(ISSUER).key_source(Moody(Mutex::new(fetches.into())));
    ResourceServer::builder().audience(AUDIENCE).clock(clock).issuer(issuer).build().unwrap()
}

/// One line for each refusal, whatever refuses; in the span of a `TraceLayer` it has the method and the route.
#[tokio::test]
async fn a_refusal_is_one_line_with_the_route_and_times_in_rfc_3339() {
    async fn asks(token: ValidatedToken) -> Result<(), Refusal> {
        token.require("admin")
    }
    let trace = TraceLayer::new_for_http().make_span_with(|request: &Request| {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        tracing::info_span!(target: "tower_bearer", "request", method = %request.method(), route)
    });
    let waits = ResourceServer::builder().audience(AUDIENCE).clock(clock()).issuer(issuer_by_source());
    let app = Router::new()
        .route("/leads/{id}", get(async || "").route_layer(RequireScopes::all(["admin"])))
        .route("/asks/{id}", get(asks))
        .route_layer(server().layer())
        .merge(Router::new().route("/waits/{id}", get(async || "")).route_layer(waits.build().unwrap().layer()))
        .layer(trace);
    let expired = token().expires_in(Duration::ZERO).claim("exp", NOW.as_secs() - 31).sign();
    let early = token().claim("nbf", NOW.as_secs() + 31).sign();
    let scope = "reason=\"insufficient_scope\" error=the token lacks the required scope";
    let cases = [
        ("/leads/7", None, "reason=\"token_absent\"", None),
        ("/leads/7", Some(&expired), "check=expiry expected=after 2027-01-15T08:00:00Z, less 30 s", Some("expired")),
        ("/leads/7", Some(&early), "expected=not after 2027-01-15T08:00:00Z, plus 30 s", Some("not_yet_valid")),
        ("/leads/7", Some(&token().sign()), scope, None),
        ("/asks/7", Some(&token().sign()), scope, None),
        ("/waits/7", Some(&expired), "check=expiry expected=after 2027-01-15T08:00:00Z, less 30 s", Some("expired")),
    ];
    for (path, token, expected, reason) in cases {
        log::capture();
        let request = Request::builder().uri(path);
        let request =
            token.iter().fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let log = log::take();
        let refusals: Vec<_> = log.lines().filter(|line| line.contains("refused a request")).collect();
        let route = path.replace('7', "{id}");
        assert_eq!(refusals.len(), 1, "{log}");
        assert_eq!(
            log.lines().filter(|line| line.contains("DEBUG")).count(),
            if path.starts_with("/waits") { 2 } else { 1 },
            "{log}"
        );
        assert!(refusals[0].contains(&format!("request{{method=GET route={route:?}}}")), "{log}");
        assert!(refusals[0].contains(expected), "{log}");
        assert!(reason.is_none_or(|reason| refusals[0].contains(&format!("reason={reason:?}"))), "{log}");
        assert!(!log.contains("1800000"), "times are in RFC 3339: {log}");
    }
}

fn issuer_by_source() -> Issuer {
    Issuer::new(ISSUER).key_source(Moody(Mutex::new([true].into())))
}

/// The lines of this level, from the message on.
fn lines(log: &str, level: &str) -> Vec<String> {
    let start = format!(" {level} ");
    log.lines().filter(|line| line.contains(&start)).map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
}

#[tokio::test]
async fn an_outage_is_one_warning_for_each_attempt_however_many_requests_suffer() {
    let clock = ManualClock::at(NOW);
    let server = server_with([true], clock.clone());
    let token = token_with(Algorithm::RS256).expires_in(Duration::from_secs(86_400)).sign();
    assert_eq!(ask_with_token(&server, &token).await.reason(), "accepted");

    log::capture();
    // Past the staleness bound, and then past the longest delay between two attempts.
    for pause in [4_000, 61, 61] {
        clock.advance(Duration::from_secs(pause));
        for _ in 0..50 {
            assert_eq!(ask_with_token(&server, &token).await.status, 503);
        }
    }
    let log = log::take();
    let warnings = lines(&log, "WARN");
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
    for (failures, warning) in (1..).zip(&warnings) {
        for part in [
            "could not fetch the keys; the last good set is too old, requests are answered with 503",
            "issuer=https://as.example.com",
            "reason=\"source\"",
            "error=the key source failed: out of order",
            &format!("failures={failures}"),
            "retry_after_s=",
        ] {
            assert!(warning.contains(part), "{part} in {warning}");
        }
    }
    let of_requests = lines(&log, "DEBUG").into_iter().filter(|line| line.contains("cannot decide about a request"));
    assert_eq!(of_requests.count(), 150);
}

#[tokio::test]
async fn the_end_of_an_outage_is_told_once() {
    let clock = ManualClock::at(NOW);
    let server = server_with([false, true, true], clock.clone());
    let token = token_with(Algorithm::RS256).expires_in(Duration::from_secs(86_400)).sign();
    log::capture();
    assert_eq!(ask_with_token(&server, &token).await.reason(), "keys_unavailable");
    for _ in 0..2 {
        clock.advance(Duration::from_secs(4_000));
        assert_eq!(ask_with_token(&server, &token).await.reason(), "accepted");
    }
    let log = log::take();
    let warnings = lines(&log, "WARN");
    assert!(warnings.len() == 1 && warnings[0].contains("there are none"), "{warnings:?}");
    let told = lines(&log, "INFO");
    assert!(told.len() == 1 && told[0].contains("fetched the keys again"), "{told:?}");
    assert!(told[0].contains("keys=1 lifetime_s=300 failures=1"), "{told:?}");
}

/// A machine whose clock was never set.
#[derive(Debug)]
struct Unset;

impl Clock for Unset {
    fn now(&self) -> Option<UnixTime> {
        None
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test]
async fn a_clock_before_1970_is_a_warning_since_nothing_else_tells_of_it() {
    let server = ResourceServer::builder().audience(AUDIENCE).clock(Unset).issuer(issuer().trusted()).build().unwrap();
    log::capture();
    assert_eq!(ask_with_token(&server, &token().sign()).await.status, 503);
    let log = log::take();
    let warnings = lines(&log, "WARN");
    assert!(warnings.len() == 1 && warnings[0].contains("reason=\"clock_unavailable\""), "{warnings:?}");
}
