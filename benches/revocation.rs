//! What a revocation list costs: `cargo bench --bench revocation`.
//!
//! In one process, `ResourceServer::validate` with 30,000 distinct tokens that are in the cache, in random order: without
//! a list, with a list of a million random entries, and with such a list while a thousand entries arrive in every
//! second. They take turns, round by round, so that a change of the machine's speed affects them all. The numbers are
//! medians over the rounds: of the time, and of the ratio to no list in the same round, with its interval. The list may
//! add at most half of a hit; a full run fails if it adds more.
//!
//! Options after `--`: `--json FILE` writes the numbers to a file, `--smoke` runs a few iterations with fewer tokens and
//! entries to see that the benchmark works; its times mean nothing.
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

use std::cell::Cell;
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use interval::median_interval;
use median::median;
use serde_json::json;
use support::Options;
use timing::time;
use token::{AUDIENCE, ISSUER};
use tower_bearer::jose::Algorithm;
use tower_bearer::{ResourceServer, Revocation, RevocationList};
use tower_bearer_test::TestIssuer;

const LIFETIME: Duration = Duration::from_secs(86_400);
/// DESIGN of the project: a list adds at most so much of a hit.
const BOUND: f64 = 0.5;
const ARRIVING_PER_SECOND: u32 = 1_000;

/// Tokens in the cache of one server, used in random order.
struct Cached<'t> {
    server: ResourceServer,
    tokens: &'t [String],
    next: Cell<usize>,
}

impl<'t> Cached<'t> {
    fn new(issuer: &TestIssuer, tokens: &'t [String], list: Option<&RevocationList>) -> Self {
        let builder = ResourceServer::builder().audience(AUDIENCE).issuer(issuer.trusted());
        let builder = builder.token_cache_bytes(256 * 1024 * 1024);
        let server = list.map_or(builder.clone(), |list| builder.revocation(list.clone())).build().unwrap();
        let cached = Self { server, tokens, next: Cell::new(0) };
        tokens.iter().for_each(|_| cached.use_one());
        assert_eq!(cached.server.token_cache().unwrap().tokens, tokens.len());
        cached
    }

    fn use_one(&self) {
        let next = self.next.get();
        self.next.set(if next + 1 == self.tokens.len() { 0 } else { next + 1 });
        let token = black_box(self.tokens[next].as_str());
        match pin!(self.server.validate(token)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(token) => drop(black_box(token.unwrap())),
            Poll::Pending => panic!("nothing is waited for"),
        }
    }
}

fn random_entry() -> Revocation {
    let name = format!("{:016x}-{:016x}", fastrand::u64(..), fastrand::u64(..));
    match fastrand::u8(..4) {
        0 => Revocation::token_id(ISSUER, &name),
        1 => Revocation::session(ISSUER, &name),
        2 => Revocation::client(ISSUER, &name, tower_bearer::time::UnixTime::from_secs(u64::from(u32::MAX))),
        _ => Revocation::subject(ISSUER, &name, tower_bearer::time::UnixTime::from_secs(u64::from(u32::MAX))),
    }
}

fn main() {
    let options = Options::parse(301, Duration::from_millis(10));
    let is_smoke = options.slice.is_zero();
    let (tokens, entries) = if is_smoke { (300, 1_000) } else { (30_000, 1_000_000) };
    let issuer = token::issuer(Algorithm::RS256);
    let sign =
        |n: usize| token::token(&issuer).subject(format!("user-{n}")).claim("sid", format!("session-{n}")).sign();
    let mut signed: Vec<_> = (0..tokens).map(sign).collect();
    fastrand::shuffle(&mut signed);

    let list = || RevocationList::builder(LIFETIME).max_entries(entries + 100_000_000).build().unwrap();
    let (quiet, busy) = (list(), list());
    let before = resident_bytes();
    let began = Instant::now();
    (0..entries).for_each(|_| drop(quiet.revoke(&random_entry()).unwrap()));
    let (per_entry, bytes) = (began.elapsed() / u32::try_from(entries).unwrap(), resident_bytes() - before);
    quiet.entries().for_each(|entry| drop(busy.revoke(&entry).unwrap()));
    let bytes_each = bytes / f64::from(u32::try_from(entries).unwrap());
    println!("{entries} entries: {per_entry:?} each to add, {bytes_each:.0} bytes each\n");

    let without = Cached::new(&issuer, &signed, None);
    let (with, arriving) = (Cached::new(&issuer, &signed, Some(&quiet)), Cached::new(&issuer, &signed, Some(&busy)));
    let ways: [(_, &Cached<'_>, bool); 3] =
        [("no list", &without, false), ("a list", &with, false), ("a list, entries arrive", &arriving, true)];
    let round = || {
        ways.map(|(_, cached, has_arrivals)| {
            let measure = || time(&mut || cached.use_one(), u32::MAX, options.slice);
            if has_arrivals { while_entries_arrive(&busy, measure) } else { measure() }
        })
    };
    let rounds: Vec<_> = (0..options.rounds).map(|_| round()).collect();
    let mut results =
        vec![json!({ "entries": entries, "add_ns": per_entry.as_secs_f64() * 1e9, "bytes_each": bytes_each })];
    println!("{:<24}{:>12}{:>9}{:>18}{:>8}", "", "median ns", "ratio", "95 %", "allocs");
    for (way, (name, cached, _)) in ways.into_iter().enumerate() {
        let time = median(rounds.iter().map(|times| times[way]).collect());
        let ratio = median_interval(rounds.iter().map(|times| times[way] / times[0]).collect());
        let allocations = allocation_counter::measure(|| cached.use_one()).count_total;
        let interval = format!("{:.3}–{:.3}", ratio.low, ratio.high);
        println!("{name:<24}{time:>12.0}{:>9.3}{interval:>18}{allocations:>8}", ratio.median);
        let is_within = is_smoke || ratio.low <= 1.0 + BOUND;
        assert!(is_within, "{name} adds more than {BOUND} of a hit");
        results.push(json!({
            "tokens": tokens, "check": name, "median_ns": time, "ratio_to_no_list": ratio, "allocations": allocations
        }));
    }
    options.write(results);
}

/// Another thread adds entries in the meantime.
fn while_entries_arrive<T>(list: &RevocationList, measure: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                list.revoke(&random_entry()).unwrap();
                std::thread::sleep(Duration::from_secs(1) / ARRIVING_PER_SECOND);
            }
        });
        let measured = measure();
        is_over.store(true, Ordering::Relaxed);
        measured
    })
}

/// As Linux counts them; zero elsewhere.
fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u32>().ok());
    f64::from(pages.unwrap_or_default()) * 4_096.0
}
