//! B: signatures that are almost right.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use num_bigint::BigUint;
use serde_json::json;
use tower_bearer::jose::{Algorithm, KeyFault, VerifyingKey};
use tower_bearer::{Issuer, RevocationList};
use tower_bearer_test::{SigningKey, TestIssuer, TokenBuilder};

use crate::rsa::{RawKey, SHA256_PREFIX, fixed, pkcs1_padded, pss_padded, sha256};
use crate::support::*;

/// The order of P-256.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// The orders of P-384 and P-521.
const P384_ORDER: &str =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
const P521_ORDER: &str = "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
                          51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";
/// The order L of the base point of edwards25519, RFC 8032 §5.1.
const ED25519_ORDER: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

fn number(hex: &str) -> BigUint {
    BigUint::parse_bytes(hex.as_bytes(), 16).unwrap()
}

fn signature_of(token: &str) -> Vec<u8> {
    decode(parts(token)[2])
}

fn signing_input(token: &str) -> &[u8] {
    token.rsplit_once('.').unwrap().0.as_bytes()
}

#[tokio::test]
async fn b01_psychic_signatures() {
    for (algorithm, order, width) in
        [(Algorithm::ES256, P256_ORDER, 32), (Algorithm::ES384, P384_ORDER, 48), (Algorithm::ES512, P521_ORDER, 66)]
    {
        let trial = Trial::of(issuer_with(algorithm).trusted()).await;
        let good = token_with(algorithm).sign();
        trial.accepts(&good).await;
        let (order, one) = (number(order), BigUint::from(1_u8));
        let values = [BigUint::ZERO, one.clone(), order.clone(), &order + &one].map(|value| fixed(&value, width));
        let mut combinations = 0;
        for r in &values {
            for s in &values {
                trial.invalid(&with_signature(&good, [&r[..], s].concat()), "bad_signature").await;
                combinations += 1;
            }
        }
        assert_eq!(combinations, 16);
        // One half honest, the other 0 or past the order.
        let honest = signature_of(&good);
        let (r, s) = honest.split_at(width);
        for value in [&values[0], &values[2]] {
            trial.invalid(&with_signature(&good, [&value[..], s].concat()), "bad_signature").await;
            trial.invalid(&with_signature(&good, [r, value].concat()), "bad_signature").await;
        }
    }
}

/// `ECDSA-Sig-Value` in DER, the form of certificates and of many libraries.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |bytes| simple_asn1::ASN1Block::Integer(0, BigUint::from_bytes_be(bytes).into());
    simple_asn1::to_der(&simple_asn1::ASN1Block::Sequence(0, vec![integer(r), integer(s)])).unwrap()
}

#[tokio::test]
async fn b02_es256_signatures_in_other_forms() {
    let trial = Trial::of(issuer_with(Algorithm::ES256).trusted()).await;
    let good = token_with(Algorithm::ES256).sign();
    trial.accepts(&good).await;
    let honest = signature_of(&good);
    let (r, s) = honest.split_at(32);
    let forms = [
        der(r, s),
        [&[0], r, &[0], s].concat(),
        [r, s, &[0]].concat(),
        [&[0], r, s].concat(),
        honest[..63].to_vec(),
        r.to_vec(),
        [s, r].concat(),
        [&[0; 16], r, &[0; 16], s].concat(),
        [r, s, r, s].concat(),
        Vec::new(),
        // As long as what overflowed a C integer elsewhere.
        vec![0x41; 10_000],
    ];
    for form in forms {
        trial.invalid(&with_signature(&good, form), "bad_signature").await;
    }
}

/// The same token with the other valid form of its signature.
fn malleated(token: &str) -> String {
    let honest = signature_of(token);
    let (r, s) = honest.split_at(32);
    let twin_s = fixed(&(number(P256_ORDER) - BigUint::from_bytes_be(s)), 32);
    let twin = with_signature(token, [r, &twin_s].concat());
    assert_ne!(token, twin);
    twin
}

/// Documented: an ECDSA signature has two valid forms, so that neither it nor the token's text can name a token.
#[tokio::test]
async fn b03_the_malleated_twin_of_an_es256_signature_is_the_same_token() {
    let trial = Trial::of(issuer_with(Algorithm::ES256).trusted()).await;
    let good = token_with(Algorithm::ES256).sign();
    let twin = malleated(&good);
    trial.accepts(&twin).await;
    let [one, other] = [trial.server.validate(&good).await.unwrap(), trial.server.validate(&twin).await.unwrap()];
    assert!(one.token_id().is_some());
    assert_eq!(one.token_id(), other.token_id(), "a deny-list by `jti` hits both");
}

