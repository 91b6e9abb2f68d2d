//! What is logged, and how often.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tower_bearer::jose::Algorithm;
use tower_bearer::time::{Clock, ManualClock, UnixTime};
use tower_bearer::{FetchedKeySet, Issuer, KeySetError, KeySource, KeySourceFuture, ResourceServer};

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
    let of_requests = lines(&log, "DEBUG").into_iter().filter(|line| line.contains("cannot judge a request"));
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
