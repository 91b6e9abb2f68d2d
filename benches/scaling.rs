//! How the cost of a check grows: `cargo bench --bench scaling`.
//!
//! One axis at a time, the rest as small as it can be: keys in an issuer's set, issuers, bytes of claims, scopes of a
//! token, each without the cache of tokens, and tokens in that cache. The points of an axis take turns, round by round,
//! and the numbers are medians over the rounds, with the ratio to the first point of the axis; but of the tokens each
//! number is a server of its own, filled and measured before the next. That takes some minutes; what is being done is
//! told on standard error.
//!
//! Tokens by the million are made by HMAC-SHA-256, in seconds; their claims are padded to 860 bytes of token. They are
//! looked at in an order that no processor foresees. "Memory" is what the allocations of the first pass left behind, by
//! their requested sizes, and what the process grew by, for each token.
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
#[path = "support/timing.rs"]
mod timing;
#[path = "support/token.rs"]
mod token;

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, ResourceServer, ResourceServerBuilder, ValidatedToken};
use tower_bearer_test::{SigningKey, TestIssuer};

use median::median;
use support::Options;
use timing::time;
use token::{AUDIENCE, BareCheck, ISSUER};

const SECRET: &[u8] = b"thirty-two bytes and more, that both sides know";
const TOKEN_BYTES: usize = 860;
/// Of more tokens than these, these are looked at: enough to be nowhere near the processor.
const LOOKED_AT: u32 = 10_000;

fn main() {
    let options = Options::parse(101, Duration::from_millis(5));
    let mut results = Vec::new();
    println!("{:<8}{:>9}  {:<26}{:>10}{:>9}", "axis", "", "", "median ns", "ratio");
    for axis in [keys, issuers, claims_bytes, scopes] {
        results.extend(measure(&axis(), &options));
    }
    let counts: &[u32] =
        if options.slice.is_zero() { &[10, 100] } else { &[10, 100, 1_000, 10_000, 100_000, 1_000_000] };
    println!("\n{:<8}{:>9}  {:<26}{:>10}{:>9}{:>11}{:>9}", "", "", "", "median ns", "ratio", "memory, B", "grew, B");
    results.extend(tokens(counts, &options));
    options.write(results);
}

/// Something to do at one point of an axis.
struct Point {
    axis: &'static str,
    value: usize,
    what: &'static str,
    call: Box<dyn Fn()>,
}

fn measure(points: &[Point], options: &Options) -> Vec<Value> {
    let rounds: Vec<Vec<f64>> = (0..options.rounds)
        .map(|round| {
            progress(&format!("{}: round {} of {}", points[0].axis, round + 1, options.rounds));
            points.iter().map(|point| time(&mut || (point.call)(), u32::MAX, options.slice)).collect()
        })
        .collect();
    progress("");
    let describe = |(this, point): (usize, &Point)| {
        let first = points.iter().position(|first| first.what == point.what).unwrap();
        let ns = median(rounds.iter().map(|round| round[this]).collect());
        let ratio = median(rounds.iter().map(|round| round[this] / round[first]).collect());
        let Point { axis, value, what, .. } = point;
        println!("{axis:<8}{value:>9}  {what:<26}{ns:>10.0}{ratio:>9.2}");
        json!({ "axis": axis, "value": value, "what": what, "median_ns": ns, "ratio_to_first": ratio })
    };
    points.iter().enumerate().map(describe).collect()
}

