//! What people paste, and what their clients send: the cause is named, and what to do.

use serde_json::{Value, json};
use tower_bearer_test::TokenBuilder;

use super::{ISSUER, NOW, check_fixed, explain, objects, token};
use crate::support::stderr;

/// The lines, the reason of the layer, and what the advice says.
#[track_caller]
fn assert_cause(input: &str, reason: &str, advice: &str) {
    let explained = explain(&[], input);
    assert_eq!(explained["reason"], reason, "{explained:#}");
    let told: Vec<_> = explained["advice"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(told.join("\n").contains(advice), "{input:?}: {told:#?}");
    let text = told.join(" ");
    assert!(!text.contains("2 dots instead of 2") && !text.contains("\"\""), "{text}");
}

#[test]
fn what_is_around_a_token_is_named() {
    let good = token().sign();
    for (input, reason, advice) in [
        (format!("Bearer Bearer {good}"), "token_illegal_characters", "`Bearer` is there twice"),
        (format!("Authorization: Bearer bearer {good}"), "token_illegal_characters", "`Bearer` is there twice"),
        (format!("Bearer Bearer: {good}"), "token_illegal_characters", "`Bearer` is there twice"),
        (format!("Authorization: {good}"), "scheme_missing", "`Bearer` is missing in front of the token"),
        (format!("Authorization: DPoP {good}"), "dpop_not_configured", "The client sent the scheme `DPoP`"),
        (format!("Authorization: Bearer {good}, Bearer {good}"), "credentials_repeated", "joined by a comma"),
        ("Authorization: Bearer".into(), "token_empty", "no token after `Bearer`"),
        (format!("{good},"), "token_illegal_characters", "A `,` follows the token"),
        (format!("{good};"), "token_illegal_characters", "A `;` follows the token"),
        (format!("{good})."), "token_illegal_characters", "It has `)` at place"),
        (format!("{good}>"), "token_illegal_characters", "A `>` follows the token"),
        (format!("{good}."), "token_parts", "A dot follows the token"),
        (format!("\"{good}\""), "token_illegal_characters", "Remove the quotes"),
        (format!("“{good}”"), "token_illegal_characters", "Remove the quotes"),
        (format!("{good}'"), "token_illegal_characters", "Remove the quotes"),
        (format!("{} {}", &good[..90], &good[90..]), "token_illegal_characters", "The token is wrapped"),
        (format!("{}\\n{}", &good[..90], &good[90..]), "token_illegal_characters", "There is a backslash in it"),
        (good.replace('.', "%2E"), "token_illegal_characters", "percent-encoded"),
        (format!("access_token={good}&token_type=Bearer"), "token_illegal_characters", "This is a form"),
        (format!("{}…", &good[..40]), "token_illegal_characters", "shortened or masked"),
        ("eyJhbGciOi***".into(), "token_illegal_characters", "shortened or masked"),
        (format!("{good}\u{200b}"), "token_illegal_characters", "the character U+200B at place"),
        ("$TOKEN".into(), "token_illegal_characters", "a placeholder that was not replaced"),
        ("{{access_token}}".into(), "token_illegal_characters", "placeholder"),
        ("<token>".into(), "token_illegal_characters", "a placeholder that was not replaced"),
        ("undefined".into(), "opaque_token", "the word \"undefined\": the client's variable was not set"),
        ("null".into(), "opaque_token", "the client's variable was not set"),
        (format!("{good}@"), "token_illegal_characters", "It has `@` at place"),
        ("{\n  \"access_token\": \"a\"\n}".into(), "token_illegal_characters", "jq -r .access_token"),
    ] {
        assert_cause(&input, reason, advice);
    }
}

#[test]
fn what_is_wrong_with_its_form_is_named() {
    let good = token().sign();
    let parts: Vec<_> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!() };
    for (input, reason, advice) in [
        (header.to_owned(), "token_parts", "The token is cut off: it has 0 of the 2 dots"),
        (good[..200].to_owned(), "token_parts", "The token is cut off: it has 1 of the 2 dots"),
        (
            good[..good.len() - 42].to_owned(),
            "bad_signature",
            "The signature has 33 bytes, where the algorithm makes 64",
        ),
        (good[..good.len() - 1].to_owned(), "token_base64", "The signature is cut off or changed"),
        (format!("{header}.{claims}."), "bad_signature", "The signature has 0 bytes"),
        (format!("{good}=="), "token_base64", "The signature ends in `=`"),
        (format!("{header}.{claims}=.{signature}"), "token_illegal_characters", "A part of the token ends in `=`"),
        (format!("{header}.{claims}.+{}", &signature[1..]), "token_base64", "it is plain base64"),
        (format!("{good}.{good}"), "token_parts", "It has 5 dots instead of 2"),
        (format!("{header}.{claims}.SIGNATURE_REMOVED_BY_GOOGLE"), "bad_signature", "Google Cloud Run"),
    ] {
        assert_cause(&input, reason, advice);
    }
}

