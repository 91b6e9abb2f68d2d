//! What the layer adds to a whole request: `cargo bench --bench layer`.
//!
//! An `http::Request` goes through tower services that end in the same handler (200, empty): alone, in an axum
//! `Router`, behind the layer, and behind the layer in a `Router`. "One token" comes again and again; of "distinct
//! tokens" each comes once, so that nothing remembered of it helps. Beside them stands aws-lc-rs with a parsed key on
//! the signing inputs alone, of the same tokens: what comes again and again stays in the processor's caches. One
//! thread does it, then two at the same time; all take turns, round by round. The numbers are medians over the rounds:
//! nanoseconds of one request, what the layer added to the same without it ("added"), that over the bare signature,
//! allocations and bytes of one request with the making of the request itself, and how many times as many requests two
//! threads make together ("scaling").
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
#[path = "support/request.rs"]
mod request;
mod support;
#[path = "support/threads.rs"]
mod threads;
#[path = "support/timing.rs"]
mod timing;
#[path = "support/token.rs"]
mod token;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Value, json};
use tower::{Layer, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::{BearerLayer, ResourceServer};
use tower_bearer_test::{Defect, TestIssuer};

use median::median;
use request::{handler, requests};
use support::Options;
use threads::together;
use timing::BATCH;
use token::{AUDIENCE, BareCheck};

fn main() {
    let options = Options::parse(101, std::time::Duration::from_millis(5));
    let mut results = Vec::new();
    println!(
        "{:<7}{:>6}  {:<26}{:>9}{:>9}{:>8}{:>8}{:>8}{:>12}{:>9}",
        "", "bytes", "", "ns", "added", "/ bare", "allocs", "bytes", "2 thr., ns", "scaling"
    );
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        results.extend(measure(&Subject::new(algorithm, &options), &options));
    }
    options.write(results);
}

/// The tokens of one issuer.
struct Subject {
    issuer: TestIssuer,
    good: String,
    refused: String,
    /// For each of two threads as many as a round may need.
    distinct: [Vec<String>; 2],
    /// What came before them.
    earlier: Vec<String>,
}

impl Subject {
    fn new(algorithm: Algorithm, options: &Options) -> Self {
        let issuer = token::issuer(algorithm);
        let count = if options.slice.is_zero() { BATCH } else { 512 };
        let distinct = || (0..count).map(|_| token::token(&issuer).sign()).collect();
        Self {
            good: token::token(&issuer).sign(),
            refused: token::token(&issuer).sign_defective(Defect::TamperedSignature),
            distinct: [distinct(), distinct()],
            earlier: distinct(),
            issuer,
        }
    }

    fn layer(&self) -> BearerLayer {
        let server = ResourceServer::builder().audience(AUDIENCE).issuer(self.issuer.trusted());
        server.build().unwrap().layer()
    }
}

type Call = Box<dyn FnMut() + Send>;

/// A row of the table.
struct Row<'a> {
    name: &'static str,
    /// The row of the same without the layer.
    without_layer: Option<&'static str>,
    /// The row of the same tokens' signatures.
    bare: &'static str,
    /// What so many threads do in a round. It may be done as often as [`Row::limit`] says.
    start: Box<dyn Fn(usize) -> Vec<Call> + 'a>,
    limit: u32,
}

impl<'a> Row<'a> {
    /// The same for every thread, again and again.
    fn new(name: &'static str, without_layer: Option<&'static str>, call: impl Fn() -> Call + 'a) -> Self {
        let start = move |threads| {
            let mut calls: Vec<Call> = (0..threads).map(|_| call()).collect();
            // What only the first of many has to do is not what this is about.
            calls.iter_mut().for_each(|call| call());
            calls
        };
        Self { name, without_layer, bare: BARE, start: Box::new(start), limit: u32::MAX }
    }
}

const BARE: &str = "bare signature";
const BARE_DISTINCT: &str = "bare signature, distinct";
const SERVICE: &str = "service_fn";
const ROUTER: &str = "Router";