/// How to check this token, and to look its key up, with these issuers trusted.
fn check_and_look_up(
    (axis, value): (&'static str, usize),
    issuers: impl IntoIterator<Item = Issuer>,
    token: String,
    (issuer, key): (String, &SigningKey),
) -> [Point; 2] {
    let server = server(issuers);
    let (key_id, algorithm) = (key.key_id().to_owned(), key.algorithm());
    let same_server = server.clone();
    [
        Point { axis, value, what: "check of one token", call: Box::new(move || drop(check(&server, &token))) },
        Point {
            axis,
            value,
            what: "look for the key",
            call: Box::new(move || {
                assert!(same_server.has_key(black_box(&issuer), black_box(Some(&key_id)), algorithm));
            }),
        },
    ]
}

fn keys() -> Vec<Point> {
    let points = |count: usize| {
        let issuer = token::issuer(Algorithm::EdDSA);
        let key = issuer.signing_key();
        for n in 1..count {
            issuer.add_key(key.clone().with_key_id(format!("2026-{n:02}-another-key")));
        }
        let token = token::token(&issuer).sign();
        check_and_look_up(("keys", count), [issuer.trusted()], token, (issuer.url().to_owned(), &key))
    };
    [1, 3, 10, 30, 100].into_iter().flat_map(points).collect()
}

fn issuers() -> Vec<Point> {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let points = |count: usize| {
        let issuers: Vec<_> = (0..count)
            .map(|n| TestIssuer::with_key(format!("https://login-{n}.example.com/realms/production"), key.clone()))
            .collect();
        let last = &issuers[count - 1];
        let token = token::token(last).sign();
        check_and_look_up(
            ("issuers", count),
            issuers.iter().map(TestIssuer::trusted),
            token,
            (last.url().to_owned(), &key),
        )
    };
    [1, 10, 100, 1_000].into_iter().flat_map(points).collect()
}

/// A token may have 16 KiB, which leaves 12,000 bytes for the claims.
fn claims_bytes() -> Vec<Point> {
    let issuer = token::issuer(Algorithm::EdDSA);
    let points = |bytes: usize| {
        let token = |padding: &str| token::token(&issuer).claim("tenant", padding).sign();
        let padding = padding(bytes, |padding| {
            let token = token(padding);
            URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap().len()
        });
        let token = token(&padding);
        let bare = BareCheck::new(&issuer.signing_key(), std::slice::from_ref(&token));
        let server = server([issuer.trusted()]);
        let axis = "claims";
        [
            Point { axis, value: bytes, what: "bare signature", call: Box::new(move || bare.run()) },
            Point {
                axis,
                value: bytes,
                what: "check of one token",
                call: Box::new(move || drop(check(&server, &token))),
            },
        ]
    };
    [400, 1_000, 3_000, 6_000, 12_000].into_iter().flat_map(points).collect()
}

fn scopes() -> Vec<Point> {
    let issuer = Issuer::new(ISSUER).shared_secret(SECRET);
    let points = |count: usize| {
        let scopes: Vec<_> = (0..count).map(|n| format!("read:leads-{n}")).collect();
        let last = scopes[count - 1].clone();
        let token = hmac_token(&claims(0, &scopes.join(" "), ""));
        let server = server([issuer.clone()]);
        let validated = check(&server, &token);
        let axis = "scopes";
        [
            Point {
                axis,
                value: count,
                what: "check of one token, HMAC",
                call: Box::new(move || drop(check(&server, &token))),
            },
            Point {
                axis,
                value: count,
                what: "ask for the last scope",
                call: Box::new(move || assert!(validated.require(black_box(last.as_str())).is_ok())),
            },
        ]
    };
    [1, 10, 100, 500].into_iter().flat_map(points).collect()
}

fn tokens(counts: &[u32], options: &Options) -> Vec<Value> {
    let mut first = None;
    let at = |&count: &u32| {
        let token = |n: u32, padding: &str| hmac_token(&claims(n, "read:leads", padding));
        let padding = padding(TOKEN_BYTES, |padding| token(0, padding).len());
        let server = builder([Issuer::new(ISSUER).shared_secret(SECRET)]).token_cache_bytes(2 << 30).build().unwrap();
        let every = count.div_ceil(LOOKED_AT);
        let mut looked_at = Vec::new();
        let resident = resident_bytes();
        let mut left_behind = 0;
        for n in 0..count {
            if n % 10_000 == 0 {
                progress(&format!("tokens: {n} of {count} sent"));
            }
            let token = token(n, &padding);
            let counted = allocation_counter::measure(|| drop(check(&server, &token)));
            left_behind += counted.bytes_current;
            if n % every == 0 {
                looked_at.push(token);
            }
        }
        let grew = resident_bytes().zip(resident).map(|(now, before)| (now - before) / f64::from(count));
        let memory = i32::try_from(left_behind / i64::from(count)).unwrap();

        // A prime step meets all of them, in no order that a processor foresees.
        let mut next = 0;
        let mut call = || {
            next = (next + 7_919) % looked_at.len();
            drop(check(&server, &looked_at[next]));
        };
        let times = (0..options.rounds).map(|_| time(&mut call, u32::MAX, options.slice)).collect();
        progress("");
        let ns = median(times);
        let ratio = ns / *first.get_or_insert(ns);
        let grew_text = grew.map_or(String::new(), |grew| format!("{grew:.0}"));
        println!("{:<8}{count:>9}  {:<26}{ns:>10.0}{ratio:>9.2}{memory:>11}{grew_text:>9}", "tokens", "hit");
        json!({
            "axis": "tokens", "value": count, "what": "hit", "median_ns": ns, "ratio_to_first": ratio,
            "token_bytes": looked_at[0].len(), "memory_bytes_per_token": memory, "process_grew_bytes_per_token": grew,
        })
    };
    counts.iter().map(at).collect()
}

fn server(issuers: impl IntoIterator<Item = Issuer>) -> ResourceServer {
    builder(issuers).token_cache_bytes(0).build().unwrap()
}

fn builder(issuers: impl IntoIterator<Item = Issuer>) -> ResourceServerBuilder {
    let builder = ResourceServer::builder().audience(AUDIENCE);
    issuers.into_iter().fold(builder, ResourceServerBuilder::issuer)
}

fn check(server: &ResourceServer, token: &str) -> ValidatedToken {
    match pin!(server.validate(black_box(token))).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(validated) => black_box(validated.unwrap()),
        Poll::Pending => panic!("fixed keys need nothing to wait for"),
    }
}

/// What makes something measure as much as `wanted`, or up to two more: base64 has no finer steps.
fn padding(wanted: usize, measure: impl Fn(&str) -> usize) -> String {
    let mut padding = String::new();
    loop {
        let missing = wanted.saturating_sub(measure(&padding));
        if missing == 0 {
            return padding;
        }
        padding.push_str(&"x".repeat(missing.div_ceil(2)));
    }
}

fn claims(n: u32, scope: &str, padding: &str) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000_u32, "iat": 1_700_000_000, "sub": "alice",
        "jti": format!("{n:08}"), "scope": scope, "tenant": padding,
    })
}

fn hmac_token(claims: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let mut token = URL_SAFE_NO_PAD.encode(r#"{"typ":"at+jwt","alg":"HS256"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
    let signature = hmac::sign(&key, token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

/// Memory of this process, where the system tells.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024.0)
}

/// Shows what is being done, in the place of what was shown before.
fn progress(text: &str) {
    eprint!("\r\x1b[K{text}");
}
