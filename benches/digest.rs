//! What a digest of a token costs: `cargo bench --bench digest`.
//!
//! The cache of tokens keeps a keyed digest where a token's text would be. The candidates take turns, round by round;
//! the numbers are medians of nanoseconds for one token, the MACs with their key made ready beforehand.
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

use std::hash::Hasher as _;
use std::hint::black_box;
use std::time::Duration;

use aegis::aegis128l::Aegis128LMac;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use median::median;
use serde_json::json;
use siphasher::sip128::{Hasher128 as _, SipHasher13, SipHasher24};
use support::Options;
use timing::time;

/// An ES256 token and an RS256 token of the usual size.
const TOKEN_BYTES: [usize; 2] = [606, 862];

fn main() {
    let options = Options::parse(101, Duration::from_millis(2));
    let mut results = Vec::new();
    println!("{:<22}{:>8}{:>12}", "", "bytes", "median ns");
    for bytes in TOKEN_BYTES {
        let token: Vec<u8> = (b'A'..=b'Z').cycle().take(bytes).collect();
        for (name, median) in measure(&token, &options) {
            println!("{name:<22}{bytes:>8}{median:>12.0}");
            results.push(json!({ "digest": name, "token_bytes": bytes, "median_ns": median }));
        }
    }
    options.write(results);
}

fn measure(token: &[u8], options: &Options) -> Vec<(&'static str, f64)> {
    let aegis = Aegis128LMac::<16>::new(&[1; 16]);
    let gcm = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[1; 16]).unwrap());
    let hmac = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
    let aegis = || {
        let mut mac = aegis.clone();
        mac.update(black_box(token));
        black_box(mac.finalize());
    };
    let gmac = || {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        black_box(gcm.seal_in_place_separate_tag(nonce, Aad::from(black_box(token)), &mut []).unwrap().as_ref()[0]);
    };
    let sip13 = || {
        let mut hasher = SipHasher13::new_with_keys(1, 2);
        hasher.write(black_box(token));
        black_box(hasher.finish128());
    };
    let sip24 = || {
        let mut hasher = SipHasher24::new_with_keys(1, 2);
        hasher.write(black_box(token));
        black_box(hasher.finish128());
    };
    let sha256 = || {
        black_box(digest::digest(&digest::SHA256, black_box(token)));
    };
    let hmac = || {
        black_box(hmac::sign(&hmac, black_box(token)));
    };
    let blake3 = || {
        black_box(blake3::keyed_hash(&[1; 32], black_box(token)));
    };
    let ways: [(_, &dyn Fn()); 7] = [
        ("AEGIS-128L MAC", &aegis),
        ("AES-128-GMAC", &gmac),
        ("SipHash-1-3, 128 bits", &sip13),
        ("SipHash-2-4, 128 bits", &sip24),
        ("SHA-256, not keyed", &sha256),
        ("HMAC-SHA-256", &hmac),
        ("BLAKE3, keyed", &blake3),
    ];
    let rounds: Vec<_> =
        (0..options.rounds).map(|_| ways.map(|(_, mut way)| time(&mut way, u32::MAX, options.slice))).collect();
    let median_of = |way: usize| median(rounds.iter().map(|times| times[way]).collect());
    ways.iter().enumerate().map(|(way, (name, _))| (*name, median_of(way))).collect()
}
