//! R41 to R49, R51 and R52: which keys verify which tokens (RFC 7517, RFC 7518).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tower_bearer::jose::{Algorithm, KeyFault, VerifyingKey};
use tower_bearer::{Issuer, TokenError};
use tower_bearer_test::{Defect, SigningKey, TestIssuer};

use crate::support::*;

type Jwk = Map<String, Value>;

/// The verdict on a good token when its key's JWK was changed so; another, usable key stands before it in the set.
async fn with_jwk(algorithm: Algorithm, change: impl Fn(&mut Jwk)) -> &'static str {
    let Value::Object(mut jwk) = key(algorithm).public_jwk() else { panic!() };
    change(&mut jwk);
    let other = if algorithm == Algorithm::EdDSA { Algorithm::ES384 } else { Algorithm::EdDSA };
    let server = server_with_jwks(&[key(other).public_jwk(), Value::Object(jwk)]);
    // Whatever became of the changed key, the other one works (R45).
    assert_eq!(reason(&server, &issuer_with(other).token().sign()).await, "accepted");
    reason(&server, &issuer_with(algorithm).token().sign()).await
}

async fn with_member(algorithm: Algorithm, name: &str, value: Value) -> &'static str {
    with_jwk(algorithm, |jwk| drop(jwk.insert(name.to_owned(), value.clone()))).await
}

async fn without_member(algorithm: Algorithm, name: &str) -> &'static str {
    with_jwk(algorithm, |jwk| drop(jwk.remove(name))).await
}

#[tokio::test]
async fn r41_kty_and_curve_are_there_and_fit_the_algorithm() {
    use Algorithm::{ES256, ES384, EdDSA, RS256};
    for algorithm in [RS256, ES256, EdDSA] {
        assert_eq!(with_jwk(algorithm, |_| {}).await, "accepted", "{algorithm}");
        assert_eq!(without_member(algorithm, "kty").await, "unusable_key", "{algorithm}");
        for kty in [json!("oct"), json!("ZZ"), json!(""), json!(null), json!(1)] {
            assert_eq!(with_member(algorithm, "kty", kty.clone()).await, "unusable_key", "{algorithm} {kty}");
        }
    }
    assert_eq!(with_member(RS256, "kty", json!("rsa")).await, "unusable_key");
    assert_eq!(with_member(RS256, "kty", json!("EC")).await, "unusable_key");
    assert_eq!(with_member(ES256, "kty", json!("OKP")).await, "unusable_key");
    for algorithm in [ES256, EdDSA] {
        assert_eq!(without_member(algorithm, "crv").await, "unusable_key");
        for crv in ["P-384", "P-521", "p-256", "secp256k1", "Ed448", "X25519", "ed25519", ""] {
            assert_eq!(with_member(algorithm, "crv", json!(crv)).await, "unusable_key", "{algorithm} {crv}");
        }
    }
    // A token that names ES256 with a P-384 key, whose JWK does not say what it is for.
    let p384 = key(ES384);
    let Value::Object(mut jwk) = p384.public_jwk() else { panic!() };
    jwk.remove("alg");
    let server = server_with_jwks(&[Value::Object(jwk)]);
    assert_eq!(reason(&server, &token().key(&p384).sign()).await, "accepted");
    assert_eq!(reason(&server, &token().key(&p384).header("alg", "ES256").sign()).await, "no_matching_key");
    assert_eq!(reason(&server, &token().key(&p384).header("alg", "RS256").sign()).await, "no_matching_key");
}