#[tokio::test]
async fn b03_k02_a_token_is_revoked_with_its_malleated_twin() {
    let list = RevocationList::builder(Duration::from_secs(3_600)).clock(clock()).build().unwrap();
    let issuer = issuer_with(Algorithm::ES256).trusted();
    let server = builder().issuer(issuer).revocation(list.clone()).build().unwrap();
    let good = token_with(Algorithm::ES256).sign();
    let twin = malleated(&good);
    // The twin is in the cache, and the token itself is not.
    assert_eq!(reason(&server, &twin).await, "accepted");
    list.revoke_token(&server.validate(&twin).await.unwrap()).unwrap();
    for token in [&good, &twin] {
        assert_eq!(reason(&server, token).await, "token_revoked");
    }
}

fn raw_token(alg: &str) -> TokenBuilder {
    token().header("alg", alg).header("kid", "raw")
}

#[tokio::test]
async fn b04_edited_pkcs1_paddings() {
    let key = RawKey::generate();
    let trial = Trial::of(jwk_set(&[key.public_jwk("RS256")])).await;
    let unsigned = raw_token("RS256").sign();
    let hash = sha256(signing_input(&unsigned));
    let info = [&SHA256_PREFIX[..], &hash].concat();
    let signed = |encoded: &[u8]| with_signature(&unsigned, key.sign_encoded(encoded));

    let right = pkcs1_padded(&info);
    trial.accepts(&signed(&right)).await;

    // Every byte of padding and prefix counts, one bit each: both ends of the padding, and some of its middle.
    for position in (0..12).chain((12..196).step_by(23)).chain(196..256 - 32) {
        let mut edited = right.clone();
        edited[position] ^= 0x01;
        if BigUint::from_bytes_be(&edited) < key.n {
            assert_eq!(reason(&trial.server, &signed(&edited)).await, "bad_signature", "byte {position}");
        }
    }
    let short = |padding: usize, rest: &[u8]| [&[0, 1][..], &vec![0xff; padding], &[0], rest].concat();
    let without_null = [
        &[0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20][..],
        &hash,
    ]
    .concat();
    let edited = [
        // Bleichenbacher 2006: garbage behind the digest, eight bytes of padding.
        [short(8, &info), vec![0x5a; 256 - 11 - info.len()]].concat(),
        // The digest alone, and one of another kind.
        pkcs1_padded(&hash),
        pkcs1_padded(&without_null),
        pkcs1_padded(&[&info[..], &[0]].concat()),
        // Block type 2 and 0.
        [&[0, 2][..], &right[2..]].concat(),
        [&[0, 0][..], &right[2..]].concat(),
    ];
    for encoded in edited {
        trial.invalid(&signed(&encoded), "bad_signature").await;
    }
    // The number itself.
    let honest = key.sign_encoded(&right);
    let value = BigUint::from_bytes_be(&honest);
    let beyond = (&value + &key.n).to_bytes_be();
    let numbers = [
        beyond,
        fixed(&(&key.n - &value), 256),
        fixed(&(&key.n - 1_u8), 256),
        fixed(&key.n, 256),
        vec![0; 256],
        fixed(&BigUint::from(1_u8), 256),
        vec![0xff; 256],
        [&[0], &honest[..]].concat(),
        [&honest[..], &[0]].concat(),
        honest[..255].to_vec(),
        honest[1..].to_vec(),
    ];
    for number in numbers {
        trial.invalid(&with_signature(&unsigned, number), "bad_signature").await;
    }
}

/// With e = 3 a sloppy verifier takes the cube root of a good-looking start (CVE-2006-4339): no private key needed.
#[tokio::test]
async fn b04_a_forged_cube_root() {
    let mut jwk = RawKey::generate().public_jwk("RS256");
    jwk["e"] = "Aw".into();
    let trial = Trial::of(jwk_set(&[jwk])).await;
    let unsigned = raw_token("RS256").sign();
    let info = [&SHA256_PREFIX[..], &sha256(signing_input(&unsigned))].concat();
    let start = [&[0, 1][..], &[0xff; 8], &[0], &info].concat();
    let target = [&start[..], &vec![0xff; 256 - start.len()]].concat();
    let root = BigUint::from_bytes_be(&target).cbrt();
    assert!(fixed(&root.pow(3), 256).starts_with(&start), "the forgery is one that a sloppy verifier takes");
    trial.invalid(&with_signature(&unsigned, fixed(&root, 256)), "bad_signature").await;
}

