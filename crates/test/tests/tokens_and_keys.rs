//! Signing keys, the token builder and the named defects.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that fails should say where")]

use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_test::{Defect, SigningError, SigningKey, TestIssuer, TokenBuilder};

const ISSUER: &str = "https://as.example.com";

#[test]
fn each_algorithm_signs_what_jsonwebtoken_verifies() {
    for algorithm in Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_hmac()) {
        if algorithm == Algorithm::ES512 {
            continue; // jsonwebtoken has none; checked below
        }
        let issuer = TestIssuer::with_key(ISSUER, key_for(algorithm));
        let claims = verify(&issuer.token().sign(), &issuer.jwk_set()["keys"][0]).unwrap();
        assert_eq!(claims["iss"], ISSUER, "{algorithm}");
    }
}

#[test]
fn es512_signs_what_aws_lc_verifies() {
    let key = SigningKey::generate(Algorithm::ES512).unwrap();
    let public = key.public_key_der();
    let verifier = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P521_SHA512_FIXED,
        &public[public.len() - 133..],
    );
    verifier.verify(b"message", &key.sign(b"message")).unwrap();
}

#[test]
fn public_jwks_have_full_length_members_and_nothing_private() {
    let expected = [
        (Algorithm::RS256, vec![("n", 256), ("e", 3)]),
        (Algorithm::ES256, vec![("x", 32), ("y", 32)]),
        (Algorithm::ES384, vec![("x", 48), ("y", 48)]),
        (Algorithm::ES512, vec![("x", 66), ("y", 66)]),
        (Algorithm::EdDSA, vec![("x", 32)]),
    ];
    for (algorithm, members) in expected {
        let key = key_for(algorithm);
        let jwk = key.public_jwk();
        for (name, bytes) in members {
            let text = jwk[name].as_str().unwrap();
            assert_eq!(text.len(), (bytes * 4_usize).div_ceil(3), "{algorithm} {name}");
        }
        assert_eq!(jwk["kid"], key.key_id());
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["alg"], algorithm.name());
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(jwk.get(private).is_none(), "{algorithm} shows {private}");
        }
    }
}

#[test]
fn the_public_key_as_pem_is_one_that_jsonwebtoken_reads() {
    let key = key_for(Algorithm::RS256);
    let pem = key.public_key_pem();
    assert!(pem.lines().all(|line| line.len() <= 64));
    let token = TestIssuer::with_key(ISSUER, key).token().sign();
    let decoding = DecodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    decode::<Value>(&token, &decoding, &lenient(jsonwebtoken::Algorithm::RS256)).unwrap();
}

#[test]
fn hmac_algorithms_have_no_key_pair() {
    let refused = SigningKey::generate(Algorithm::HS256).unwrap_err();
    assert_eq!(refused, SigningError::SharedSecret(Algorithm::HS256));
}

#[test]
fn a_key_takes_only_the_algorithms_that_fit_it() {
    let rsa = key_for(Algorithm::RS256);
    assert_eq!(rsa.clone().with_algorithm(Algorithm::PS512).unwrap().algorithm(), Algorithm::PS512);
    assert!(rsa.with_algorithm(Algorithm::ES256).is_err());
    assert!(key_for(Algorithm::ES256).with_algorithm(Algorithm::ES384).is_err());
    assert_eq!(
        SigningKey::from_pkcs8(Algorithm::EdDSA, b"no key").unwrap_err(),
        SigningError::KeyMismatch(Algorithm::EdDSA),
    );
}

