//! The token that the benchmarks check.

use std::time::Duration;

use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::test_util::{SigningKey, TestIssuer, TokenBuilder};

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

/// aws-lc-rs with a parsed key on the signing input of one token, decoded beforehand: what no check can do without.
pub(crate) struct BareCheck {
    key: ParsedPublicKey,
    signing_input: String,
    signature: Vec<u8>,
}

impl BareCheck {
    pub(crate) fn new(key: &SigningKey, token: &str) -> Self {
        let (signing_input, signature) = token.rsplit_once('.').unwrap();
        let verification: &dyn signature::VerificationAlgorithm = match key.algorithm() {
            Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDSA => &signature::ED25519,
            other => panic!("{other} is not measured"),
        };
        Self {
            key: ParsedPublicKey::new(verification, key.public_key_der()).unwrap(),
            signing_input: signing_input.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).unwrap(),
        }
    }

    /// Whether it is the signature of another signing input as well.
    pub(crate) fn fits(&self, signing_input: &str) -> bool {
        self.key.verify_sig(signing_input.as_bytes(), &self.signature).is_ok()
    }

    pub(crate) fn run(&self) {
        assert!(self.fits(&self.signing_input));
    }
}
