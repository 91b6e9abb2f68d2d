//! JWK Sets with something wrong in them.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer_test::{SigningKey, TestIssuer};

pub(super) fn empty() -> String {
    set(Vec::new())
}

/// The good keys after one whose coordinates are a byte long (RFC 7518 §6.2.1.2 wants 32).
pub(super) fn one_bad(issuer: &TestIssuer) -> String {
    let bad = json!({
        "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ", "use": "sig", "alg": "ES256", "kid": "bad-key",
    });
    set([bad].into_iter().chain(good(issuer)).collect())
}

/// Each good key after another one with its `kid` and `alg`.
pub(super) fn duplicate_ids(issuer: &TestIssuer) -> String {
    let keys = issuer.published_keys();
    set(keys.iter().flat_map(|key| [stranger(key.algorithm(), key.key_id()), key.public_jwk()]).collect())
}

/// The good keys after `count` others, one piece of text a key.
pub(super) fn many(issuer: &TestIssuer, count: u32) -> impl Iterator<Item = Bytes> + Send + Unpin + 'static {
    let others = (0..count).map(|number| stranger(Algorithm::RS256, &format!("other-{number}")));
    let keys = others.chain(good(issuer)).enumerate().map(|(index, jwk)| {
        let separator = if index == 0 { "" } else { "," };
        Bytes::from(format!("{separator}{jwk}"))
    });
    [Bytes::from_static(b"{\"keys\":[")].into_iter().chain(keys).chain([Bytes::from_static(b"]}")])
}

fn good(issuer: &TestIssuer) -> Vec<Value> {
    issuer.published_keys().iter().map(SigningKey::public_jwk).collect()
}

/// A public key that nobody signs with, another one each time.
fn stranger(algorithm: Algorithm, kid: &str) -> Value {
    match algorithm.key_type() {
        // Nobody has factors to sign with, and none are needed: no reader can tell, and it takes no time.
        "RSA" => {
            let n = URL_SAFE_NO_PAD.encode(modulus());
            json!({ "kty": "RSA", "n": n, "e": "AQAB", "use": "sig", "alg": algorithm.name(), "kid": kid })
        }
        _ => {
            let key = SigningKey::generate(algorithm).map(|key| key.with_key_id(kid).public_jwk());
            key.unwrap_or_else(|error| {
                tracing::error!(%error, "a key is missing in a JWK Set that should have another one");
                json!({})
            })
        }
    }
}

/// An odd number of exactly 2048 bits.
fn modulus() -> [u8; 256] {
    let mut modulus = [0; 256];
    if let Err(error) = rand::fill(&mut modulus) {
        tracing::error!(%error, "no random numbers: keys are alike");
    }
    let [first, .., last] = &mut modulus;
    *first |= 0x80;
    *last |= 1;
    modulus
}

fn set(keys: Vec<Value>) -> String {
    json!({ "keys": keys }).to_string()
}
