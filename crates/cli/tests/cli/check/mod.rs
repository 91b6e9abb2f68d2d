//! `check` explains tokens as the layer judges them, and gives nothing away.

mod as_the_layer;
mod causes;
mod described;
mod input;
mod keys;
mod remedies;
mod set_ups;

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_test::{Defect, SigningKey, TestIssuer, TokenBuilder};

use crate::support::*;

const ISSUER: &str = "https://as.example.com";
const AUDIENCE: &str = "https://api.example.com";
/// `--at`: 2027-01-15T08:00:00Z.
const NOW: &str = "1800000000";

fn clock() -> ManualClock {
    ManualClock::at(UnixTime::from_secs(1_800_000_000))
}

/// One key for all tests, `key-1`.
fn issuer() -> TestIssuer {
    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate(Algorithm::ES256).unwrap().with_key_id("key-1"));
    TestIssuer::with_key(ISSUER, KEY.clone()).with_clock(clock())
}

fn token() -> TokenBuilder {
    issuer().token().audience(AUDIENCE).scope("read:leads").claim("jti", "0001")
}

/// The issuer's JWK Set in a file.
fn jwks_file() -> String {
    static FILE: LazyLock<String> = LazyLock::new(|| {
        let file = format!("{}/check-jwks.json", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&file, issuer().jwk_set().to_string()).unwrap();
        file
    });
    FILE.clone()
}

/// Runs `check` on these lines, and makes sure that nothing that it says has a token or a signature of theirs.
fn check(arguments: &[&str], input: &str) -> Output {
    let mut command = tower_bearer(&[&["check"], arguments].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, lines) = (child.stdin.take().unwrap(), input.to_owned());
    // A command that ends early does not read it all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(lines.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    for told in [stdout(&output), stderr(&output)] {
        for secret in input.lines().flat_map(|line| [Some(line), line.rsplit_once('.').map(|parts| parts.1)]).flatten()
        {
            assert!(secret.len() < 16 || !told.contains(secret), "a token or signature was shown:\n{told}");
        }
        assert!(!told.contains('\u{1b}'), "no colours without a terminal, and none of the token's:\n{told}");
    }
    output
}

/// As of [`NOW`], by the keys in the file.
fn check_fixed(more: &[&str], input: &str) -> Output {
    let jwks = jwks_file();
    let at: &[_] = if more.contains(&"--at") { &[] } else { &["--at", NOW] };
    check(&[&["--issuer", ISSUER, "--jwks", &jwks, "--audience", AUDIENCE], at, more].concat(), input)
}

fn objects(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All advice about all tokens, a sentence a line.
fn advice(output: &Output) -> String {
    let advice = |it: &Value| it["advice"].as_array().unwrap().clone();
    let advice: Vec<_> = objects(output).iter().flat_map(advice).map(|it| it.as_str().unwrap().to_owned()).collect();
    advice.join("\n")
}

/// The one object for one token.
fn explain(more: &[&str], token: &str) -> Value {
    let output = check_fixed(&[&["--json"], more].concat(), token);
    let objects = objects(&output);
    assert_eq!(objects.len(), 1, "{}", stderr(&output));
    let accepted = objects[0]["accepted"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!accepted)), "{}", stderr(&output));
    objects[0].clone()
}