/// Every algorithm of the table, with keys in both forms.
#[tokio::test]
async fn r41_each_algorithm_verifies_with_keys_of_its_type_as_jwk_and_as_pem() {
    for algorithm in Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_hmac()) {
        let (key, token) = (key(algorithm), token_with(algorithm).sign());
        let jwk = key.public_jwk();
        assert_eq!((Some(algorithm.key_type()), algorithm.curve()), (jwk["kty"].as_str(), jwk["crv"].as_str()));
        let set = json!({ "keys": [jwk] }).to_string();
        for issuer in [Issuer::new(ISSUER).jwk_set(set), Issuer::new(ISSUER).pem(key.public_key_pem())] {
            let server = server_trusting(issuer.algorithms([algorithm]));
            assert_eq!(reason(&server, &token).await, "accepted", "{algorithm}");
            for other in Algorithm::PUBLIC_KEY.iter().filter(|other| **other != algorithm) {
                let renamed = token_with(algorithm).header("alg", other.name()).sign();
                assert_eq!(reason(&server, &renamed).await, "algorithm_not_allowed", "{other} for {algorithm}");
            }
        }
    }
}

#[tokio::test]
async fn r42_a_key_for_another_use_verifies_nothing() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(with_member(algorithm, "use", json!("sig")).await, "accepted");
        assert_eq!(without_member(algorithm, "use").await, "accepted");
        for key_use in [json!("enc"), json!("SIG"), json!(""), json!("tls"), json!(1), json!(["sig"])] {
            let verdict = with_member(algorithm, "use", key_use.clone()).await;
            assert_eq!(verdict, "unusable_key", "{algorithm} {key_use}");
        }
    }
}

#[tokio::test]
async fn r43_key_ops_names_verify_and_agrees_with_use() {
    let both = async |key_use: Option<&str>, key_ops: Value| {
        with_jwk(Algorithm::ES256, |jwk| {
            jwk.remove("use");
            jwk.insert("key_ops".to_owned(), key_ops.clone());
            if let Some(key_use) = key_use {
                jwk.insert("use".to_owned(), json!(key_use));
            }
        })
        .await
    };
    for key_use in [None, Some("sig")] {
        for key_ops in [json!(["verify"]), json!(["sign", "verify"]), json!(["verify", "x-custom"])] {
            assert_eq!(both(key_use, key_ops.clone()).await, "accepted", "{key_use:?} {key_ops}");
        }
        let refused = [json!([]), json!(["sign"]), json!(["encrypt"]), json!(["VERIFY"]), json!("verify"), json!([1])];
        for key_ops in refused {
            assert_eq!(both(key_use, key_ops.clone()).await, "unusable_key", "{key_use:?} {key_ops}");
        }
    }
    assert_eq!(both(Some("enc"), json!(["verify"])).await, "unusable_key");
    for operation in ["encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"] {
        assert_eq!(both(Some("sig"), json!(["verify", operation])).await, "unusable_key", "{operation}");
    }
    assert_eq!(both(None, json!(["verify", "verify"])).await, "unusable_key");
}

#[tokio::test]
async fn r44_the_jwks_alg_is_the_tokens_alg() {
    for algorithm in [Algorithm::RS256, Algorithm::PS512, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(with_member(algorithm, "alg", json!(algorithm.name())).await, "accepted");
        assert_eq!(without_member(algorithm, "alg").await, "accepted");
        for alg in
            [json!("RS512"), json!("ES384"), json!("HS256"), json!("rs256"), json!("RSA-OAEP"), json!(""), json!(1)]
        {
            // An RSA key for RS512 is usable, for other tokens.
            let is_usable = alg == "RS512" && matches!(algorithm, Algorithm::RS256 | Algorithm::PS512);
            let expected = if is_usable { "no_matching_key" } else { "unusable_key" };
            assert_eq!(with_member(algorithm, "alg", alg.clone()).await, expected, "{algorithm} {alg}");
        }
    }
    assert_eq!(with_member(Algorithm::EdDSA, "alg", json!("Ed25519")).await, "accepted");
    let rsa = key(Algorithm::RS256);
    let server = server_with_jwks(&[rsa.public_jwk()]);
    let other = rsa.with_algorithm(Algorithm::RS512).unwrap();
    assert_eq!(reason(&server, &token().key(&other).sign()).await, "no_matching_key");
}