#[test]
fn a_published_private_key_keeps_its_thumbprint() {
    // RFC 8037 §A.1 as PKCS #8 (RFC 8410 §7): the seed after a fixed prefix.
    let mut pkcs8 =
        vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    pkcs8.extend([
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ]);
    let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &pkcs8).unwrap();
    assert_eq!(key.key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(key.public_jwk()["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    // RFC 8037 §A.4.
    assert_eq!(
        key.sign_compact(r#"{"alg":"EdDSA"}"#, "Example of Ed25519 signing"),
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
}

#[test]
fn a_token_starts_with_the_claims_of_rfc_9068() {
    let clock = ManualClock::at(UnixTime::from_secs(1_000));
    let issuer = issuer().with_clock(clock);
    let token = issuer.token().sign();

    let jti = payload(&token)["jti"].clone();
    assert_eq!(jti.as_str().unwrap().len(), 22);
    let expected = json!({
        "iss": ISSUER, "sub": TokenBuilder::DEFAULT_SUBJECT, "aud": TokenBuilder::DEFAULT_AUDIENCE,
        "client_id": TokenBuilder::DEFAULT_CLIENT_ID, "iat": 1_000, "exp": 1_300, "jti": jti,
    });
    assert_eq!(payload(&token), expected);
    let header = header(&token);
    assert_eq!(header, json!({ "typ": "at+jwt", "alg": "ES256", "kid": issuer.signing_key().key_id() }));
    assert_ne!(payload(&issuer.token().sign())["jti"], jti);
}

#[test]
fn everything_in_a_token_can_be_replaced_or_removed() {
    let issuer = issuer().with_clock(ManualClock::at(UnixTime::from_secs(1_000)));
    let token = issuer
        .token()
        .subject("alice")
        .client_id("app")
        .audience("https://one.example")
        .audience("https://two.example")
        .scope("a b")
        .expires_in(Duration::from_secs(7))
        .claim("roles", json!(["admin"]))
        .claim("iat", "yesterday")
        .without_claim("jti")
        .header("typ", 7)
        .without_header("kid")
        .sign();
    let claims = json!({
        "iss": ISSUER, "sub": "alice", "client_id": "app", "aud": ["https://one.example", "https://two.example"],
        "scope": "a b", "exp": 1_007, "roles": ["admin"], "iat": "yesterday",
    });
    assert_eq!(payload(&token), claims);
    assert_eq!(header(&token), json!({ "typ": 7, "alg": "ES256" }));

    let one = issuer.token().audience("https://one.example").sign();
    assert_eq!(payload(&one)["aud"], "https://one.example");
}

#[test]
fn rotation_replaces_keys_and_clones_see_it() {
    let issuer = issuer();
    issuer.add_key(SigningKey::generate(Algorithm::EdDSA).unwrap());
    let (before, clone) = (issuer.jwk_set(), issuer.clone());
    issuer.rotate_keys().unwrap();

    assert_eq!(clone.jwk_set(), issuer.jwk_set());
    let algorithms: Vec<_> = keys(&clone.jwk_set()).iter().map(|key| key["alg"].clone()).collect();
    assert_eq!(algorithms, ["ES256", "EdDSA"]);
    let kids = |set: &Value| keys(set).iter().map(|key| key["kid"].to_string()).collect::<HashSet<_>>();
    assert!(kids(&before).is_disjoint(&kids(&clone.jwk_set())));
}

#[test]
fn names_of_defects_read_back() {
    for &defect in Defect::ALL {
        assert_eq!(defect.name().parse(), Ok(defect));
    }
    let unknown = "no-such".parse::<Defect>().unwrap_err();
    assert!(unknown.to_string().starts_with("no such defect; there are expired, not-yet-valid, "));
}

/// Defects that leave the signature good differ from the good token in exactly the members named here.
#[test]
fn each_signed_defect_changes_only_its_own_members() {
    let clock = ManualClock::at(UnixTime::from_secs(1_000_000));
    let issuer = issuer().with_clock(clock);
    let expected: [(Defect, &[&str], &[&str]); 8] = [
        (Defect::Expired, &[], &["exp", "iat"]),
        (Defect::NotYetValid, &[], &["exp", "nbf"]),
        (Defect::WrongAudience, &[], &["aud"]),
        (Defect::WrongIssuer, &[], &["iss"]),
        (Defect::WrongType, &["typ"], &[]),
        (Defect::UnknownKid, &["kid"], &[]),
        (Defect::UnknownCrit, &["crit", "example-extension"], &[]),
        (Defect::IdToken, &["typ"], &["at_hash", "client_id", "jti", "nonce"]),
    ];
    for (defect, header_members, claim_names) in expected {
        let builder = issuer.token().scope("read:leads");
        let good = builder.clone().sign();
        let bad = builder.sign_defective(defect);
        assert_eq!(changed(&header(&good), &header(&bad)), header_members, "{defect}");
        assert_eq!(changed(&payload(&good), &payload(&bad)), claim_names, "{defect}");
        verify(&bad, &issuer.signing_key().public_jwk()).unwrap_or_else(|error| panic!("{defect}: {error}"));
    }
}

#[test]
fn times_of_defects_are_out_of_any_leeway() {
    let issuer = issuer().with_clock(ManualClock::at(UnixTime::from_secs(1_000_000)));
    let expired = payload(&issuer.token().sign_defective(Defect::Expired));
    assert_eq!((&expired["iat"], &expired["exp"]), (&json!(999_100), &json!(999_400)));
    let early = payload(&issuer.token().sign_defective(Defect::NotYetValid));
    assert_eq!((&early["nbf"], &early["exp"]), (&json!(1_000_600), &json!(1_000_900)));
}

#[test]
fn tampered_tokens_fail_by_their_signature_alone() {
    let issuer = issuer();
    let jwk = issuer.signing_key().public_jwk();
    let builder = issuer.token().subject("alice");
    let good = builder.clone().sign();

    let payload_changed = builder.clone().sign_defective(Defect::TamperedPayload);
    assert_eq!(payload(&payload_changed)["sub"], "alice-tampered");
    assert_eq!(changed(&payload(&good), &payload(&payload_changed)), ["sub"]);

    let signature_changed = builder.sign_defective(Defect::TamperedSignature);
    assert_eq!(good.rsplit_once('.').unwrap().0, signature_changed.rsplit_once('.').unwrap().0);

    for bad in [payload_changed, signature_changed] {
        assert_eq!(verify(&bad, &jwk).unwrap_err().kind(), &ErrorKind::InvalidSignature);
    }
}

#[test]
fn alg_none_has_no_signature() {
    let token = issuer().token().sign_defective(Defect::AlgNone);
    assert!(token.ends_with('.'));
    assert_eq!(header(&token)["alg"], "none");
}

#[test]
fn hs256_with_the_public_key_fools_whoever_uses_the_pem_as_a_secret() {
    let issuer = TestIssuer::with_key(ISSUER, key_for(Algorithm::RS256));
    let token = issuer.token().sign_defective(Defect::Hs256WithPublicKey);
    let secret = DecodingKey::from_secret(issuer.signing_key().public_key_pem().as_bytes());
    decode::<Value>(&token, &secret, &lenient(jsonwebtoken::Algorithm::HS256)).unwrap();
    assert_eq!(decode_header(&token).unwrap().kid.as_deref(), Some(issuer.signing_key().key_id()));
}

#[test]
fn debug_output_shows_key_ids_and_nothing_of_the_claims() {
    let issuer = issuer();
    let text = format!("{:?} {:?} {:?}", issuer, issuer.signing_key(), issuer.token().subject("canary-subject"));
    assert!(text.contains(issuer.signing_key().key_id()));
    assert!(!text.contains("canary-subject"));
}

fn issuer() -> TestIssuer {
    TestIssuer::with_key(ISSUER, key_for(Algorithm::ES256))
}

/// One RSA key for all tests: it takes long to make.
fn key_for(algorithm: Algorithm) -> SigningKey {
    static RSA: OnceLock<SigningKey> = OnceLock::new();
    let rsa = RSA.get_or_init(|| SigningKey::generate(Algorithm::RS256).unwrap());
    rsa.clone().with_algorithm(algorithm).unwrap_or_else(|_| SigningKey::generate(algorithm).unwrap())
}

fn verify(token: &str, jwk: &Value) -> jsonwebtoken::errors::Result<Value> {
    let algorithm = decode_header(token)?.alg;
    let jwk: Jwk = serde_json::from_value(jwk.clone()).unwrap();
    Ok(decode::<Value>(token, &DecodingKey::from_jwk(&jwk)?, &lenient(algorithm))?.claims)
}

/// The signature alone: claims are compared by hand here.
fn lenient(algorithm: jsonwebtoken::Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn header(token: &str) -> Value {
    segment(token, 0)
}

fn payload(token: &str) -> Value {
    segment(token, 1)
}

fn segment(token: &str, index: usize) -> Value {
    use base64::Engine as _;
    let encoded = token.split('.').nth(index).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// Names of members that were added, removed or changed, sorted.
fn changed(before: &Value, after: &Value) -> Vec<String> {
    let (before, after): (&Map<_, _>, &Map<_, _>) = (before.as_object().unwrap(), after.as_object().unwrap());
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

fn keys(jwk_set: &Value) -> &Vec<Value> {
    jwk_set["keys"].as_array().unwrap()
}
