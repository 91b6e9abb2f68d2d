//! C01 to C07: encoding and structure.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;
use tower_bearer::ResourceServer;
use tower_bearer::jose::Algorithm;

use crate::support::*;

/// A token by the issuer's key over exactly these bytes as its claims.
pub(crate) fn over_payload(payload: impl AsRef<[u8]>) -> String {
    let key = key(Algorithm::RS256);
    let header = json!({ "alg": "RS256", "kid": key.key_id(), "typ": "at+jwt" });
    key.sign_compact(header.to_string(), payload)
}

/// A token by the issuer's key over exactly these bytes as its header.
pub(crate) fn over_header(header: impl AsRef<[u8]>) -> String {
    key(Algorithm::RS256).sign_compact(header, decode(parts(&token().sign())[1]))
}

/// The good claims as JSON text without the closing brace.
pub(crate) fn open_claims() -> String {
    let claims = String::from_utf8(decode(parts(&token().sign())[1])).unwrap();
    claims.strip_suffix('}').unwrap().to_owned()
}

/// The same of the header.
pub(crate) fn open_header() -> String {
    let header = String::from_utf8(decode(parts(&token().sign())[0])).unwrap();
    header.strip_suffix('}').unwrap().to_owned()
}

#[tokio::test]
async fn c01_only_canonical_base64url_without_padding() {
    let trial = Trial::start().await;
    let good = token().sign();
    trial.accepts(&good).await;
    let [header, payload, signature] = parts(&good);
    let with_part = |position: usize, part: &str| {
        let mut parts = [header, payload, signature];
        parts[position] = part;
        parts.join(".")
    };
    for (position, part) in [header, payload, signature].into_iter().enumerate() {
        let middle = part.len() / 2;
        // Characters that the request's own grammar allows reach the token's parser.
        for inserted in ["+", "/", "~", "-_-"] {
            let spoiled = with_part(position, &format!("{}{inserted}{}", &part[..middle], &part[middle..]));
            let seen = reason(&trial.server, &spoiled).await;
            assert!(["token_base64", "header_json", "bad_signature"].contains(&seen), "{seen}");
            assert!(inserted == "-_-" || seen == "token_base64", "{seen}");
        }
        for padding in ["=", "=="] {
            assert_eq!(reason(&trial.server, &with_part(position, &format!("{part}{padding}"))).await, "token_base64");
        }
        // The others never get that far over HTTP; from another place they are refused as well.
        for inserted in [" ", "\t", "\n", "\r\n", "\0", "%2E", "%", "\u{e9}", "\u{ff0e}"] {
            let spoiled = with_part(position, &format!("{}{inserted}{}", &part[..middle], &part[middle..]));
            assert_eq!(reason(&trial.server, &spoiled).await, "token_base64", "{inserted:?}");
            let spoiled = with_part(position, &format!("{part}{inserted}"));
            assert_eq!(reason(&trial.server, &spoiled).await, "token_base64", "{inserted:?}");
        }
    }
    trial.malformed(&with_part(2, &format!("{signature}=")), "token_base64").await;
    trial.malformed(&with_part(1, &format!("{payload}+/+/")), "token_base64").await;
    for inserted in [" ", "\t", "%2E", ",", ";", "\"", "\\"] {
        let spoiled = with_part(1, &format!("{payload}{inserted}"));
        let header = format!("Bearer {spoiled}");
        trial.broken(&[("authorization", header.as_bytes())], "token_illegal_characters").await;
    }
}

