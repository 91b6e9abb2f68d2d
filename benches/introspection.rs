//! What an introspected token costs, compared with a JWT: `cargo bench --bench introspection`.
//!
//! In one process, `ResourceServer::validate` with a token that is in the cache: a JWT whose signature was verified, an
//! opaque token that was introspected, and a JWT with both. They take turns, round by round, so that a change of the
//! machine's speed affects them all. The numbers are medians over the rounds: of the time, and of the ratio to the JWT
//! in the same round, with its interval.
//!
//! Options after `--`: `--json FILE` writes the numbers to a file, `--smoke` runs a few iterations to see that the
//! benchmark works; its times mean nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a benchmark ends where something unexpected happens"
)]

#[path = "support/interval.rs"]
mod interval;
#[path = "support/median.rs"]
mod median;
mod support;
#[path = "support/timing.rs"]
mod timing;
#[allow(dead_code, reason = "no bare signature is checked here")]
#[path = "support/token.rs"]
mod token;

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use interval::median_interval;
use median::median;
use serde_json::json;
use support::Options;
use timing::time;
use token::AUDIENCE;
use tower_bearer::jose::Algorithm;
use tower_bearer::{Introspection, IntrospectionSource, IntrospectionSourceFuture, Issuer, ResourceServer};

/// Returns the claims of the JWT for every token.
#[derive(Debug)]
struct Answers(String);

impl IntrospectionSource for Answers {
    fn introspect<'a>(&'a self, _: &'a str) -> IntrospectionSourceFuture<'a> {
        Box::pin(async { Ok(Some(self.0.clone())) })
    }
}

fn main() {
    let options = Options::parse(301, Duration::from_millis(5));
    let issuer = token::issuer(Algorithm::RS256);
    let jwt = token::token(&issuer).sign();
    // An hour, so that no token is introspected again during the measurement.
    let asked = || {
        let claims = ResourceServer::builder().audience(AUDIENCE).issuer(issuer.trusted()).build().unwrap();
        let claims = now(&claims, &jwt).claim(&[""; 0]).unwrap().to_string();
        Introspection::by(Answers(claims)).cache(Duration::from_secs(3_600)).introspect_jwts(Duration::from_secs(3_600))
    };
    let server = |issuer: Issuer| ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap();
    let (plain, both) = (server(issuer.trusted()), server(issuer.trusted().introspection(asked())));
    let opaque = "4f1g0p".repeat(7);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert!(plain.validate(&jwt).await.is_ok());
        assert!(both.validate(&opaque).await.is_ok() && both.validate(&jwt).await.is_ok());
    });

    let ways: [(_, &dyn Fn()); 3] = [
        ("JWT, hit", &|| drop(black_box(now(&plain, black_box(&jwt))))),
        ("opaque, hit", &|| drop(black_box(now(&both, black_box(&opaque))))),
        ("JWT asked about, hit", &|| drop(black_box(now(&both, black_box(&jwt))))),
    ];
    let round = || ways.map(|(_, mut check)| time(&mut check, u32::MAX, options.slice));
    let rounds: Vec<_> = (0..options.rounds).map(|_| round()).collect();
    let mut results = Vec::new();
    println!("{:<24}{:>12}{:>9}{:>18}{:>8}", "", "median ns", "ratio", "95 %", "allocs");
    for (way, (name, check)) in ways.into_iter().enumerate() {
        let time = median(rounds.iter().map(|times| times[way]).collect());
        let ratio = median_interval(rounds.iter().map(|times| times[way] / times[0]).collect());
        let allocations = allocation_counter::measure(check).count_total;
        let interval = format!("{:.3}–{:.3}", ratio.low, ratio.high);
        println!("{name:<24}{time:>12.0}{:>9.3}{interval:>18}{allocations:>8}", ratio.median);
        results.push(json!({ "check": name, "median_ns": time, "ratio_to_jwt": ratio, "allocations": allocations }));
    }
    options.write(results);
}

/// A token that is in the cache, in one poll.
fn now(server: &ResourceServer, token: &str) -> tower_bearer::ValidatedToken {
    match pin!(server.validate(token)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(token) => token.unwrap(),
        Poll::Pending => panic!("a cached token waits for nothing"),
    }
}