#[tokio::test]
async fn r45_unusable_keys_are_skipped_and_the_rest_works() {
    let mut jwks = vec![
        json!({ "kty": "ZZ", "kid": "1" }),
        json!({ "kty": "RSA", "kid": "2" }),
        json!({ "kty": "RSA", "kid": "3", "n": 1, "e": "AQAB" }),
        json!({ "kty": "EC", "kid": "4", "crv": "P-256", "x": "AA", "y": "AA" }),
        json!({ "kid": "5" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
        json!({}),
        json!(null),
        json!("key"),
        json!(1),
        json!([]),
    ];
    jwks.push(key(Algorithm::RS256).public_jwk());
    jwks.push(json!({ "kty": "oct", "k": "AA", "kid": "6" }));
    jwks.push(key(Algorithm::ES256).public_jwk());
    let server = server_with_jwks(&jwks);
    assert_eq!(reason(&server, &token().sign()).await, "accepted");
    assert_eq!(reason(&server, &issuer_with(Algorithm::ES256).token().sign()).await, "accepted");
    assert_eq!(reason(&server, &token().header("kid", "2").sign()).await, "unusable_key");
}

#[tokio::test]
async fn r45_members_out_of_range_spoil_one_key_only() {
    use Algorithm::{ES256, EdDSA, RS256};
    let bytes = |jwk: &Jwk, name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let text = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
    for (algorithm, names) in [(RS256, &["n", "e"][..]), (ES256, &["x", "y"]), (EdDSA, &["x"])] {
        for name in names {
            assert_eq!(without_member(algorithm, name).await, "unusable_key", "{algorithm} {name}");
            assert_eq!(with_member(algorithm, name, json!("")).await, "unusable_key", "{algorithm} {name}");
            assert_eq!(with_member(algorithm, name, json!("+/+/")).await, "unusable_key", "{algorithm} {name}");
            let padded = with_jwk(algorithm, |jwk| {
                let padded = [&[0], &bytes(jwk, name)[..]].concat();
                jwk.insert((*name).to_owned(), text(&padded));
            });
            // Integers lose the leading zero; coordinates have a fixed length (RFC 7518 §6.3.1.1 and §6.2.1.2).
            let expected = if algorithm == RS256 { "accepted" } else { "unusable_key" };
            assert_eq!(padded.await, expected, "{algorithm} {name} with a leading zero");
            let shortened = with_jwk(algorithm, |jwk| {
                let shortened = bytes(jwk, name)[1..].to_vec();
                jwk.insert((*name).to_owned(), text(&shortened));
            });
            assert_eq!(shortened.await, "unusable_key", "{algorithm} {name} one byte short");
        }
    }
    // The same point, cut in the wrong place.
    for cut in [31, 33] {
        let moved = with_jwk(ES256, |jwk| {
            let point = [bytes(jwk, "x"), bytes(jwk, "y")].concat();
            jwk.insert("x".to_owned(), text(&point[..cut]));
            jwk.insert("y".to_owned(), text(&point[cut..]));
        });
        assert_eq!(moved.await, "unusable_key", "x of {cut} bytes");
    }
    let off_the_curve = with_jwk(ES256, |jwk| {
        let mut y = bytes(jwk, "y");
        y[31] ^= 1;
        jwk.insert("y".to_owned(), text(&y));
    });
    assert_eq!(off_the_curve.await, "unusable_key");
    // The identity, of order 1.
    let identity = with_jwk(EdDSA, |jwk| drop(jwk.insert("x".to_owned(), text(&[&[1][..], &[0; 31]].concat()))));
    assert_eq!(identity.await, "unusable_key");
}

#[tokio::test]
async fn r46_unknown_members_are_ignored() {
    let decorated = with_jwk(Algorithm::RS256, |jwk| {
        jwk.insert("x5c".to_owned(), json!(["not a certificate"]));
        jwk.insert("x5t#S256".to_owned(), json!(1));
        jwk.insert("unknown".to_owned(), json!({ "a": [null] }));
    });
    assert_eq!(decorated.await, "accepted");
    let set = json!({ "keys": [key(Algorithm::RS256).public_jwk()], "unknown": { "keys": 1 }, "version": 2 });
    let server = server_trusting(Issuer::new(ISSUER).jwk_set(set.to_string()));
    assert_eq!(reason(&server, &token().sign()).await, "accepted");
}

#[tokio::test]
async fn r46_keys_is_an_array() {
    let jwk = key(Algorithm::RS256).public_jwk();
    let refused = [
        json!({}),
        json!({ "keys": null }),
        json!({ "keys": {} }),
        json!({ "keys": jwk }),
        json!({ "keys": [] }),
        json!({ "Keys": [jwk] }),
        json!([jwk]),
        jwk.clone(),
        json!("keys"),
        json!(null),
    ];
    for set in refused {
        let built = builder().issuer(Issuer::new(ISSUER).jwk_set(set.to_string())).build();
        assert_eq!(built.unwrap_err().setting(), "jwk_set", "{set}");
        // From the network it is a failed fetch.
        let served = set.clone();
        let provider = Provider::start(move |_, _| Some(served.clone())).await;
        let issuer = Issuer::new(ISSUER).jwk_set_url(format!("{}/keys", provider.url)).key_policy(patient());
        assert_eq!(reason(&server_trusting(issuer), &token().sign()).await, "keys_unavailable", "{set}");
        assert_eq!(provider.requests(), 1);
    }
}

#[tokio::test]
async fn r47_keys_with_one_kid_are_told_apart_by_algorithm_and_else_tried() {
    let named = |key: SigningKey| key.with_key_id("same");
    let rsa = named(key(Algorithm::RS256));
    let p384 = named(key(Algorithm::ES384));
    let (one, other) = (named(key(Algorithm::ES256)), named(SigningKey::generate(Algorithm::ES256).unwrap()));
    let server = server_with_jwks(&[&rsa, &p384, &one, &other].map(SigningKey::public_jwk));
    for key in [&rsa, &p384, &one, &other] {
        assert_eq!(reason(&server, &token().key(key).sign()).await, "accepted");
        assert_eq!(reason(&server, &token().key(key).sign_defective(Defect::TamperedSignature)).await, "bad_signature");
    }
    let stranger = named(SigningKey::generate(Algorithm::ES256).unwrap());
    assert_eq!(reason(&server, &token().key(&stranger).sign()).await, "bad_signature");
    assert_eq!(reason(&server, &token().key(&named(key(Algorithm::EdDSA))).sign()).await, "no_matching_key");
}

#[tokio::test]
async fn r48_without_a_kid_each_fitting_key_is_tried_up_to_a_bound() {
    let keys: Vec<_> = (0..50).map(|_| SigningKey::generate(Algorithm::EdDSA).unwrap()).collect();
    let server = |count: usize| {
        let mut jwks: Vec<_> = keys[..count].iter().map(SigningKey::public_jwk).collect();
        // Keys of another algorithm do not count.
        jwks.extend([key(Algorithm::ES256).public_jwk(), key(Algorithm::RS256).public_jwk()]);
        server_with_jwks(&jwks)
    };
    let unnamed = |key: &SigningKey| token().key(key).without_header("kid").sign();
    for count in [1, 2, 3, 4] {
        for key in &keys[..count] {
            assert_eq!(reason(&server(count), &unnamed(key)).await, "accepted", "{count} keys");
        }
        assert_eq!(reason(&server(count), &unnamed(&keys[count])).await, "bad_signature", "{count} keys");
    }
    for count in [5, 50] {
        assert_eq!(refusal(&server(count), &unnamed(&keys[0])).await, Some(TokenError::TooManyKeys));
        assert_eq!(reason(&server(count), &token().key(&keys[count - 1]).sign()).await, "accepted");
    }
    assert_eq!(reason(&server(1), &unnamed(&key(Algorithm::ES384))).await, "no_matching_key");
    assert_eq!(reason(&server(5), &unnamed(&key(Algorithm::ES256))).await, "accepted");
}

#[tokio::test]
async fn r48_the_bound_holds_for_keys_with_one_kid_and_a_set_has_100_keys_at_most() {
    let named: Vec<_> =
        (0..5).map(|_| SigningKey::generate(Algorithm::EdDSA).unwrap().with_key_id("same").public_jwk()).collect();
    let token = issuer_with(Algorithm::EdDSA).token().header("kid", "same").sign();
    assert_eq!(reason(&server_with_jwks(&named[..4]), &token).await, "bad_signature");
    assert_eq!(reason(&server_with_jwks(&named), &token).await, "too_many_keys");

    let set = |count: usize| json!({ "keys": vec![key(Algorithm::EdDSA).public_jwk(); count] }).to_string();
    assert!(builder().issuer(Issuer::new(ISSUER).jwk_set(set(100))).build().is_ok());
    let error = builder().issuer(Issuer::new(ISSUER).jwk_set(set(101))).build().unwrap_err();
    assert_eq!(error.setting(), "jwk_set");
}

/// An RSA JWK with a modulus and an exponent of these bits, both odd. Nobody has its private half.
fn rsa_jwk(modulus_bits: usize, exponent: &[u8]) -> Value {
    let mut n = vec![0xa5; modulus_bits.div_ceil(8)];
    n[0] = 1 << ((modulus_bits - 1) % 8);
    let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(exponent));
    json!({ "kty": "RSA", "n": n, "e": e, "kid": "weak" })
}

#[tokio::test]
async fn r49_an_rsa_modulus_has_2048_bits_at_least() {
    let fault = |jwk: &Value| VerifyingKey::from_jwk(&jwk.to_string(), Algorithm::RS256).err();
    for (bits, expected) in [
        (512, Some(KeyFault::Size)),
        (1024, Some(KeyFault::Size)),
        (2047, Some(KeyFault::Size)),
        (2048, None),
        (2049, None),
        (4096, None),
        (8192, None),
        (8193, Some(KeyFault::Size)),
        (16384, Some(KeyFault::Size)),
    ] {
        assert_eq!(fault(&rsa_jwk(bits, &[1, 0, 1])), expected, "{bits} bits");
    }
    for bits in [1024, 2047] {
        let server = server_with_jwks(&[key(Algorithm::RS256).public_jwk(), rsa_jwk(bits, &[1, 0, 1])]);
        assert_eq!(reason(&server, &token().header("kid", "weak").sign()).await, "unusable_key");
        assert_eq!(reason(&server, &token().sign()).await, "accepted");
    }
    let server = server_with_jwks(&[key(Algorithm::RS256).public_jwk(), rsa_jwk(2048, &[1, 0, 1])]);
    assert_eq!(reason(&server, &token().header("kid", "weak").sign()).await, "bad_signature");
}

#[test]
fn r49_an_rsa_exponent_is_odd_and_has_2_to_33_bits() {
    let fault = |exponent: &[u8]| VerifyingKey::from_jwk(&rsa_jwk(2048, exponent).to_string(), Algorithm::PS256).err();
    assert_eq!(fault(&[1]), Some(KeyFault::Size));
    assert_eq!(fault(&[3]), None);
    assert_eq!(fault(&[1, 0, 1]), None);
    assert_eq!(fault(&[1, 0, 0, 0, 1]), None);
    assert_eq!(fault(&[2, 0, 0, 0, 1]), Some(KeyFault::Size));
    for invalid in [&[][..], &[0], &[0; 5], &[2], &[1, 0, 0]] {
        assert_eq!(fault(invalid), Some(KeyFault::InvalidMember), "{invalid:?}");
    }
}

/// Different bytes, as far as there are any.
fn secret(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| u8::try_from(n).unwrap()).collect()
}

