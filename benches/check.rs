//! What a check costs over the bare signature: `cargo bench --bench check`.
//!
//! In one process, for each algorithm: aws-lc-rs with a parsed key on the signing input alone ("bare"),
//! `jsonwebtoken::decode`, and `ResourceServer::validate` with a fixed JWK Set. The three take turns, round by round, so
//! that a change of the machine's speed meets them all. The numbers are medians over the rounds: of the time, and of the
//! ratio to the bare check of the same round. The token has 11 claims and about 860 bytes with RSA.
//!
//! Options behind `--`: `--json FILE` writes the numbers to a file, `--smoke` runs a few iterations to see that the
//! benchmark works and judges no time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a benchmark ends where something unexpected happens"
)]

mod support;

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::json;
use support::{Options, median};
use tower_bearer::jose::Algorithm;
use tower_bearer::test_util::{SigningKey, TestIssuer};
use tower_bearer::{ResourceServer, TokenError, ValidatedToken};

const ISSUER: &str = "https://login.example.com/realms/production";
const AUDIENCE: &str = "https://api.example.com/leads";

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

/// A token and the three ways to check it.
struct Subject {
    token: String,
    bare: ParsedPublicKey,
    oracle: (DecodingKey, Validation),
    server: ResourceServer,
}

impl Subject {
    fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).unwrap().with_key_id("2026-03-signing-key");
        let issuer = TestIssuer::with_key(ISSUER, key.clone());
        let token = issuer
            .token()
            .audience(AUDIENCE)
            .subject("5c1f0c9e-3a52-4f0e-9d0b-7a4a5f3f2f11")
            .client_id("sales-portal")
            .scope("openid read:leads write:leads read:accounts")
            .claim("nbf", 1_700_000_000)
            .claim("tenant", "acme-production")
            .claim("roles", json!(["sales", "manager"]))
            .sign();
        let server = ResourceServer::builder().audience(AUDIENCE).issuer(issuer.trusted()).build().unwrap();
        let jwk: Jwk = serde_json::from_value(key.public_jwk()).unwrap();
        let oracle = (DecodingKey::from_jwk(&jwk).unwrap(), validation(algorithm));
        let bare = ParsedPublicKey::new(verification(algorithm), key.public_key_der()).unwrap();
        Self { token, bare, oracle, server }
    }

    /// The signature alone, decoded beforehand.
    fn check_bare(&self, (signing_input, signature): (&str, &[u8])) -> bool {
        self.bare.verify_sig(signing_input.as_bytes(), signature).is_ok()
    }

    fn check_with_oracle(&self, token: &str) -> jsonwebtoken::errors::Result<Claims> {
        decode(token, &self.oracle.0, &self.oracle.1).map(|data| data.claims)
    }

    fn check(&self, token: &str) -> Result<ValidatedToken, TokenError> {
        now(self.server.validate(token))
    }

    /// Each of the three accepts the token and refuses one whose payload was changed.
    fn assert_answers(&self) {
        let (signing_input, signature) = split(&self.token);
        let (header, _) = signing_input.split_once('.').unwrap();
        let tampered_input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(r#"{"sub":"mallory"}"#));
        let tampered = format!("{tampered_input}.{}", URL_SAFE_NO_PAD.encode(&signature));
        assert!(self.check_bare((signing_input, &signature)) && !self.check_bare((&tampered_input, &signature)));
        assert_eq!(self.check_with_oracle(&self.token).unwrap().tenant, "acme-production");
        assert!(self.check_with_oracle(&tampered).is_err());
        assert_eq!(self.check(&self.token).unwrap().client_id(), Some("sales-portal"));
        assert_eq!(self.check(&tampered).unwrap_err(), TokenError::BadSignature);
    }

    /// Name, time, ratio to the bare check and allocations of each way.
    fn measure(&self, options: &Options) -> [(&'static str, f64, f64, u64); 3] {
        let (signing_input, signature) = split(&self.token);
        let bare = || assert!(self.check_bare(black_box((signing_input, &signature))));
        let oracle = || assert!(black_box(self.check_with_oracle(black_box(&self.token))).is_ok());
        let ours = || assert!(black_box(self.check(black_box(&self.token))).is_ok());
        let ways: [(_, &dyn Fn()); 3] =
            [("bare signature", &bare), ("jsonwebtoken::decode", &oracle), ("ResourceServer::validate", &ours)];

        let rounds: Vec<[f64; 3]> =
            (0..options.rounds).map(|_| ways.map(|(_, check)| time(check, options.slice))).collect();
        std::array::from_fn(|way| {
            let (name, check) = ways[way];
            let time = median(rounds.iter().map(|times| times[way]).collect());
            let ratio = median(rounds.iter().map(|times| times[way] / times[0]).collect());
            (name, time, ratio, allocation_counter::measure(check).count_total)
        })
    }
}

/// Nanoseconds of one call, repeated for as long as `slice`.
fn time(check: &dyn Fn(), slice: Duration) -> f64 {
    let start = Instant::now();
    let mut calls = 0.0;
    loop {
        check();
        calls += 1.0;
        let passed = start.elapsed();
        if passed >= slice {
            return passed.as_secs_f64() * 1e9 / calls;
        }
    }
}

/// The signing input, and the signature decoded.
fn split(token: &str) -> (&str, Vec<u8>) {
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    (signing_input, URL_SAFE_NO_PAD.decode(signature).unwrap())
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

fn verification(algorithm: Algorithm) -> &'static dyn signature::VerificationAlgorithm {
    match algorithm {
        Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
        _ => &signature::ED25519,
    }
}