/// A token that a terminal, a mail or `base64` broke into lines is one token.
#[test]
fn a_wrapped_token_is_checked_as_one() {
    let good = token().sign();
    let lines: Vec<_> = good.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let explained = explain(&[], &lines.join("\n"));
    assert_eq!(explained["accepted"], true, "{explained:#}");
    assert!(explained["notes"][0].as_str().unwrap().contains("was wrapped over lines 1 to 7"), "{explained:#}");
}

#[test]
fn other_kinds_of_tokens_are_named() {
    let refresh = |token: TokenBuilder| token.claim("aud", ISSUER);
    for (input, reason, advice) in [
        (
            refresh(token().header("alg", "HS512")).claim("typ", "Refresh").sign(),
            "algorithm_not_allowed",
            "refresh token",
        ),
        (refresh(token()).claim("typ", "Offline").sign(), "not_an_access_token", "This is a refresh token"),
        (refresh(token()).claim("token_use", "refresh").sign(), "not_an_access_token", "This is a refresh token"),
        ("1//0gk3r5Yd8QzZd".into(), "opaque_token", "a refresh token of Google"),
        ("ghr_16C7e42F292c".into(), "opaque_token", "a refresh token of GitHub"),
        ("ya29.a0AfB_byC".into(), "opaque_token", "It looks like one of Google"),
        ("8xLOxBtZp8".into(), "opaque_token", "If it is the refresh token, the client has to send `access_token`"),
        (
            "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ.a.b.c.d".into(),
            "encrypted_token",
            "refresh tokens of Amazon Cognito",
        ),
        (token().header("nonce", "n").claim("aud", "00000003").sign(), "audience_mismatch", "Microsoft Graph"),
        (token().header("nonce", "n").sign() + "x", "token_base64", "cut off or changed"),
    ] {
        assert_cause(&input, reason, advice);
    }
    // The header of Graph's tokens is not the one that was signed.
    let signed = token().sign();
    let changed = token().header("nonce", "n").sign();
    let graph = format!("{}.{}", changed.split_once('.').unwrap().0, signed.split_once('.').unwrap().1);
    assert_cause(&graph, "bad_signature", "only Graph can check it");
}

#[test]
fn times_in_another_unit_are_named() {
    assert_cause(&token().claim("exp", 1_800_000_300_000_u64).sign(), "claim_invalid", "`exp` is in milliseconds");
    assert_cause(&token().claim("iat", 1_800_000_000_000_u64).sign(), "claim_invalid", "`iat` is in milliseconds");
    assert_cause(&token().claim("exp", "1800000300").sign(), "claim_type", "`exp` is a text");
    assert_cause(&token().claim("exp", 300).sign(), "expired", "a lifetime in the place of a time?");
    let output = check_fixed(&["--at", &format!("{NOW}000")], "opaque");
    assert!(stderr(&output).contains("these are milliseconds: give seconds"), "{}", stderr(&output));
}

