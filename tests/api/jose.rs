//! R33 to R40, R50 and R53 to R56: the token as a signed JSON object (RFC 7515, 7518, 7519).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::UnixTime;
use tower_bearer::{ClaimFault, JsonFault, MalformedFault, TokenError};
use tower_bearer_test::SigningKey;

use crate::support::*;

const NANOSECOND: Duration = Duration::from_nanos(1);

async fn refused(token: &str) -> Option<TokenError> {
    refusal(&server(), token).await
}

fn malformed(fault: MalformedFault) -> Option<TokenError> {
    Some(TokenError::Malformed(fault))
}

fn good_header() -> String {
    object(&header_members())
}

fn good_claims() -> String {
    object(&claim_members())
}

#[tokio::test]
async fn r33_a_token_has_exactly_three_parts() {
    let good = token().sign();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(refused(&good).await, None);
    let cases = [
        (format!("{header}.{payload}"), MalformedFault::Parts),
        (format!("{header}{payload}{signature}"), MalformedFault::Parts),
        (format!("{good}.{signature}"), MalformedFault::Parts),
        (format!("{good}."), MalformedFault::Parts),
        (format!(".{good}"), MalformedFault::Parts),
        (format!("{good}.a.b"), MalformedFault::Encrypted),
        (format!("{good}.a.b.c"), MalformedFault::Parts),
        ("abc".to_owned(), MalformedFault::Opaque),
        ("abc.def".to_owned(), MalformedFault::Opaque),
        (String::new(), MalformedFault::Opaque),
        ("..".to_owned(), MalformedFault::Header(JsonFault::Invalid)),
        (format!(".{payload}.{signature}"), MalformedFault::Header(JsonFault::Invalid)),
    ];
    for (token, fault) in cases {
        assert_eq!(refused(&token).await, malformed(fault), "{token}");
    }
    assert_eq!(refused(&format!("{header}.{payload}.")).await, Some(TokenError::BadSignature));
    assert_eq!(refused(&format!("{header}..{signature}")).await, Some(TokenError::BadSignature));
}

#[tokio::test]
async fn r33_each_part_is_strict_base64url() {
    let good = token().sign();
    let parts: Vec<_> = good.split('.').collect();
    let spoils: [fn(&str) -> String; 11] = [
        |part| format!("{part}="),
        |part| format!("{part}=="),
        |part| format!("{part}\n"),
        |part| format!("\r\n{part}"),
        |part| format!(" {part}"),
        |part| format!("{}+{}", &part[..4], &part[5..]),
        |part| format!("{}/{}", &part[..4], &part[5..]),
        |part| format!("{} {}", &part[..4], &part[5..]),
        |part| format!("{}*{}", &part[..4], &part[5..]),
        |part| format!("{}\u{e9}{}", &part[..4], &part[5..]),
        |part| part[..part.len() / 4 * 4 - 3].to_owned(),
    ];
    for position in 0..3 {
        for (number, spoil) in spoils.iter().enumerate() {
            let mut parts: Vec<_> = parts.iter().map(ToString::to_string).collect();
            parts[position] = spoil(&parts[position]);
            let refused = refused(&parts.join(".")).await;
            assert_eq!(refused, malformed(MalformedFault::Base64), "part {position}, spoil {number}");
        }
    }
}

#[tokio::test]
async fn r33_unused_bits_of_the_last_character_are_zero() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 256 bytes of signature leave four bits over: the same bytes could be written in sixteen ways.
    let good = token().sign();
    let last = ALPHABET.iter().position(|byte| *byte == *good.as_bytes().last().unwrap()).unwrap();
    let other = format!("{}{}", &good[..good.len() - 1], char::from(ALPHABET[last + 1]));
    assert_eq!(refused(&other).await, malformed(MalformedFault::Base64));
}

