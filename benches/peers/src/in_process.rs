//! Whole requests through tower services, without a network.
//!
//! All services take turns, round by round, on one thread. The numbers are medians over the rounds: nanoseconds of one
//! request, what the check adds to the same without it, that over what ours adds to a token that comes for the first
//! time, allocations and bytes of one request. Before that, each service was seen to accept the token and to refuse it
//! with one bit of the signature changed; of the other bad tokens, those it lets through are listed, for they are
//! checks that it does not spend time on.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer_test::{Defect, TestIssuer};

use crate::median::median;
use crate::peers::{NONE, NONE_AXUM_07, NONE_ROUTER, OTHERS, OURS, Peer};
use crate::support::Options;
use crate::timing::{BATCH, time};
use crate::token::{self, BareCheck};
use crate::trusted::{Trusted, runtime};

/// Counts the allocations of a call, and their bytes.
type Count = fn(&mut dyn FnMut()) -> (u64, u64);

/// Does what the command line asks for.
pub fn run(count: Count) {
    let options = Options::parse(101, Duration::from_millis(5));
    let mut results = Vec::new();
    println!("{:<7}{:<38}{:>9}{:>9}{:>8}{:>8}{:>8}  lets through", "", "", "ns", "added", "/ ours", "allocs", "bytes");
    // Some of them expect to be inside of a runtime.
    let runtime = runtime();
    let _inside = runtime.enter();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        results.extend(measure(&Subject::new(algorithm, &options), &options, count));
    }
    for peer in OTHERS {
        println!("{}: {}", peer.name, peer.note);
    }
    options.write(results);
}

/// The tokens of one issuer.
struct Subject {
    issuer: TestIssuer,
    trusted: Trusted,
    good: Vec<String>,
    /// As many as a round may need.
    distinct: Vec<String>,
}

impl Subject {
    fn new(algorithm: Algorithm, options: &Options) -> Self {
        let issuer = token::issuer(algorithm);
        let distinct = if options.slice.is_zero() { BATCH } else { 512 };
        Self {
            trusted: Trusted::new(&issuer),
            good: vec![token::token(&issuer).sign()],
            distinct: (0..distinct).map(|_| token::token(&issuer).sign()).collect(),
            issuer,
        }
    }

    /// The names of the bad tokens that are let through.
    fn lets_through(&self, peer: &Peer) -> Vec<&'static str> {
        let status = |token| (peer.requests)(&self.trusted, &[token]).unwrap()();
        assert_eq!(status(self.good[0].clone()), StatusCode::OK, "{} refuses a good token", peer.name);
        let bad = |defect| token::token(&self.issuer).sign_defective(defect);
        let changed_signature = status(bad(Defect::TamperedSignature));
        assert_ne!(changed_signature, StatusCode::OK, "{} accepts a changed signature", peer.name);

        // For this there is no defect; and some read all headers as strings, so the extension has to be one.
        let crit = token::token(&self.issuer).header("crit", json!(["extension"])).header("extension", "value").sign();
        let bound = json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" });
        let bound = token::token(&self.issuer).claim("cnf", bound).sign();
        let defects = Defect::ALL.iter().filter(|defect| **defect != Defect::UnknownCrit);
        defects
            .map(|defect| (defect.name(), bad(*defect)))
            .chain([(Defect::UnknownCrit.name(), crit), ("sender-constrained", bound)])
            .filter(|(_, token)| status(token.clone()) == StatusCode::OK)
            .map(|(name, _)| name)
            .collect()
    }
}

/// A row of the table.
struct Row<'a> {
    name: String,
    without_check: Option<usize>,
    lets_through: Vec<&'static str>,
    /// What is done in a round, no more often than `limit` says.
    start: Box<dyn Fn() -> Box<dyn FnMut()> + 'a>,
    limit: u32,
}

/// Ours stands where the ratio looks for it.
const BARE_ROW: usize = 0;
const OURS_ROW: usize = 4;