#[test]
fn a_scope_in_another_form_is_named() {
    let needs = ["--scope", "read:leads", "--scope", "write:leads"];
    for (name, value, advice) in [
        ("scope", json!(["read:leads write:leads"]), "whose member \"read:leads write:leads\" has a space"),
        ("scope", json!("read:leads,write:leads"), "`scope` separates scopes with commas"),
        ("scope", json!("read:leads+write:leads"), "`scope` separates scopes with plus signs"),
        ("scope", json!("read:leads WRITE:leads"), "`scope` has \"WRITE:leads\": have the route require that"),
        ("scope", json!("read:leads https://api/write:leads"), "`scope` has \"https://api/write:leads\""),
        ("roles", json!(["write:leads"]), "The claim \"roles\" has it"),
        ("authorities", json!(["write:leads"]), "The claim \"authorities\" has it"),
        ("realm_access", json!({"roles": ["write:leads"]}), "in \"roles\": these are roles. Require them"),
        ("scope", json!("read:leads"), "missing: \"write:leads\""),
    ] {
        let explained = explain(&needs, &token().claim(name, value).sign());
        assert_eq!(explained["reason"], "insufficient_scope");
        let told = explained["advice"].to_string().replace("\\\"", "\"");
        assert!(told.contains(advice), "{told}");
        assert!(!told.contains("missing: \"\""), "{told}");
    }
}

/// A request as `curl -v` prints it.
#[test]
fn what_a_request_carries_is_named() {
    let good = token().sign();
    let head =
        |fields: &str| format!("* Connected\n> GET /leads HTTP/1.1\n> Host: api\n{fields}>\n< HTTP/1.1 400\n<\n{{}}\n");
    for (input, reason, advice) in [
        (head(""), "token_absent", "The request has no `Authorization` field. Either the client does not send it"),
        (
            head("> X-Forwarded-Authorization: Bearer a\n"),
            "token_absent",
            "The request has `X-Forwarded-Authorization`",
        ),
        (head("> Cookie: a=b\n"), "token_absent", "The request has `Cookie` and no `Authorization`"),
        (head("> Authorization:\n"), "token_absent", "The `Authorization` field is empty"),
        (head("> Authorization: Basic YTpi\n"), "token_absent", "The client sent the scheme `Basic`, a user name and"),
        (head("> authorization: Token abc\n"), "token_absent", "The client sent the scheme `Token`"),
        ("Basic YTpi".into(), "token_absent", "The client sent the scheme `Basic`"),
        ("Authorization: Negotiate YTpi".into(), "token_absent", "The client sent the scheme `Negotiate`"),
        ("Authorization: secret".into(), "token_absent", "has no scheme and no JWT"),
        (head("> Authorization: Bearer a\n> Authorization: Bearer b\n"), "credentials_repeated", "two `Authorization`"),
        ("https://api/leads?access_token=a".into(), "token_absent", "a token in its URL is not read"),
        (
            head(&format!("> Authorization: Bearer {good}\n")).replace("/leads", "/leads?access_token=b"),
            "token_in_two_places",
            "The token is in `Authorization` and in the URL",
        ),
    ] {
        assert_cause(&input, reason, advice);
    }
    let explained = explain(&[], &head(&format!("> authorization: bearer {good}\n")));
    assert_eq!(explained["accepted"], true, "{explained:#}");
}

#[test]
fn a_token_that_proxies_stop_has_a_note() {
    let of = |groups: usize| token().claim("groups", vec!["a-group"; groups]).sign();
    let (small, large) = (of(100), of(900));
    let output = check_fixed(&["--json"], &format!("{small}\n{large}\n"));
    let [small, large] = &objects(&output)[..] else { panic!("{}", stderr(&output)) };
    assert_eq!((&small["accepted"], &large["accepted"]), (&json!(true), &json!(true)));
    assert_eq!(small["notes"], json!([]));
    assert!(large["notes"][0].as_str().unwrap().contains("refuse more than 8 KB"), "{large}");
}

/// Nothing that is said about the input has an escaped line break in it.
#[test]
fn no_line_break_is_escaped() {
    for input in ["opaque\nopaque\n", "a\u{1b}b"] {
        let output = check_fixed(&[], input);
        assert!(!stderr(&output).contains("\\u000a"), "{}", stderr(&output));
    }
}