#[track_caller]
fn assert_advised(more: &[&str], token: &str, reason: &str, advice: &str) {
    let explained = explain(more, token);
    assert_eq!(explained["reason"], reason, "{explained}");
    let told: Vec<_> = explained["advice"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(told.join("\n").contains(advice), "{told:#?}");
}

#[test]
fn a_good_token_passes_every_check() {
    let output = check_fixed(&["--scope", "read:leads"], &token().sign());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    insta::assert_snapshot!(stdout(&output), @r#"
    ✓ line 1: good  as of 2027-01-15T08:00:00Z

        check              found                                        expected
      ✓ credentials        one                                          one bearer token
      ✓ structure          386 bytes                                    at most 16384 bytes
      ✓ issuer choice      "https://as.example.com"                     one of ["https://as.example.com"]
      ✓ algorithm          ES256                                        one of [RS256, RS384, RS512, PS256, PS384, PS512, ES…
      ✓ key                kid "key-1"                                  a key of https://as.example.com for ES256
      ✓ signature          a signature for ES256                        a signature by the key
      ✓ claims             179 bytes                                    one JSON object
      ✓ token type         typ at+jwt                                   typ at+jwt, JWT or absent
      ✓ sender constraint  no `cnf`                                     no `cnf`
      ✓ issuer             "https://as.example.com"                     "https://as.example.com"
      ✓ audience           ["https://api.example.com"]                  one of ["https://api.example.com"]
      ✓ expiry             1800000300 (2027-01-15T08:05:00Z, in 5 min)  after 2027-01-15T08:00:00Z, less 30 s of leeway
      ✓ not before         absent                                       not after 2027-01-15T08:00:00Z, plus 30 s of leeway
      ✓ issued at          1800000000 (2027-01-15T08:00:00Z, now)       not after 2027-01-15T08:00:00Z, plus 30 s of leeway
      ✓ required claims    sub, client_id, iat, jti                     none
      ✓ scope              "read:leads"                                 all of ["read:leads"]

      The layer's answer
        none: the request reaches the handler
    "#);
}

#[test]
fn a_refused_token_is_explained() {
    let output = check_fixed(&[], &token().claim("aud", "https://api.example.com/").sign());
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), String::new()));
    insta::assert_snapshot!(stdout(&output), @r#"
    ✗ line 1: refused, audience_mismatch  as of 2027-01-15T08:00:00Z
      `aud` has none of the configured audiences

        check              found                                        expected
      ✓ credentials        one                                          one bearer token
      ✓ structure          387 bytes                                    at most 16384 bytes
      ✓ issuer choice      "https://as.example.com"                     one of ["https://as.example.com"]
      ✓ algorithm          ES256                                        one of [RS256, RS384, RS512, PS256, PS384, PS512, ES…
      ✓ key                kid "key-1"                                  a key of https://as.example.com for ES256
      ✓ signature          a signature for ES256                        a signature by the key
      ✓ claims             180 bytes                                    one JSON object
      ✓ token type         typ at+jwt                                   typ at+jwt, JWT or absent
      ✓ sender constraint  no `cnf`                                     no `cnf`
      ✓ issuer             "https://as.example.com"                     "https://as.example.com"
      ✗ audience           ["https://api.example.com/"]                 one of ["https://api.example.com"]
      · expiry             1800000300 (2027-01-15T08:05:00Z, in 5 min)  unverified
      · not before         absent                                       unverified
      · issued at          1800000000 (2027-01-15T08:00:00Z, now)       unverified
      · required claims    —                                            unverified

      The layer's answer
        401  WWW-Authenticate: Bearer realm="https://api.example.com", error="invalid_token", error_description="the token is for another audience"

      What to do
        aud is "https://api.example.com/": a trailing slash away from yours, "https://api.example.com".
        Make the API's audience and the issuer's the same.
    "#);
}

#[test]
fn what_stands_after_a_bad_signature_is_unverified() {
    let output = check_fixed(
        &["--show-claims"],
        &token().claim("iat", 1_799_992_500).claim("exp", 1_799_992_800).sign_defective(Defect::TamperedSignature),
    );
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stdout(&output), @r#"
    ✗ line 1: refused, bad_signature  as of 2027-01-15T08:00:00Z
      the signature does not verify with the issuer's key

        check              found                                             expected
      ✓ credentials        one                                               one bearer token
      ✓ structure          386 bytes                                         at most 16384 bytes
      ✓ issuer choice      "https://as.example.com"                          one of ["https://as.example.com"]
      ✓ algorithm          ES256                                             one of [RS256, RS384, RS512, PS256, PS384, PS512, ES…
      ✓ key                kid "key-1"                                       a key of https://as.example.com for ES256
      ✗ signature          a signature for ES256                             a signature by the key
      · claims             —                                                 unverified
      · token type         "at+jwt"                                          unverified
      · sender constraint  no `cnf`                                          unverified
      · issuer             "https://as.example.com"                          unverified
      · audience           "https://api.example.com"                         unverified
      · expiry             1799992800 (2027-01-15T06:00:00Z, 2 h ago)        unverified
      · not before         absent                                            unverified
      · issued at          1799992500 (2027-01-15T05:55:00Z, 2 h 5 min ago)  unverified
      · required claims    —                                                 unverified

      The layer's answer
        401  WWW-Authenticate: Bearer realm="https://api.example.com", error="invalid_token", error_description="the signature is wrong"

      What to do
        Header, claims or signature are not as they were signed: changed on the way, forged, or the
        issuer has put a new key under an old `kid`.
        By its own word it has expired as well, 2 h ago.

      Header, unverified: anybody may have written them
        {
          "alg": "ES256",
          "kid": "key-1",
          "typ": "at+jwt"
        }

      Claims, unverified: anybody may have written them
        {
          "aud": "https://api.example.com",
          "client_id": "test-client",
          "exp": 1799992800,
          "iat": 1799992500,
          "iss": "https://as.example.com",
          "jti": "0001",
          "scope": "read:leads",
          "sub": "test-subject"
        }
    "#);
}

#[test]
fn json_has_a_stable_shape() {
    let mut explained = explain(&[], &token().claim("iat", 1_799_992_500).claim("exp", 1_799_992_800).sign());
    let checks = explained["checks"].as_array_mut().unwrap();
    assert_eq!(checks.drain(..11).filter(|check| check["result"] == "passed").count(), 11);
    insta::assert_snapshot!(format!("{explained:#}"), @r#"
    {
      "accepted": false,
      "advice": [
        "Expired 2 h ago. It was good for 5 min. The client has to get a new one, in time."
      ],
      "answers": {
        "default": {
          "retry_after": null,
          "status": 401,
          "www_authenticate": "Bearer realm=\"https://api.example.com\", error=\"invalid_token\", error_description=\"the token has expired\""
        },
        "rfc6750": {
          "retry_after": null,
          "status": 401,
          "www_authenticate": "Bearer realm=\"https://api.example.com\", error=\"invalid_token\", error_description=\"the token has expired\""
        }
      },
      "checks": [
        {
          "check": "expiry",
          "expected": "after 2027-01-15T08:00:00Z, less 30 s of leeway",
          "found": "1799992800 (2027-01-15T06:00:00Z, 2 h ago)",
          "result": "failed"
        },
        {
          "check": "not_before",
          "found": "absent",
          "result": "unverified"
        },
        {
          "check": "issued_at",
          "found": "1799992500 (2027-01-15T05:55:00Z, 2 h 5 min ago)",
          "result": "unverified"
        },
        {
          "check": "required_claims",
          "result": "unverified"
        }
      ],
      "error": "the token has expired",
      "judged_at": "2027-01-15T08:00:00Z",
      "line": 1,
      "notes": [],
      "reason": "expired"
    }
    "#);
}

#[test]
fn advice_names_the_difference() {
    let slash = r#"aud is "https://api.example.com/": a trailing slash away from yours"#;
    assert_advised(&[], &token().claim("aud", "https://api.example.com/").sign(), "audience_mismatch", slash);
    let slash = r#"iss is "https://as.example.com/": a trailing slash away from yours"#;
    assert_advised(&[], &token().claim("iss", "https://as.example.com/").sign(), "issuer_mismatch", slash);
    let scheme = "another scheme than yours";
    assert_advised(&[], &token().claim("iss", "http://as.example.com").sign(), "issuer_mismatch", scheme);
    let case = "upper and lower case";
    assert_advised(&[], &token().claim("iss", "https://AS.example.com").sign(), "issuer_mismatch", case);
    let other = r#"iss is "https://other.example.net", another issuer"#;
    assert_advised(&[], &token().claim("iss", "https://other.example.net").sign(), "issuer_mismatch", other);
    let rotated = r#"Signed with kid "key-0", the set has "key-1": rotated"#;
    assert_advised(&[], &token().header("kid", "key-0").sign(), "no_matching_key", rotated);
    let client = token().claim("aud", "app").claim("azp", "app").sign();
    assert_advised(&[], &client, "audience_mismatch", "aud is the client itself");
    let needs = r#"It needs "read:leads write:leads" and has "read:leads" in `scope`; missing: "write:leads""#;
    assert_advised(&["--scope", "read:leads", "--scope", "write:leads"], &token().sign(), "insufficient_scope", needs);
    let strict = ["--require-at-jwt"];
    assert_advised(&strict, &token().header("typ", "JWT").sign(), "token_type", "Strict RFC 9068 is on");
    assert_advised(&[], &token().without_claim("aud").sign(), "claim_missing", "It has client_id");
    assert_advised(&[], &token().claim("exp", "soon").sign(), "claim_type", "`exp` is a text");
    for (name, time, advice) in [
        ("exp", json!(1_800_000_300_000_u64), "`exp` is in milliseconds, by its size: have the issuer write seconds"),
        ("nbf", json!(1_800_000_000_000.5), "`nbf` is in milliseconds"),
        ("iat", json!(1_800_000_000_000_000_u64), "`iat` is in microseconds"),
        ("exp", json!(1_800_000_300_000_000_000_u64), "`exp` is in nanoseconds"),
        ("exp", json!(-1), "`exp` is negative"),
        ("exp", json!(253_402_300_800_u64), "`exp` is after the year 9999"),
    ] {
        assert_advised(&[], &token().claim(name, time).sign(), "claim_invalid", advice);
    }
    assert_advised(&[], &token().sign_defective(Defect::AlgNone), "algorithm_not_allowed", "not signed");
    assert_advised(&[], &token().sign_defective(Defect::IdToken), "not_an_access_token", "an ID token");
    assert_advised(&[], &token().claim("cnf", json!({"jkt": "k"})).sign(), "sender_constrained", "DPoP");
    assert_advised(&[], "4f1g0p", "opaque_token", "not a JWT but a reference");
    assert_advised(&[], "{\"access_token\":\"eyJ.e.s\"}", "token_illegal_characters", "jq -r .access_token");
}

#[test]
fn time_decides_as_of_at() {
    let token = token().sign();
    let at = |at| explain(&["--at", at], &token);
    assert_eq!(at("1800000329")["accepted"], true);
    let expired = at("2027-01-15T10:05:00Z");
    assert_eq!(expired["reason"], "expired");
    assert!(expired["advice"][0].as_str().unwrap().starts_with("Expired 2 h ago. It was good for 5 min."), "{expired}");
    let early = at("1799999000");
    assert_eq!(early["reason"], "issued_in_future");
    assert!(early["advice"][0].as_str().unwrap().contains("in 16 min 40 s"), "{early}");
    assert_eq!(explain(&["--at", "1800000360", "--leeway", "90"], &token)["accepted"], true);
}

#[test]
fn settings_of_the_api_change_the_answer_as_there() {
    let reason = |more: &[&str], token: &str| explain(more, token)["reason"].clone();
    let cognito = token().without_claim("aud").claim("client_id", AUDIENCE).sign();
    assert_eq!(reason(&["--audience-claim", "client_id"], &cognito), Value::Null);
    let nonce = token().claim("nonce", "n").sign();
    assert_eq!([reason(&[], &nonce), reason(&["--allow-nonce"], &nonce)], [json!("not_an_access_token"), Value::Null]);
    assert_eq!(reason(&["--algorithm", "ES256"], &token().header("alg", "RS256").sign()), "algorithm_not_allowed");
    assert_eq!(reason(&["--max-token-age", "60"], &token().claim("iat", 1_799_999_000).sign()), "too_old");
    assert_eq!(reason(&["--max-token-bytes", "100"], &token().sign()), "token_too_large");
    let bound = token().claim("cnf", json!({"jkt": "k"})).sign();
    assert_eq!(reason(&["--dangerously-accept-sender-constrained"], &bound), Value::Null);
    let permissions = token().claim("permissions", ["write:leads"]).without_claim("scope").sign();
    let more = ["--scope", "write:leads", "--scope-claim", "permissions"];
    assert_eq!(
        [reason(&more[..2], &permissions), reason(&more, &permissions)],
        [json!("insufficient_scope"), Value::Null]
    );
    let realm = explain(&["--realm", "leads"], "opaque")["answers"]["default"]["www_authenticate"].to_string();
    assert!(realm.contains("leads"), "{realm}");
}

#[test]
fn claims_are_shown_only_when_asked_for_and_cannot_attack_the_terminal() {
    let hostile = "\u{1b}[2J\u{9b}31m\u{202e}evil\u{200b}\r\n\u{7f}";
    let token = token()
        .subject("alice@example.com")
        .claim(hostile, hostile)
        .claim("aud", hostile)
        .header("kid", hostile)
        .header("typ", hostile)
        .sign();
    let is_clean =
        |text: &str| text.chars().all(|it| it == '\n' || (!it.is_control() && !"\u{202e}\u{200b}".contains(it)));
    for format in [&[][..], &["--json"]] {
        let told = stdout(&check_fixed(format, &token));
        assert!(!told.contains("alice") && is_clean(&told), "{told}");
        let told = stdout(&check_fixed(&[format, &["--show-claims"]].concat(), &token));
        assert!(told.contains("alice@example.com") && told.contains(r"\u202eevil") && is_clean(&told), "{told}");
    }
    let verified = explain(&["--show-claims"], &self::token().subject(hostile).sign());
    assert_eq!(
        (&verified["contents"]["verified"], &verified["contents"]["claims"]["sub"]),
        (&json!(true), &json!(hostile))
    );
    let forged = explain(&["--show-claims"], &self::token().sign_defective(Defect::TamperedPayload));
    assert_eq!(forged["contents"]["verified"], false);
}