fn rows(subject: &Subject) -> Vec<Row<'_>> {
    let Subject { issuer, good, refused, distinct, earlier } = subject;
    let (ok, good) = (StatusCode::OK, std::slice::from_ref(good));
    let service = || service_fn(handler);
    let router = || Router::new().route("/leads", get(|| async {}));
    let layer = subject.layer();
    let in_router = layer.clone();
    let refusing = layer.clone();
    let limit = u32::try_from(distinct[0].len()).unwrap();
    vec![
        Row::new(BARE, None, || bare_check(issuer, good)),
        Row {
            name: BARE_DISTINCT,
            without_layer: None,
            bare: BARE_DISTINCT,
            start: Box::new(|threads| distinct.iter().take(threads).map(|tokens| bare_check(issuer, tokens)).collect()),
            limit,
        },
        Row::new(SERVICE, None, move || answered(ok, requests(service(), good))),
        Row::new(ROUTER, None, move || answered(ok, requests(router(), good))),
        Row::new("layer, one token", Some(SERVICE), move || answered(ok, requests(layer.layer(service()), good))),
        Row {
            name: "layer, distinct tokens",
            without_layer: Some(SERVICE),
            bare: BARE_DISTINCT,
            start: Box::new(move |threads| {
                let layer = subject.layer();
                // The first tokens of all pay for memory that later ones use.
                let mut earlier_request = answered(ok, requests(layer.layer(service()), earlier));
                earlier.iter().for_each(|_| earlier_request());
                let tokens = distinct.iter().take(threads);
                tokens.map(|tokens| answered(ok, requests(layer.layer(service()), tokens))).collect()
            }),
            limit,
        },
        Row::new("layer, bad signature", Some(SERVICE), move || {
            answered(StatusCode::UNAUTHORIZED, requests(refusing.layer(service()), std::slice::from_ref(refused)))
        }),
        Row::new("layer in Router, one token", Some(ROUTER), move || {
            answered(ok, requests(router().route_layer(in_router.clone()), good))
        }),
    ]
}

/// The signatures of these tokens, one after the other.
fn bare_check(issuer: &TestIssuer, tokens: &[String]) -> Call {
    let bare = BareCheck::new(&issuer.signing_key(), tokens);
    Box::new(move || bare.run())
}

/// A request, and a look at its answer.
fn answered(status: StatusCode, mut request: impl FnMut() -> StatusCode + Send + 'static) -> Call {
    Box::new(move || assert_eq!(request(), status))
}

fn measure(subject: &Subject, options: &Options) -> Vec<Value> {
    let rows = rows(subject);
    let allocated: Vec<_> = rows.iter().map(allocated).collect();
    let rounds: Vec<Vec<[f64; 2]>> = (0..options.rounds)
        .map(|_| {
            let times = |row: &Row<'_>| [1, 2].map(|threads| together((row.start)(threads), row.limit, options.slice));
            rows.iter().map(times).collect()
        })
        .collect();
    // The median over the rounds of what is computed from each.
    let over_rounds = |of: &dyn Fn(&[[f64; 2]]) -> f64| median(rounds.iter().map(|round| of(round)).collect());
    let index = |name: &str| rows.iter().position(|row| row.name == name).unwrap();

    let (algorithm, bytes) = (subject.issuer.signing_key().algorithm(), subject.good.len());
    let describe = |(row, (this, (allocations, allocated_bytes))): (&Row<'_>, (usize, (f64, f64)))| {
        let ns = over_rounds(&|round| round[this][0]);
        let two_threads = over_rounds(&|round| round[this][1]);
        let scaling = over_rounds(&|round| 2.0 * round[this][0] / round[this][1]);
        let (base, bare) = (row.without_layer.map(index), index(row.bare));
        let added = base.map(|base| over_rounds(&|round| round[this][0] - round[base][0]));
        let ratio = base.map(|base| over_rounds(&|round| (round[this][0] - round[base][0]) / round[bare][0]));
        let text =
            |number: Option<f64>, decimals| number.map_or(String::new(), |number| format!("{number:.decimals$}"));
        println!(
            "{:<7}{bytes:>6}  {:<26}{ns:>9.0}{:>9}{:>8}{allocations:>8.1}{allocated_bytes:>8.0}\
             {two_threads:>12.0}{scaling:>9.2}",
            algorithm.name(),
            row.name,
            text(added, 0),
            text(ratio, 3),
        );
        json!({
            "algorithm": algorithm.name(), "token_bytes": bytes, "request": row.name, "one_thread_ns": ns,
            "added_ns": added, "added_to_bare": ratio, "allocations": allocations, "allocated_bytes": allocated_bytes,
            "two_threads_ns": two_threads, "scaling": scaling,
        })
    };
    rows.iter().zip(allocated.into_iter().enumerate()).map(describe).collect()
}

/// Allocations of one call and their bytes, on average over some.
fn allocated(row: &Row<'_>) -> (f64, f64) {
    let mut call = (row.start)(1).swap_remove(0);
    let counted = allocation_counter::measure(|| (0..BATCH).for_each(|_| call()));
    let each = |number: u64| f64::from(u32::try_from(number).unwrap()) / f64::from(BATCH);
    (each(counted.count_total), each(counted.bytes_total))
}