#[tokio::test]
async fn b05_pss_with_other_parameters() {
    let key = RawKey::generate();
    let trial = Trial::of(jwk_set(&[key.public_jwk("PS256")])).await;
    let unsigned = raw_token("PS256").sign();
    let message = signing_input(&unsigned);
    let signed = |encoded: &[u8]| with_signature(&unsigned, key.sign_encoded(encoded));
    let salt = [7; 222];
    let right = pss_padded(message, &SHA256, &SHA256, &salt[..32]);
    trial.accepts(&signed(&right)).await;

    for salt_bytes in [0, 1, 20, 31, 33, 48, 64, 222] {
        trial.invalid(&signed(&pss_padded(message, &SHA256, &SHA256, &salt[..salt_bytes])), "bad_signature").await;
    }
    for (hash, mgf_hash) in [(&SHA256, &SHA384), (&SHA256, &SHA512), (&SHA384, &SHA256), (&SHA512, &SHA512)] {
        trial.invalid(&signed(&pss_padded(message, hash, mgf_hash, &salt[..32])), "bad_signature").await;
    }
    let mut other_trailer = right.clone();
    other_trailer[255] = 0xcc;
    trial.invalid(&signed(&other_trailer), "bad_signature").await;
    // The other padding under the same name.
    let info = [&SHA256_PREFIX[..], &sha256(message)].concat();
    trial.invalid(&signed(&pkcs1_padded(&info)), "bad_signature").await;
}

#[tokio::test]
async fn b06_every_single_bit_counts() {
    let mut flips = 0;
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let server = server_trusting(issuer_with(algorithm).trusted());
        let good = token_with(algorithm).sign();
        assert_eq!(reason(&server, &good).await, "accepted");

        let honest = signature_of(&good);
        for bit in 0..honest.len() * 8 {
            let mut flipped = honest.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let seen = reason(&server, &with_signature(&good, flipped)).await;
            assert_eq!(seen, "bad_signature", "{algorithm}: bit {bit} of the signature");
            flips += 1;
        }
        // The text itself, all three parts: a flip that decodes to the same bytes would be a second token text.
        for bit in (0..good.len() * 8).filter(|bit| bit % 8 != 7) {
            let mut flipped = good.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = String::from_utf8(flipped).unwrap();
            let seen = reason(&server, &flipped).await;
            assert_ne!(seen, "accepted", "{algorithm}: bit {bit} of the text");
            flips += 1;
        }
    }
    println!("{flips} single-bit flips refused");
}

#[tokio::test]
async fn b06_empty_repeated_and_foreign_signatures() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let trial = Trial::of(issuer_with(algorithm).trusted()).await;
        let good = token_with(algorithm).sign();
        trial.accepts(&good).await;
        trial.invalid(&with_signature(&good, []), "bad_signature").await;
        trial
            .invalid(
                &with_signature(&good, signature_of(&token_with(algorithm).subject("bob").sign())),
                "bad_signature",
            )
            .await;
        let by_attacker = attackers_key(algorithm).sign(signing_input(&good));
        trial.invalid(&with_signature(&good, by_attacker), "bad_signature").await;
        // The signature of the payload alone, or of the header alone.
        let [header, payload, _] = parts(&good);
        trial.invalid(&with_signature(&good, key(algorithm).sign(payload.as_bytes())), "bad_signature").await;
        trial.invalid(&with_signature(&good, key(algorithm).sign(header.as_bytes())), "bad_signature").await;
    }
}

fn little_endian(number: &BigUint) -> [u8; 32] {
    let mut bytes: Vec<u8> = number.to_bytes_le();
    bytes.resize(32, 0_u8);
    bytes.try_into().unwrap()
}

/// The encodings of all points of small order on edwards25519, and other encodings of the same points.
fn small_order_points() -> Vec<[u8; 32]> {
    let p: BigUint = (BigUint::from(1_u8) << 255) - 19_u8;
    let order_8 = number("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826");
    let order_8 = [order_8.clone(), &p - order_8];
    let canonical = [BigUint::ZERO, BigUint::from(1_u8), &p - 1_u8].into_iter().chain(order_8);
    let not_canonical = [p.clone(), &p + 1_u8];
    let with_sign = |y: BigUint| {
        let positive = little_endian(&y);
        let mut negative = positive;
        negative[31] |= 0x80;
        [positive, negative]
    };
    canonical.chain(not_canonical).flat_map(with_sign).collect()
}

