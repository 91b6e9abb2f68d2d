//! Whatever we accept, jsonwebtoken accepts.

use std::cell::Cell;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};
use proptest::test_runner::TestCaseError;
use serde_json::Value;
use tower_bearer::jose::Algorithm;
use tower_bearer_test::{SigningKey, TestIssuer};

use crate::mutation::{Keys, mutations, token};
use crate::support::{AUDIENCE, ISSUER, api, now, runner};

const CASES: u32 = 1000;

#[test]
fn rs256() {
    let right = SigningKey::generate(Algorithm::RS256).unwrap();
    let other_algorithm = right.clone().with_algorithm(Algorithm::PS256).unwrap();
    let stranger = SigningKey::generate(Algorithm::RS256).unwrap();
    assert_oracle_agrees(&Keys { right, stranger, other_algorithm }, jsonwebtoken::Algorithm::RS256);
}

#[test]
fn ps256() {
    let right = SigningKey::generate(Algorithm::PS256).unwrap();
    let other_algorithm = right.clone().with_algorithm(Algorithm::RS256).unwrap();
    let stranger = SigningKey::generate(Algorithm::PS256).unwrap();
    assert_oracle_agrees(&Keys { right, stranger, other_algorithm }, jsonwebtoken::Algorithm::PS256);
}

#[test]
fn es256() {
    assert_oracle_agrees(&unrelated_keys(Algorithm::ES256, Algorithm::ES384), jsonwebtoken::Algorithm::ES256);
}

#[test]
fn es384() {
    assert_oracle_agrees(&unrelated_keys(Algorithm::ES384, Algorithm::ES256), jsonwebtoken::Algorithm::ES384);
}

#[test]
fn eddsa() {
    assert_oracle_agrees(&unrelated_keys(Algorithm::EdDSA, Algorithm::ES256), jsonwebtoken::Algorithm::EdDSA);
}

fn unrelated_keys(algorithm: Algorithm, other: Algorithm) -> Keys {
    Keys {
        right: SigningKey::generate(algorithm).unwrap(),
        stranger: SigningKey::generate(algorithm).unwrap(),
        other_algorithm: SigningKey::generate(other).unwrap(),
    }
}

fn assert_oracle_agrees(keys: &Keys, algorithm: jsonwebtoken::Algorithm) {
    let issuer = TestIssuer::with_key(ISSUER, keys.right.clone());
    let api = api(issuer.trusted().algorithms([keys.right.algorithm()]));
    let jwk: Jwk = serde_json::from_value(keys.right.public_jwk()).unwrap();
    let oracle = Oracle { key: DecodingKey::from_jwk(&jwk).unwrap(), validation: strict(algorithm) };

    let (accepted, unknown_to_oracle) = (Cell::new(0), Cell::new(0));
    let agreement = runner(CASES).run(&mutations(), |mutations| {
        let token = token(keys, &mutations);
        if now(api.validate(&token)).is_err() {
            return Ok(());
        }
        if names_ed25519(&token) {
            unknown_to_oracle.set(unknown_to_oracle.get() + 1);
            return Ok(());
        }
        accepted.set(accepted.get() + 1);
        oracle
            .accepts(&token)
            .map_err(|error| TestCaseError::fail(format!("we accept {token}, jsonwebtoken says {error}")))
    });
    if let Err(disagreement) = agreement {
        panic!("{disagreement}");
    }
    let (accepted, unknown_to_oracle) = (accepted.get(), unknown_to_oracle.get());
    println!(
        "{}: {CASES} tokens, {accepted} accepted by both, {unknown_to_oracle} named `Ed25519`",
        keys.right.algorithm()
    );
    assert!((CASES / 5..CASES * 4 / 5).contains(&accepted), "{accepted} of {CASES} accepted: the property says little");
}

struct Oracle {
    key: DecodingKey,
    validation: Validation,
}

impl Oracle {
    fn accepts(&self, token: &str) -> Result<(), jsonwebtoken::errors::Error> {
        decode::<Value>(token, &self.key, &self.validation).map(|_| ())
    }
}

fn strict(algorithm: jsonwebtoken::Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    validation.leeway = 30;
    validation
}

/// Whether the header, which we accepted, has the name of RFC 9864 that jsonwebtoken does not know.
fn names_ed25519(token: &str) -> bool {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["alg"] == "Ed25519"
}
