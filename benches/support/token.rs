//! The token that the benchmarks check.

use std::cell::Cell;
use std::time::Duration;

use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer_test::{SigningKey, TestIssuer, TokenBuilder};

pub(crate) const ISSUER: &str = "https://login.example.com/realms/production";
pub(crate) const AUDIENCE: &str = "https://api.example.com/leads";

pub(crate) fn issuer(algorithm: Algorithm) -> TestIssuer {
    let key = SigningKey::generate(algorithm).unwrap().with_key_id("2026-03-signing-key");
    TestIssuer::with_key(ISSUER, key)
}

/// A token as providers make them: 11 claims, and about 860 bytes with RSA. It lives longer than any benchmark runs.
pub(crate) fn token(issuer: &TestIssuer) -> TokenBuilder {
    issuer
        .token()
        .audience(AUDIENCE)
        .subject("5c1f0c9e-3a52-4f0e-9d0b-7a4a5f3f2f11")
        .client_id("sales-portal")
        .scope("openid read:leads write:leads read:accounts")
        .claim("nbf", 1_700_000_000)
        .claim("tenant", "acme-production")
        .claim("roles", json!(["sales", "manager"]))
        .expires_in(Duration::from_secs(86_400))
}

/// aws-lc-rs with a parsed key on the signing inputs of tokens in turn, decoded beforehand: what no check can do
/// without.
pub(crate) struct BareCheck {
    key: ParsedPublicKey,
    signed: Vec<(String, Vec<u8>)>,
    next: Cell<usize>,
}

impl BareCheck {
    pub(crate) fn new(key: &SigningKey, tokens: &[String]) -> Self {
        let verification: &dyn signature::VerificationAlgorithm = match key.algorithm() {
            Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDSA => &signature::ED25519,
            other => panic!("{other} is not measured"),
        };
        let signed = |token: &String| {
            let (signing_input, signature) = token.rsplit_once('.').unwrap();
            (signing_input.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap())
        };
        let key = ParsedPublicKey::new(verification, key.public_key_der()).unwrap();
        let check = Self { key, signed: tokens.iter().map(signed).collect(), next: Cell::new(0) };
        // The first check by a key works out what all others by it use.
        check.run();
        check.next.set(0);
        check
    }

    pub(crate) fn accepts(&self, signing_input: &str, signature: &[u8]) -> bool {
        self.key.verify_sig(signing_input.as_bytes(), signature).is_ok()
    }

    pub(crate) fn run(&self) {
        let next = self.next.get();
        self.next.set(if next + 1 == self.signed.len() { 0 } else { next + 1 });
        let (signing_input, signature) = &self.signed[next];
        assert!(self.accepts(signing_input, signature));
    }
}