/// A good token under a shared secret.
fn hmac_token(algorithm: Algorithm, secret: &[u8]) -> String {
    let hash = match algorithm {
        Algorithm::HS256 => hmac::HMAC_SHA256,
        Algorithm::HS384 => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let unsigned = token().header("alg", algorithm.name()).without_header("kid").sign();
    let input = unsigned.rsplit_once('.').unwrap().0;
    let tag = hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[tokio::test]
async fn r51_a_shared_secret_is_as_long_as_the_hash() {
    for (algorithm, bytes) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let build = |secret: Vec<u8>| {
            builder().issuer(Issuer::new(ISSUER).shared_secret(secret).algorithms([algorithm])).build()
        };
        assert_eq!(build(secret(bytes - 1)).unwrap_err().setting(), "shared_secret", "{algorithm}");
        for bytes in [bytes, bytes + 1] {
            let server = build(secret(bytes)).unwrap();
            let good = hmac_token(algorithm, &secret(bytes));
            assert_eq!(reason(&server, &good).await, "accepted", "{algorithm}");
            assert_eq!(reason(&server, &hmac_token(algorithm, &secret(bytes + 2))).await, "bad_signature");
            let (input, tag) = good.rsplit_once('.').unwrap();
            assert_eq!(reason(&server, &format!("{input}.")).await, "bad_signature", "{algorithm}: no tag");
            assert_eq!(
                reason(&server, &format!("{input}.{}", &tag[..16])).await,
                "bad_signature",
                "{algorithm}: short tag"
            );
        }
    }
    // HS256 is the default; the secret is good for nothing else then.
    let server = server_trusting(Issuer::new(ISSUER).shared_secret(secret(64)));
    assert_eq!(reason(&server, &hmac_token(Algorithm::HS256, &secret(64))).await, "accepted");
    assert_eq!(reason(&server, &hmac_token(Algorithm::HS512, &secret(64))).await, "algorithm_not_allowed");
    assert_eq!(reason(&server, &token().sign()).await, "algorithm_not_allowed");
}

#[tokio::test]
async fn r52_no_key_of_a_public_set_makes_hmac_usable() {
    let oct =
        json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret(32)), "kid": "oct", "alg": "HS256", "use": "sig" });
    let unused = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret(32)), "kid": "oct" });
    for oct in [oct, unused] {
        let server = server_with_jwks(&[key(Algorithm::RS256).public_jwk(), oct.clone()]);
        assert_eq!(reason(&server, &hmac_token(Algorithm::HS256, &secret(32))).await, "algorithm_not_allowed");
        assert_eq!(reason(&server, &token().header("kid", "oct").sign()).await, "unusable_key");
        let alone = builder().issuer(Issuer::new(ISSUER).jwk_set(json!({ "keys": [oct] }).to_string())).build();
        assert_eq!(alone.unwrap_err().setting(), "jwk_set");
    }
    let public = key(Algorithm::RS256);
    let pem = public.public_key_pem();
    for server in [server(), server_trusting(Issuer::new(ISSUER).pem(pem.clone()))] {
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), public.public_key_der()] {
            assert_eq!(reason(&server, &hmac_token(Algorithm::HS256, secret)).await, "algorithm_not_allowed");
        }
        assert_eq!(reason(&server, &token().sign()).await, "accepted");
        assert_eq!(reason(&server, &token().sign_defective(Defect::Hs256WithPublicKey)).await, "algorithm_not_allowed");
    }
}

#[tokio::test]
async fn r52_private_keys_in_a_public_set_are_never_used() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(with_member(algorithm, "d", json!("AQAB")).await, "unusable_key", "{algorithm}");
        assert_eq!(with_member(algorithm, "k", json!("AQAB")).await, "unusable_key", "{algorithm}");
    }
    let private = TestIssuer::with_key(ISSUER, key(Algorithm::ES256));
    let fault =
        VerifyingKey::from_jwk(r#"{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}"#, Algorithm::HS256);
    assert_eq!(fault.err(), Some(KeyFault::Symmetric));
    assert_eq!(
        reason(&server_trusting(private.trusted()), &private.with_clock(clock()).token().sign()).await,
        "accepted"
    );
}
