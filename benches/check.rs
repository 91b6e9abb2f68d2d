//! What a check costs over the bare signature: `cargo bench --bench check`.
//!
//! In one process, for each algorithm: aws-lc-rs with a parsed key on the signing input alone ("bare"),
//! `jsonwebtoken::decode`, and `ResourceServer::validate` with a fixed JWK Set, without the cache of tokens ("cold")
//! and with a token that is in it ("hit"). They take turns, round by round, so that a change of the machine's speed
//! meets them all. The numbers are medians over the rounds: of the time, and of the ratio to the bare check of the same
//! round. The token has 11 claims and about 860 bytes with RSA.
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

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};
use median::median;
use serde::Deserialize;
use serde_json::json;
use support::Options;
use timing::time;
use token::{AUDIENCE, BareCheck, ISSUER};
use tower_bearer::jose::Algorithm;
use tower_bearer::{ResourceServer, TokenError, ValidatedToken};

fn main() {
    let options = Options::parse(301, Duration::from_millis(5));
    let mut results = Vec::new();
    println!("{:<8}{:>7}  {:<24}{:>12}{:>9}{:>8}", "", "bytes", "", "median ns", "ratio", "allocs");
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        let subject = Subject::new(algorithm);
        subject.assert_answers();
        for (name, median, ratio, allocations) in subject.measure(&options) {
            let bytes = subject.token.len();
            println!("{algorithm:<8}{bytes:>7}  {name:<24}{median:>12.0}{ratio:>9.3}{allocations:>8}");
            results.push(json!({
                "algorithm": algorithm.name(), "token_bytes": bytes, "check": name,
                "median_ns": median, "ratio_to_bare": ratio, "allocations": allocations,
            }));
        }
    }
    options.write(results);
}

/// The claims as an application would name them; jsonwebtoken reads them for the caller.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "read for the time it takes")]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    nbf: u64,
    jti: String,
    client_id: String,
    scope: String,
    tenant: String,
    roles: Vec<String>,
}

/// A token and the ways to check it.
struct Subject {
    token: String,
    bare: BareCheck,
    oracle: (DecodingKey, Validation),
    cold: ResourceServer,
    warm: ResourceServer,
}

impl Subject {
    fn new(algorithm: Algorithm) -> Self {
        let issuer = token::issuer(algorithm);
        let token = token::token(&issuer).sign();
        let server = || ResourceServer::builder().audience(AUDIENCE).issuer(issuer.trusted());
        let jwk: Jwk = serde_json::from_value(issuer.signing_key().public_jwk()).unwrap();
        Self {
            bare: BareCheck::new(&issuer.signing_key(), std::slice::from_ref(&token)),
            oracle: (DecodingKey::from_jwk(&jwk).unwrap(), validation(algorithm)),
            cold: server().token_cache_bytes(0).build().unwrap(),
            warm: server().build().unwrap(),
            token,
        }
    }

    fn check_with_oracle(&self, token: &str) -> jsonwebtoken::errors::Result<Claims> {
        decode(token, &self.oracle.0, &self.oracle.1).map(|data| data.claims)
    }

    /// Each accepts the token and refuses one whose payload was changed.
    fn assert_answers(&self) {
        let (signing_input, signature) = self.token.rsplit_once('.').unwrap();
        let (header, _) = signing_input.split_once('.').unwrap();
        let tampered_input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(r#"{"sub":"mallory"}"#));
        let tampered = format!("{tampered_input}.{signature}");
        let decoded = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(self.bare.accepts(signing_input, &decoded) && !self.bare.accepts(&tampered_input, &decoded));
        assert_eq!(self.check_with_oracle(&self.token).unwrap().tenant, "acme-production");
        assert!(self.check_with_oracle(&tampered).is_err());
        for server in [&self.cold, &self.warm, &self.warm] {
            assert_eq!(check(server, &self.token).unwrap().client_id(), Some("sales-portal"));
            assert_eq!(check(server, &tampered).unwrap_err(), TokenError::BadSignature);
        }
    }

    /// Name, time, ratio to the bare check and allocations of each way.
    fn measure(&self, options: &Options) -> [(&'static str, f64, f64, u64); 4] {
        let ways: [(_, &dyn Fn()); 4] = [
            ("bare signature", &|| self.bare.run()),
            ("jsonwebtoken::decode", &|| assert!(black_box(self.check_with_oracle(black_box(&self.token))).is_ok())),
            ("validate, cold", &|| assert!(black_box(check(&self.cold, black_box(&self.token))).is_ok())),
            ("validate, hit", &|| assert!(black_box(check(&self.warm, black_box(&self.token))).is_ok())),
        ];
        let round = || ways.map(|(_, mut check)| time(&mut check, u32::MAX, options.slice));
        let rounds: Vec<_> = (0..options.rounds).map(|_| round()).collect();
        std::array::from_fn(|way| {
            let (name, check) = ways[way];
            let time = median(rounds.iter().map(|times| times[way]).collect());
            let ratio = median(rounds.iter().map(|times| times[way] / times[0]).collect());
            (name, time, ratio, allocation_counter::measure(check).count_total)
        })
    }
}

fn check(server: &ResourceServer, token: &str) -> Result<ValidatedToken, TokenError> {
    now(server.validate(token))
}

/// With fixed keys one poll is enough.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("fixed keys need nothing to wait for"),
    }
}

/// As strict as ours.
fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.name().parse().unwrap());
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    validation.leeway = 30;
    validation
}