fn rows(subject: &Subject) -> Vec<Row<'_>> {
    let (good, distinct) = (&subject.good, &subject.distinct);
    let bare = || -> Box<dyn FnMut()> {
        let bare = BareCheck::new(&subject.issuer.signing_key(), &subject.good);
        Box::new(move || bare.run())
    };
    let row = |name: String, start, limit| Row { name, without_check: None, lets_through: Vec::new(), start, limit };
    let mut rows = vec![row("bare signature".to_owned(), Box::new(bare), u32::MAX)];
    let without_check = [&NONE, &NONE_ROUTER, &NONE_AXUM_07];
    for peer in without_check {
        rows.push(row(peer.name.to_owned(), Box::new(|| accepted(peer, &subject.trusted, good)), u32::MAX));
    }
    let with_check = |name: String, peer: &'static Peer, tokens, limit| {
        let base = peer.without_check.unwrap().name;
        let base = without_check.iter().position(|none| none.name == base).unwrap() + 1;
        Row {
            name,
            without_check: Some(base),
            lets_through: subject.lets_through(peer),
            start: Box::new(move || accepted(peer, &subject.trusted, tokens)),
            limit,
        }
    };
    let limit = u32::try_from(distinct.len()).unwrap();
    rows.push(with_check(format!("{}, distinct tokens", OURS.name), &OURS, distinct, limit));
    rows.push(with_check(format!("{}, one token", OURS.name), &OURS, good, u32::MAX));
    // Nothing is remembered by the others: one token stands for all.
    for peer in OTHERS {
        if (peer.requests)(&subject.trusted, good).is_some() {
            rows.push(with_check(peer.name.to_owned(), peer, good, u32::MAX));
        } else {
            println!("{:<7}{:<38}{:>9}", subject.trusted.algorithm.name(), peer.name, "has not got it");
        }
    }
    rows
}

/// Requests that are all seen to be accepted.
fn accepted(peer: &Peer, trusted: &Trusted, tokens: &[String]) -> Box<dyn FnMut()> {
    let mut request = (peer.requests)(trusted, tokens).unwrap();
    if tokens.len() == 1 {
        // What only the first of many has to do is not what this is about.
        request();
    }
    Box::new(move || assert_eq!(request(), StatusCode::OK))
}

fn measure(subject: &Subject, options: &Options, count: Count) -> Vec<Value> {
    let rows = rows(subject);
    let mut calls: Vec<_> = rows.iter().map(|row| (row.start)()).collect();
    let allocated: Vec<_> = calls.iter_mut().map(|call| allocated(call, count)).collect();
    let rounds: Vec<Vec<f64>> = (0..options.rounds)
        .map(|_| {
            let times = rows.iter().zip(&mut calls).map(|(row, call)| {
                if row.limit < u32::MAX {
                    *call = (row.start)();
                }
                time(call, row.limit, options.slice)
            });
            times.collect()
        })
        .collect();
    let over_rounds = |of: &dyn Fn(&[f64]) -> f64| median(rounds.iter().map(|round| of(round)).collect());

    let (algorithm, bytes) = (subject.trusted.algorithm, subject.good[0].len());
    let added = |row: usize| rows[row].without_check.map(|base| over_rounds(&|round| round[row] - round[base]));
    let describe = |(this, row): (usize, &Row<'_>)| {
        let ns = over_rounds(&|round| round[this]);
        let added = added(this);
        let ours = rows[OURS_ROW].without_check.unwrap();
        let to_ours = row
            .without_check
            .map(|base| over_rounds(&|round| (round[this] - round[base]) / (round[OURS_ROW] - round[ours])));
        let to_bare = row.without_check.map(|base| over_rounds(&|round| (round[this] - round[base]) / round[BARE_ROW]));
        let (allocations, allocated_bytes) = allocated[this];
        let text =
            |number: Option<f64>, decimals| number.map_or(String::new(), |number| format!("{number:.decimals$}"));
        println!(
            "{:<7}{:<38}{ns:>9.0}{:>9}{:>8}{allocations:>8.1}{allocated_bytes:>8.0}  {}",
            algorithm.name(),
            row.name,
            text(added, 0),
            text(to_ours, 3),
            row.lets_through.join(", "),
        );
        json!({
            "algorithm": algorithm.name(), "token_bytes": bytes, "service": row.name, "median_ns": ns,
            "added_ns": added, "added_to_ours": to_ours, "added_to_bare": to_bare, "allocations": allocations,
            "allocated_bytes": allocated_bytes, "lets_through": row.lets_through,
        })
    };
    rows.iter().enumerate().map(describe).collect()
}

/// Allocations of one call and their bytes, on average over some.
fn allocated(call: &mut dyn FnMut(), count: Count) -> (f64, f64) {
    let (allocations, bytes) = count(&mut || (0..BATCH).for_each(|_| call()));
    let each = |number: u64| f64::from(u32::try_from(number).unwrap()) / f64::from(BATCH);
    (each(allocations), each(bytes))
}