#[tokio::test]
async fn c01_trailing_bits_make_no_second_text_of_a_token() {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let server = server();
    // A text of each length modulo 3 in each part, so that there are 4 and 2 unused bits.
    let mut tried = 0;
    for (header_pad, payload_pad) in [("", ""), ("a", "a"), ("aa", "aa")] {
        let good = token().header("x", header_pad).claim("x", payload_pad).sign();
        assert_eq!(reason(&server, &good).await, "accepted");
        for (position, part) in parts(&good).into_iter().enumerate() {
            if part.len() % 4 == 0 {
                continue;
            }
            let last = ALPHABET.find(part.chars().last().unwrap()).unwrap();
            let unused = if part.len() % 4 == 2 { 0b1111 } else { 0b11 };
            for bits in 1..=unused {
                let other = &ALPHABET[last ^ bits..=last ^ bits];
                let mut parts = parts(&good).map(str::to_owned);
                parts[position] = format!("{}{other}", &part[..part.len() - 1]);
                assert_eq!(reason(&server, &parts.join(".")).await, "token_base64");
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

#[tokio::test]
async fn c02_other_than_three_parts() {
    let trial = Trial::start().await;
    let good = token().sign();
    let [header, payload, signature] = parts(&good);
    for (token, reason) in [
        (header.to_owned(), "token_parts"),
        (format!("{header}.{payload}"), "token_parts"),
        (format!("{good}.{signature}"), "token_parts"),
        (format!("{good}.{payload}.{signature}"), "encrypted_token"),
        (["a"; 1000].join("."), "token_parts"),
        (".".to_owned(), "opaque_token"),
        ("..".to_owned(), "header_json"),
        ("...".to_owned(), "token_parts"),
        ("....".to_owned(), "encrypted_token"),
        (format!(".{good}"), "token_parts"),
        (format!("{good}."), "token_parts"),
        (format!(".{payload}.{signature}"), "header_json"),
        (format!("{header}{payload}.{signature}"), "token_parts"),
        ("opaque-token".to_owned(), "opaque_token"),
    ] {
        trial.malformed(&token, reason).await;
    }
    trial.invalid(&format!("{header}..{signature}"), "bad_signature").await;
    trial.invalid(&format!("{header}.{payload}."), "bad_signature").await;
    trial.invalid(&over_payload(""), "claims_json").await;
    trial.accepts(&good).await;
}

#[tokio::test]
async fn c03_encrypted_tokens_are_not_decrypted() {
    let trial = Trial::start().await;
    let good = token().sign();
    let plain = format!("{}.{}.", encode(r#"{"alg":"none"}"#), parts(&good)[1]);
    for alg in ["RSA-OAEP-256", "dir", "ECDH-ES", "A128KW", "RS256", "none"] {
        let header = json!({ "alg": alg, "enc": "A256GCM", "cty": "JWT", "kid": key(Algorithm::RS256).key_id() });
        let five = [header.to_string(), "key".into(), "iv".into(), plain.clone(), "tag".into()].map(encode).join(".");
        trial.malformed(&five, "encrypted_token").await;
        // Five parts, and an honest token in the first three.
        trial.malformed(&format!("{good}.{}.{}", encode("iv"), encode("tag")), "encrypted_token").await;
    }
    // An encryption algorithm on three parts is no signature algorithm.
    for alg in ["RSA-OAEP", "RSA1_5", "dir", "A256GCM"] {
        trial.invalid(&token().header("alg", alg).header("enc", "A256GCM").sign(), "algorithm_not_allowed").await;
    }
}

#[tokio::test]
async fn c04_nested_tokens_and_json_forms() {
    let trial = Trial::start().await;
    for cty in ["JWT", "jwt", "application/jwt"] {
        trial.invalid(&token().header("cty", cty).sign(), "unsupported_header").await;
    }
    trial.invalid(&token().header("cty", 7).sign(), "header_parameter").await;
    // A token as the claims of a token, without saying so.
    let good = token().sign();
    trial.invalid(&over_payload(&good), "claims_json").await;
    trial.invalid(&over_payload(format!("\"{good}\"")), "claims_json").await;

    let [header, payload, signature] = parts(&good);
    let flattened = json!({ "protected": header, "payload": payload, "signature": signature });
    let general = json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] });
    for form in [flattened, general] {
        let text = form.to_string();
        assert_eq!(reason(&trial.server, &text).await, "opaque_token");
        let credentials = format!("Bearer {text}");
        trial.broken(&[("authorization", credentials.as_bytes())], "token_illegal_characters").await;
        trial.malformed(&encode(&text), "token_parts").await;
        // One text, two readers (CVE-2022-39227): the compact form around it is what is judged.
        trial.invalid(&over_payload(&text), "claim_missing").await;
    }
}

#[tokio::test]
async fn c05_duplicate_header_parameters() {
    let trial = Trial::start().await;
    let header = open_header();
    for twice in [
        r#","alg":"none"}"#,
        r#","alg":"RS256"}"#,
        r#","\u0061lg":"none"}"#,
        r#","al\u0067":"none"}"#,
        r#","kid":"other"}"#,
        r#","typ":"JWT"}"#,
        r#","x":1,"x":1}"#,
        r#","x":{"y":1,"y":2}}"#,
        r#","x":[{"y":1,"y":2}]}"#,
    ] {
        trial.malformed(&over_header(format!("{header}{twice}")), "header_duplicate").await;
    }
    for first in [r#"{"alg":"none","#, r#"{"\u0061\u006c\u0067":"none","#] {
        trial.malformed(&over_header(header.replacen('{', first, 1) + "}"), "header_duplicate").await;
    }
    trial.accepts(&over_header(header + r#","ALG":"none","Kid":"other"}"#)).await;
}

#[tokio::test]
async fn c06_duplicate_claims() {
    let single = Trial::start().await;
    let several = builder().issuer(issuer_with(Algorithm::RS256).trusted());
    let several = Trial::with(several.issuer(second_issuer())).await;
    let claims = open_claims();
    single.accepts(&over_payload(format!("{claims}}}"))).await;
    several.accepts(&over_payload(format!("{claims}}}"))).await;
    for (name, value) in [
        ("exp", json!(253_402_300_799_u64)),
        ("iss", json!(ISSUER)),
        ("aud", json!(AUDIENCE)),
        ("sub", json!("admin")),
        ("scope", json!("admin")),
        ("jti", json!("x")),
        ("client_id", json!("admin")),
        ("iat", json!(1)),
    ] {
        let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
        for name in [name, escaped.as_str()] {
            let twice = over_payload(format!("{claims},\"{name}\":{value}}}"));
            single.invalid(&twice, "claims_duplicate").await;
            // With several issuers the claims are read earlier, to choose one, by the same rules.
            several.invalid(&twice, "claims_duplicate").await;
        }
    }
    for twice in [
        r#","cnf":{},"cnf":{}}"#,
        r#","nbf":1,"nbf":1}"#,
        r#","realm_access":{"roles":["user"],"roles":["admin"]}}"#,
        r#","a":[[{"b":1,"\u0062":2}]]}"#,
        r#","":1,"":2}"#,
    ] {
        single.invalid(&over_payload(format!("{claims}{twice}")), "claims_duplicate").await;
    }
}

#[tokio::test]
async fn c07_only_one_json_object_in_utf8() {
    let trial = Trial::start().await;
    let claims = open_claims();
    let mut not_utf8 = format!("{claims},\"x\":\"").into_bytes();
    not_utf8.extend_from_slice(b"\xff\"}");
    let mut overlong = format!("{claims},\"x\":\"").into_bytes();
    overlong.extend_from_slice(b"\xc0\xae\"}");
    let utf16: Vec<u8> = format!("{claims}}}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let texts: Vec<Vec<u8>> = vec![
        not_utf8,
        overlong,
        utf16,
        format!("{claims},\"x\":\"\\ud800\"}}").into(),
        format!("{claims},\"\\udc00\":1}}").into(),
        format!("\u{feff}{claims}}}").into(),
        format!("{claims}}}{{}}").into(),
        format!("{claims}}} x").into(),
        format!("{claims}}}\0").into(),
        format!("{claims},}}").into(),
        format!("{claims},\"x\":01}}").into(),
        format!("{claims},\"x\":NaN}}").into(),
        format!("{claims},\"x\":'y'}}").into(),
        format!("{claims},\"x\":\"\n\"}}").into(),
        format!("{claims}/**/}}").into(),
        claims.clone().into(),
        format!("[{claims}}}]").into(),
        "null".into(),
        "0".into(),
        "\"claims\"".into(),
        "[]".into(),
        "true".into(),
    ];
    for text in texts {
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(reason(&trial.server, &over_payload(&text)).await, "claims_json", "{shown}");
        let seen = reason(&trial.server, &over_header(&text)).await;
        assert_eq!(seen, "header_json", "{shown}");
    }
    trial.invalid(&over_payload("[]"), "claims_json").await;
    trial.malformed(&over_header("[]"), "header_json").await;
    trial.invalid(&over_payload("{}"), "claim_missing").await;
    trial.malformed(&over_header("{}"), "header_alg").await;
    for control in ["a\0b", "\0", "a\nb", "a\u{7f}b", "a\u{85}b"] {
        trial.invalid(&token().subject(control).sign(), "claim_invalid").await;
    }
    trial.accepts(&over_payload(format!(" \r\n\t{claims} , \"x\" : [ ] }} \n"))).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, the answer is a refusal and not a panic; a good token cut, joined or spliced is no good token.
    #[test]
    fn c02_no_text_but_a_token_passes(
        garbage in "\\PC{0,40}",
        header in "[\\{\\}\\[\\]\",:a-z0-9\\\\ ]{0,40}",
        cut in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
    ) {
        static SERVER: LazyLock<(ResourceServer, String)> = LazyLock::new(|| (server(), token().sign()));
        let (server, good) = &*SERVER;
        let (cut, place) = (cut.index(good.len()), place.index(good.len() + 1));
        let [_, payload, signature] = parts(good);
        let mut spliced = good.clone();
        spliced.insert_str(place, &garbage);
        for text in [
            garbage.clone(),
            format!("{garbage}.{garbage}.{garbage}"),
            format!("{}.{payload}.{signature}", encode(&header)),
            good[..cut].to_owned(),
            good[cut + 1..].to_owned(),
            format!("{}{}", &good[..cut], &good[cut + 1..]),
            spliced,
        ] {
            prop_assert!(text == *good || reason_at_once(server, &text) != "accepted", "{}", text);
        }
        // Under a good signature too: no header or claims text panics, and none is complete by chance.
        for text in [&garbage, &header, &format!("{{{header}}}"), &format!("{{\"alg\":{header}}}")] {
            prop_assert_ne!(reason_at_once(server, &over_header(text)), "accepted");
            prop_assert_ne!(reason_at_once(server, &over_payload(text)), "accepted");
        }
    }
}