#[tokio::test]
async fn r34_the_header_is_one_json_object_in_utf8() {
    let members = header_members();
    let texts = ["[]", "1", "null", "\"alg\"", "", "{", "{}x", "{\"alg\"}", "alg"].map(str::to_owned);
    let spoiled = [
        format!("[{{{members}}}]"),
        format!("{{{members}}}{{}}"),
        format!("{{{members}}} x"),
        format!("\u{feff}{{{members}}}"),
        format!("{{{members},}}"),
        format!("{{{members},'a':1}}"),
        format!("{{{members}/**/}}"),
        // A parameter of the wrong type in front of it does not make a header of what is none.
        format!("{{\"cty\":1,{members}"),
        format!("{{\"cty\":1,{members}}} x"),
    ];
    for header in texts.into_iter().chain(spoiled) {
        let refused = refused(&sign_raw(&header, good_claims())).await;
        assert_eq!(refused, malformed(MalformedFault::Header(JsonFault::Invalid)), "{header}");
    }
    let half = refused(&sign_raw(format!(r#"{{{members},"a":"\ud800"}}"#), good_claims())).await;
    assert_eq!(half, malformed(MalformedFault::Header(JsonFault::LoneSurrogate)));
    let not_utf8 = [b"{", members.as_bytes(), b",\"a\":\"\xff\"}"].concat();
    let refused_bytes = refused(&sign_raw(not_utf8, good_claims())).await;
    assert_eq!(refused_bytes, malformed(MalformedFault::Header(JsonFault::Invalid)));
    // JSON allows spaces around the object.
    assert_eq!(refused(&sign_raw(format!(" \r\n{{\t{members} }} "), good_claims())).await, None);
}

#[tokio::test]
async fn r34_alg_is_there_and_a_string() {
    assert_eq!(refused(&token().without_header("alg").sign()).await, malformed(MalformedFault::Algorithm));
    for alg in [json!(null), json!(1), json!(["RS256"]), json!({ "RS256": 1 }), json!(true)] {
        let refused = refused(&token().header("alg", alg.clone()).sign()).await;
        assert_eq!(refused, malformed(MalformedFault::Algorithm), "{alg}");
    }
    for name in ["kid", "typ", "cty"] {
        for value in [json!(null), json!(1), json!(["x"]), json!({})] {
            let refused = refused(&token().header(name, value.clone()).sign()).await;
            assert_eq!(refused, Some(TokenError::HeaderParameter(name)), "{value}");
        }
    }
}

#[tokio::test]
async fn r35_duplicate_header_names_are_malformed() {
    let members = header_members();
    let duplicates = [
        r#""alg":"RS256""#,
        r#""alg":"none""#,
        r#""kid":"other""#,
        r#""\u0061lg":"none""#,
        r#""x":1,"x":1"#,
        r#""jwk":{"kty":"RSA","kty":"oct"}"#,
    ];
    for duplicate in duplicates {
        for header in [format!("{{{members},{duplicate}}}"), format!("{{{duplicate},{members}}}")] {
            let refused = refused(&sign_raw(&header, good_claims())).await;
            assert_eq!(refused, malformed(MalformedFault::Header(JsonFault::Duplicate)), "{header}");
        }
    }
    let different = format!(r#"{{{members},"Alg":"none","x":{{"alg":1}},"y":{{"alg":1}}}}"#);
    assert_eq!(refused(&sign_raw(different, good_claims())).await, None);
}

#[tokio::test]
async fn r36_duplicate_claim_names_are_refused() {
    let (members, end) = (claim_members(), NOW.as_secs() + 300);
    let duplicates = [
        format!(r#""exp":{end}"#),
        format!(r#""\u0065xp":{end}"#),
        format!(r#""aud":"{AUDIENCE}""#),
        format!(r#""iss":"{ISSUER}""#),
        r#""sub":"admin""#.to_owned(),
        r#""x":1,"x":1"#.to_owned(),
        r#""realm_access":{"roles":["a"],"roles":["b"]}"#.to_owned(),
        r#""list":[{"a":1,"a":1}]"#.to_owned(),
    ];
    for duplicate in duplicates {
        let refused = refused(&sign_raw(good_header(), format!("{{{members},{duplicate}}}"))).await;
        assert_eq!(refused, Some(TokenError::Claims(JsonFault::Duplicate)), "{duplicate}");
    }
    let different = format!(r#"{{{members},"Exp":1,"x":{{"exp":1}},"y":[{{"exp":1}},{{"exp":1}}]}}"#);
    assert_eq!(refused(&sign_raw(good_header(), different)).await, None);
}

#[tokio::test]
async fn r37_an_extension_that_must_be_understood_is_not() {
    let critical = token().header("crit", json!(["x"])).header("x", 1);
    assert_eq!(refused(&critical.sign()).await, Some(TokenError::UnsupportedHeader("crit")));
    let exp = token().header("crit", json!(["exp"])).header("exp", NOW.as_secs() + 300);
    assert_eq!(refused(&exp.sign()).await, Some(TokenError::UnsupportedHeader("crit")));
    // Not named in `crit`, an unknown parameter must be ignored (RFC 7515 §4).
    assert_eq!(refused(&token().header("x", 1).header("exp", 1).sign()).await, None);
}

#[tokio::test]
async fn r38_a_malformed_crit_is_refused() {
    let malformed = [
        json!([]),
        json!(null),
        json!("x"),
        json!(1),
        json!({}),
        json!({ "x": 1 }),
        json!([1]),
        json!(["x", "x"]),
        json!(["absent"]),
        json!(["alg"]),
        json!(["crit"]),
        json!([""]),
    ];
    for crit in malformed {
        let refused = refused(&token().header("crit", crit.clone()).header("x", 1).sign()).await;
        assert_eq!(refused, Some(TokenError::UnsupportedHeader("crit")), "{crit}");
    }
}

#[tokio::test]
async fn r39_b64_is_not_honoured() {
    for b64 in [json!(false), json!(true), json!(null), json!("false")] {
        let refused = refused(&token().header("b64", b64.clone()).sign()).await;
        assert_eq!(refused, Some(TokenError::UnsupportedHeader("b64")), "{b64}");
    }
    let critical = token().header("b64", false).header("crit", json!(["b64"])).sign();
    assert!(matches!(refused(&critical).await, Some(TokenError::UnsupportedHeader("b64" | "crit"))));

    // As RFC 7797 §3 would have it: the payload signed as it stands, not encoded.
    let header = format!(r#"{{{},"b64":false,"crit":["b64"]}}"#, header_members());
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(good_claims()));
    let raw = format!("{}.{}", input.split_once('.').unwrap().0, good_claims());
    let signature = URL_SAFE_NO_PAD.encode(key(Algorithm::RS256).sign(raw.as_bytes()));
    assert!(matches!(refused(&format!("{input}.{signature}")).await, Some(TokenError::UnsupportedHeader(_))));
}

/// A header with `enc` is that of a JWE (RFC 7516 §9), and `zip` belongs to encryption (RFC 7516 §4.1.3).
#[tokio::test]
async fn r37_a_header_of_an_encrypted_token_is_refused_whatever_the_value() {
    let values = [
        json!("A128GCM"),
        json!("DEF"),
        json!(""),
        json!(false),
        json!(true),
        json!(null),
        json!(0),
        json!([]),
        json!({}),
        json!({ "kty": "EC" }),
    ];
    for name in ["enc", "zip"] {
        for value in &values {
            let refused = refused(&token().header(name, value.clone()).sign()).await;
            assert_eq!(refused, Some(TokenError::UnsupportedHeader(name)), "{name} {value}");
        }
    }
    // Escaped, it is the same name.
    let escaped = format!(r#"{{{},"\u0065nc":"A128GCM"}}"#, header_members());
    assert_eq!(refused(&sign_raw(escaped, good_claims())).await, Some(TokenError::UnsupportedHeader("enc")));
    // With the algorithms of every kind of key.
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let server = server_trusting(issuer_with(algorithm).trusted());
        let token = token_with(algorithm).header("enc", "A128GCM").sign();
        assert_eq!(refusal(&server, &token).await, Some(TokenError::UnsupportedHeader("enc")), "{algorithm}");
    }
    // An encryption algorithm gives it away by itself.
    let encrypted = token().header("alg", "RSA-OAEP").header("enc", "A128GCM").sign();
    assert_eq!(refused(&encrypted).await, Some(TokenError::AlgorithmNotAllowed));
    // Other parameters do not tell a JWE from a JWS; they and other names are ignored, as are members further down.
    for name in
        ["epk", "apu", "apv", "iv", "tag", "p2s", "p2c", "Enc", "ENC", "enc ", "encryption", "url", "nonce", "iss"]
    {
        for value in &values {
            assert_eq!(refused(&token().header(name, value.clone()).sign()).await, None, "{name} {value}");
        }
    }
    assert_eq!(refused(&token().header("x", json!({ "enc": 1, "zip": "DEF" })).sign()).await, None);
}

#[tokio::test]
async fn r40_keys_in_the_header_are_never_used() {
    let stranger = SigningKey::generate(Algorithm::RS256).unwrap();
    let ours = key(Algorithm::RS256);
    let embedded = [
        ("jwk", stranger.public_jwk()),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/chain")),
        ("x5c", json!([base64::engine::general_purpose::STANDARD.encode(stranger.public_key_der())])),
    ];
    for (name, value) in embedded {
        let by_stranger = token().key(&stranger).header(name, value.clone());
        assert_eq!(refused(&by_stranger.clone().sign()).await, Some(TokenError::NoMatchingKey), "{name}");
        let under_our_name = by_stranger.clone().header("kid", ours.key_id()).sign();
        assert_eq!(refused(&under_our_name).await, Some(TokenError::BadSignature), "{name}");
        let unnamed = by_stranger.without_header("kid").sign();
        assert_eq!(refused(&unnamed).await, Some(TokenError::BadSignature), "{name}");
        // Beside a signature by the issuer's key they do nothing.
        assert_eq!(refused(&token().header(name, value).sign()).await, None, "{name}");
    }
}

/// A token with another signature.
fn with_signature(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", token.rsplit_once('.').unwrap().0, URL_SAFE_NO_PAD.encode(signature))
}

/// `ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 §2.2.3).
fn to_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let first = number.iter().position(|byte| *byte != 0).unwrap();
        let sign: &[u8] = if number[first] >= 0x80 { &[0] } else { &[] };
        let content = [sign, &number[first..]].concat();
        [&[0x02, u8::try_from(content.len()).unwrap()], &content[..]].concat()
    };
    let content = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

#[tokio::test]
async fn r50_an_ecdsa_signature_is_r_and_s_in_full_length() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384] {
        let issuer = issuer_with(algorithm);
        let server = server_trusting(issuer.trusted());
        let good = issuer.token().sign();
        assert_eq!(reason(&server, &good).await, "accepted");
        let signature = URL_SAFE_NO_PAD.decode(good.rsplit_once('.').unwrap().1).unwrap();
        let half = signature.len() / 2;
        let (r, s) = signature.split_at(half);
        let (zero, ones) = (vec![0; half], vec![0xff; half]);
        let refused = [
            ("DER", to_der(r, s)),
            ("empty", vec![]),
            ("one byte short", signature[..2 * half - 1].to_vec()),
            ("one byte long", [&signature[..], &[0]].concat()),
            ("a zero before each half", [&[0], r, &[0], s].concat()),
            ("r alone", r.to_vec()),
            ("swapped", [s, r].concat()),
            ("r = 0", [&zero, s].concat()),
            ("s = 0", [r, &zero].concat()),
            ("both 0", [&zero[..], &zero].concat()),
            ("r beyond the order", [&ones, s].concat()),
            ("s beyond the order", [r, &ones].concat()),
        ];
        for (name, signature) in refused {
            let refused = refusal(&server, &with_signature(&good, &signature)).await;
            assert_eq!(refused, Some(TokenError::BadSignature), "{algorithm}: {name}");
        }
    }
}

#[tokio::test]
async fn r53_nbf_in_the_future_is_refused_beyond_the_leeway() {
    let start = NOW.saturating_add(Duration::from_secs(60));
    for leeway in [0, 30, 60].map(Duration::from_secs) {
        let clock = clock();
        let server = builder().issuer(issuer().trusted()).clock(clock.clone()).leeway(leeway).build().unwrap();
        let token = token().claim("nbf", start.as_secs()).sign();
        let limit = start.saturating_sub(leeway);
        let early = Some(TokenError::NotYetValid);
        let times = [
            (limit.saturating_sub(Duration::from_secs(1)), early.clone()),
            (limit.saturating_sub(NANOSECOND), early),
            (limit, None),
            (limit.saturating_add(NANOSECOND), None),
        ];
        for (time, expected) in times {
            clock.set_wall(Some(time));
            // `iat` is at NOW; a leeway must not be needed for it.
            assert_eq!(refusal(&server, &token).await, expected, "{time} with {leeway:?}");
        }
    }
}

#[tokio::test]
async fn r54_aud_is_a_string_or_an_array_compared_with_regard_to_case() {
    let server = builder().audience("API").issuer(issuer().trusted()).build().unwrap();
    for (aud, expected) in [
        (json!("API"), "accepted"),
        (json!(["API"]), "accepted"),
        (json!(["x", "API"]), "accepted"),
        (json!("api"), "audience_mismatch"),
        (json!(["api", "Api"]), "audience_mismatch"),
        (json!("https://API.example.com"), "audience_mismatch"),
        (json!(1), "claim_type"),
        (json!(null), "claim_type"),
        (json!({ "API": true }), "claim_type"),
        (json!(["API", 1]), "claim_type"),
        (json!([["API"]]), "claim_type"),
        (json!(["API", null]), "claim_type"),
    ] {
        assert_eq!(reason(&server, &token().claim("aud", aud.clone()).sign()).await, expected, "{aud}");
    }
}

/// The verdict on a token with this JSON text for one numeric date.
async fn dated(name: &str, text: &str) -> &'static str {
    let members = [("exp", (NOW.as_secs() + 300).to_string()), ("nbf", "0".to_owned()), ("iat", "0".to_owned())];
    let dates: Vec<_> = members
        .iter()
        .map(|(other, value)| format!(r#""{other}":{}"#, if *other == name { text } else { value }))
        .collect();
    let claims = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}",{}}}"#, dates.join(","));
    reason(&server(), &sign_raw(good_header(), claims)).await
}

#[tokio::test]
async fn r55_numeric_dates_are_numbers_within_their_range() {
    let wrong_types = ["\"1800000300\"", "\"\"", "null", "true", "[]", "[1800000300]", "{}"];
    let out_of_range = [
        "-1",
        "-0.5",
        "-1e300",
        "1e300",
        "253402300800",
        "253402300799.5",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e19",
        "-9223372036854775809",
        // Milliseconds, microseconds and nanoseconds.
        "1800000300000",
        "1800000300000.5",
        "1.8000003e12",
        "1800000300000000",
        "1800000300000000000",
    ];
    // The last one is JSON, but no double can hold it.
    let not_json = ["NaN", "Infinity", "-Infinity", "0x10", "01", "+1", ".5", "5.", "1_000", "1e", "1e999"];
    for name in ["exp", "nbf", "iat"] {
        for text in wrong_types {
            assert_eq!(dated(name, text).await, "claim_type", "{name}: {text}");
        }
        for text in out_of_range {
            assert_eq!(dated(name, text).await, "claim_invalid", "{name}: {text}");
        }
        for text in not_json {
            assert_eq!(dated(name, text).await, "claims_json", "{name}: {text}");
        }
    }
    for text in ["1800000300", "1800000300.0", "1800000300.5", "1.8000003e9", "18000003E2", "253402300799"] {
        assert_eq!(dated("exp", text).await, "accepted", "{text}");
    }
    for name in ["nbf", "iat"] {
        for text in ["0", "0.5", "1800000000", "1.8e9", "1800000029.999"] {
            assert_eq!(dated(name, text).await, "accepted", "{name}: {text}");
        }
    }
    assert_eq!(dated("exp", "0").await, "expired");
    assert_eq!(dated("nbf", "253402300799").await, "not_yet_valid");
    assert_eq!(dated("iat", "253402300799").await, "issued_in_future");
}

#[tokio::test]
async fn r55_fractions_of_a_second_count() {
    let clock = clock();
    let server = builder().issuer(issuer().trusted()).clock(clock.clone()).leeway(Duration::ZERO).build().unwrap();
    let token = token().claim("exp", 1_800_000_100.5).sign();
    let at = |nanoseconds| UnixTime::from_duration(Duration::new(1_800_000_100, nanoseconds));
    for (time, expected) in [(at(499_999_999), None), (at(500_000_000), Some(TokenError::Expired))] {
        clock.set_wall(Some(time));
        assert_eq!(refusal(&server, &token).await, expected, "{time}");
    }
}

#[tokio::test]
async fn r56_iat_in_the_future_is_refused_beyond_the_leeway() {
    let clock = clock();
    let server = builder().issuer(issuer().trusted()).clock(clock.clone()).build().unwrap();
    let token = token().claim("iat", NOW.as_secs() + 60).sign();
    let limit = NOW.saturating_add(Duration::from_secs(30));
    for (time, expected) in [
        (limit.saturating_sub(NANOSECOND), Some(TokenError::IssuedInFuture)),
        (limit, None),
        (limit.saturating_add(NANOSECOND), None),
    ] {
        clock.set_wall(Some(time));
        assert_eq!(refusal(&server, &token).await, expected, "{time}");
    }
}

#[tokio::test]
async fn r56_a_maximum_age_ends_a_token_early_and_requires_iat() {
    let clock = clock();
    let aged = builder().issuer(issuer().trusted()).clock(clock.clone()).max_token_age(Duration::from_secs(60));
    let server = aged.leeway(Duration::from_secs(10)).build().unwrap();
    let token = token();
    let limit = NOW.saturating_add(Duration::from_secs(70));
    for (time, expected) in [
        (limit.saturating_sub(NANOSECOND), None),
        (limit, None),
        (limit.saturating_add(NANOSECOND), Some(TokenError::TooOld)),
    ] {
        clock.set_wall(Some(time));
        assert_eq!(refusal(&server, &token.clone().sign()).await, expected, "{time}");
    }
    clock.set_wall(Some(NOW));
    let missing = TokenError::Claim { name: "iat".into(), fault: ClaimFault::Missing };
    assert_eq!(refusal(&server, &token.without_claim("iat").sign()).await, Some(missing));
}