#[tokio::test]
async fn b07_ed25519_scalars_beyond_the_order() {
    let trial = Trial::of(issuer_with(Algorithm::EdDSA).trusted()).await;
    let good = token_with(Algorithm::EdDSA).sign();
    trial.accepts(&good).await;
    let honest = signature_of(&good);
    let (r, s) = honest.split_at(32);
    let order = number(ED25519_ORDER);
    let mut beyond = BigUint::from_bytes_le(s) + &order;
    // S + L, S + 2L, … as far as 256 bits reach.
    let mut tried = 0;
    while beyond.bits() <= 256 {
        trial.invalid(&with_signature(&good, [r, &little_endian(&beyond)].concat()), "bad_signature").await;
        beyond += &order;
        tried += 1;
        if tried == 15 {
            break;
        }
    }
    assert!(tried >= 7);
    for scalar in [BigUint::ZERO, order.clone(), &order - 1_u8] {
        trial.invalid(&with_signature(&good, [r, &little_endian(&scalar)].concat()), "bad_signature").await;
    }
}

#[tokio::test]
async fn b07_small_order_points_are_neither_keys_nor_commitments() {
    // As a key: any message has a signature by it.
    for point in small_order_points() {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(point), "kid": "small" });
        let verdict = VerifyingKey::from_jwk(&jwk.to_string(), Algorithm::EdDSA).map(|_| ());
        assert_eq!(verdict, Err(KeyFault::InvalidMember), "{point:02x?}");
        let trial = server_trusting(jwk_set(&[jwk, key(Algorithm::RS256).public_jwk()]));
        let unsigned = token().header("alg", "EdDSA").header("kid", "small").sign();
        for r in [point, little_endian(&BigUint::from(1_u8))] {
            let forged = with_signature(&unsigned, [r, [0; 32]].concat());
            assert_eq!(reason(&trial, &forged).await, "unusable_key");
        }
    }

    // As R: only the holder of the key can make S for it, and an honest one does not. R is the neutral element.
    let seed = [0x42; 32];
    let prefix = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let pair = SigningKey::from_pkcs8(Algorithm::EdDSA, &[&prefix[..], &seed].concat()).unwrap();
    let trial = Trial::of(TestIssuer::with_key(ISSUER, pair.clone()).trusted()).await;
    let good = token().key(&pair).sign();
    trial.accepts(&good).await;
    let mut scalar = digest(&SHA512, &seed).as_ref()[..32].to_vec();
    scalar[0] &= 0xf8;
    scalar[31] = (scalar[31] & 0x7f) | 0x40;
    let public = decode(pair.public_jwk()["x"].as_str().unwrap());
    let order = number(ED25519_ORDER);
    for r in small_order_points() {
        let k = digest(&SHA512, &[&r[..], &public, signing_input(&good)].concat());
        let s = BigUint::from_bytes_le(k.as_ref()) * BigUint::from_bytes_le(&scalar) % &order;
        trial.invalid(&with_signature(&good, [r, little_endian(&s)].concat()), "bad_signature").await;
    }
}

/// Several things wrong at once: the signature is judged before the claims (CVE-2024-51744).
#[tokio::test]
async fn b06_a_bad_signature_is_reported_before_bad_claims() {
    let trial = Trial::start().await;
    let spoiled = [
        token().claim("exp", 1),
        token().claim("aud", "https://other.example.com"),
        token().claim("iss", json!(["https://other.example.com"])),
        token().without_claim("iss"),
        token().claim("cnf", json!({})),
        token().header("typ", "logout+jwt"),
        token().claim("exp", "soon"),
    ];
    for token in spoiled {
        trial.invalid(&with_signature(&token.sign(), [1; 256]), "bad_signature").await;
    }
    // But the signature of another issuer's token is not ours to judge, with one issuer as with several.
    let foreign = token().claim("iss", "https://other.example.com").sign();
    trial.invalid(&with_signature(&foreign, [1; 256]), "issuer_mismatch").await;
    // No key at all comes before both.
    let strangers = Issuer::new(ISSUER).jwk_set(json!({ "keys": [key(Algorithm::ES256).public_jwk()] }).to_string());
    Trial::of(strangers).await.invalid(&token().claim("exp", 1).sign(), "no_matching_key").await;
}
