//! What it costs to find a known key: `cargo bench --bench lookup`.
//!
//! `ResourceServer::has_key` goes the way of every request: the table of issuers, the clock, the cached set, the `kid`.
//! The first line has the machine's clock in it, the others one that stands still. One thread does it alone, then two
//! at the same time, turn by turn, round by round. The numbers are medians over the rounds: nanoseconds of one lookup,
//! how many times as many lookups two threads make together, and allocations.
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

#[path = "support/median.rs"]
mod median;
mod support;

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{Clock, UnixTime};
use tower_bearer::{FetchedKeySet, Issuer, KeySource, KeySourceFuture, ResourceServer};
use tower_bearer_test::{SigningKey, TestIssuer};

use median::median;
use support::Options;

const AUDIENCE: &str = "https://api.example.com";
const KEY_ID: &str = "2026-03-signing-key";

fn main() {
    let options = Options::parse(41, Duration::from_millis(40));
    let mut results = Vec::new();
    println!(
        "{:>9}{:>9}{:>6}{:>16}{:>16}{:>9}{:>8}",
        "clock", "issuers", "keys", "1 thread, ns", "2 threads, ns", "scaling", "allocs"
    );
    for (time, issuers, keys) in [
        (Time::Machine, 1, 1),
        (Time::Still, 1, 1),
        (Time::Still, 1, 3),
        (Time::Still, 1, 100),
        (Time::Still, 3, 3),
        (Time::Still, 100, 3),
    ] {
        let (server, issuer) = server(time, issuers, keys);
        let look_up = || assert!(server.has_key(black_box(&issuer), black_box(Some(KEY_ID)), Algorithm::EdDSA));
        let rounds: Vec<_> = (0..options.rounds)
            .map(|_| (together(&look_up, 1, options.slice), together(&look_up, 2, options.slice)))
            .collect();
        let alone = median(rounds.iter().map(|(alone, _)| *alone).collect());
        let both = median(rounds.iter().map(|(_, both)| *both).collect());
        let scaling = median(rounds.iter().map(|(alone, both)| 2.0 * alone / both).collect());
        let allocations = allocation_counter::measure(look_up).count_total;
        assert_eq!(allocations, 0, "a lookup allocates");
        let clock = format!("{time:?}").to_lowercase();
        println!("{clock:>9}{issuers:>9}{keys:>6}{alone:>16.1}{both:>16.1}{scaling:>9.2}{allocations:>8}");
        results.push(json!({
            "clock": clock, "issuers": issuers, "keys": keys, "one_thread_ns": alone, "two_threads_ns": both,
            "scaling": scaling, "allocations": allocations,
        }));
    }
    options.write(results);
}

/// Nanoseconds of one lookup, of each of so many threads that do it at the same time.
fn together(look_up: &(impl Fn() + Sync), threads: usize, slice: Duration) -> f64 {
    let barrier = Barrier::new(threads);
    let times: Vec<f64> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    // New threads may share a core until the scheduler has seen them work.
                    time(look_up, slice);
                    barrier.wait();
                    time(look_up, slice)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    median(times)
}

/// The clock is read once in a thousand lookups, so that it does not count.
fn time(look_up: &impl Fn(), slice: Duration) -> f64 {
    let start = Instant::now();
    let mut calls = 0.0;
    loop {
        (0..1_000).for_each(|_| look_up());
        calls += 1_000.0;
        let passed = start.elapsed();
        if passed >= slice {
            return passed.as_secs_f64() * 1e9 / calls;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Time {
    Machine,
    Still,
}

#[derive(Debug)]
struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(1_800_000_000))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1)
    }
}

#[derive(Debug)]
struct InMemory(String);

impl KeySource for InMemory {
    fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(async { Ok(FetchedKeySet::new(self.0.clone()).with_max_age(Duration::from_secs(3_600))) })
    }
}

/// A resource server whose issuers have all been fetched, and the one to look up.
fn server(time: Time, issuers: usize, keys: usize) -> (ResourceServer, String) {
    let name = |n: usize| format!("https://login-{n}.example.com/realms/production");
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let issuer = TestIssuer::with_key(name(0), key.clone().with_key_id(KEY_ID));
    for n in 1..keys {
        issuer.add_key(key.clone().with_key_id(format!("2026-{n:02}-another-key")));
    }
    let set = issuer.jwk_set().to_string();
    let builder = ResourceServer::builder().audience(AUDIENCE);
    let builder =
        (0..issuers).fold(builder, |builder, n| builder.issuer(Issuer::new(name(n)).key_source(InMemory(set.clone()))));
    let server = match time {
        Time::Machine => builder,
        Time::Still => builder.clock(StillClock),
    }
    .build()
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(server.warm_up(Duration::from_secs(10))).unwrap();
    (server, name(issuers - 1))
}
