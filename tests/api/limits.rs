//! The limits of header and claims (C07, C08, C12, D01, R55): each at its boundary, and the text of the refusal.

use tower_bearer::jose::Algorithm;
use tower_bearer::{ClaimFault, JsonFault, MalformedFault, TokenError};
use tower_bearer_test::TestIssuer;

use crate::support::*;

const GUIDE: &str = include_str!("../../src/guide/tokens.md");

/// Valid claims with these members added.
fn claims_with(members: &str) -> String {
    sign_raw(object(&header_members()), format!("{{{},{members}}}", claim_members()))
}

/// Valid claims with one of them replaced by this text.
fn claims_with_instead(name: &str, text: &str) -> String {
    let members = claim_members();
    let others = members.split(',').filter(|member| !member.starts_with(&format!("\"{name}\":")));
    let others = others.collect::<Vec<_>>().join(",");
    sign_raw(object(&header_members()), format!("{{{others},\"{name}\":{text}}}"))
}

fn header_with(members: &str) -> String {
    sign_raw(format!("{{{},{members}}}", header_members()), object(&claim_members()))
}

/// Arrays in an object, this many levels in total.
fn nested(levels: usize) -> String {
    format!("\"a\":{}{}", "[".repeat(levels - 1), "]".repeat(levels - 1))
}

fn members(count: usize) -> String {
    (0..count).map(|n| format!("\"m{n}\":1")).collect::<Vec<_>>().join(",")
}

/// Each refusal names the limit in its texts, and no other cause.
async fn refused(token: &str, expected: TokenError, [reason, description, text]: [&str; 3]) {
    let server = server();
    let error = server.validate(token).await.expect_err(text);
    assert_eq!(error, expected);
    assert_eq!((error.reason(), error.error_description(), &*error.to_string()), (reason, description, text));
    assert!(GUIDE.contains(&format!("`{reason}`")), "the guide lists {reason}");
    let answer = ask_with_token(&server, token).await;
    assert_eq!(auth_param(answer.challenge(), "error_description"), Some(description));
}

async fn accepted(token: &str) {
    assert_eq!(reason(&server(), token).await, "accepted");
}

#[tokio::test]
async fn d01_r55_a_time_in_another_unit_is_told_to_be_no_seconds() {
    for name in ["exp", "nbf", "iat"] {
        let expected = TokenError::Claim { name: name.into(), fault: ClaimFault::TimeOutOfRange };
        let text = format!(
            "the claim `{name}` is not in seconds since 1970, from 0 to the end of the year 9999 (253402300799)"
        );
        let told = ["claim_invalid", "a time in the token is not in seconds since 1970", &text];
        for time in ["1800000300000", "1.8000003e12", "1800000300000000", "1800000300000000000", "-1", "253402300800"] {
            refused(&claims_with_instead(name, time), expected.clone(), told).await;
        }
    }
    accepted(&claims_with_instead("exp", "253402300799")).await;
    // A wrong type is reported first, and invalid JSON before both.
    let both = claims_with_instead("exp", "1800000300000,\"nbf\":\"0\"");
    assert_eq!(reason(&server(), &both).await, "claim_type");
    assert_eq!(reason(&server(), &claims_with_instead("exp", "1800000300000,\"nbf\":01")).await, "claims_json");
}

#[tokio::test]
async fn c07_a_number_beyond_a_double_is_told_to_be_that() {
    let claims = [
        "claims_json",
        "the claims have a number beyond the range of a double",
        "the claims have a number beyond the range of a double",
    ];
    let header = [
        "header_json",
        "the token header has a number beyond the range of a double",
        "the header parameters have a number beyond the range of a double",
    ];
    let nines = "9".repeat(400);
    for number in ["1e400", "-1e400", "1.0E+309", &nines] {
        for member in [format!("\"x\":{number}"), format!("\"x\":{{\"y\":[1,{number}]}}")] {
            refused(&claims_with(&member), TokenError::Claims(JsonFault::NumberOutOfRange), claims).await;
            let fault = MalformedFault::Header(JsonFault::NumberOutOfRange);
            refused(&header_with(&member), TokenError::Malformed(fault), header).await;
        }
        refused(&claims_with_instead("exp", number), TokenError::Claims(JsonFault::NumberOutOfRange), claims).await;
    }
    for number in ["1e308", "-1.7976931348623157e308", "1e-400", "123456789012345678901234567890"] {
        accepted(&claims_with(&format!("\"x\":{number}"))).await;
        accepted(&header_with(&format!("\"x\":{number}"))).await;
    }
    assert_eq!(refusal(&server(), &claims_with("\"x\":01e400")).await, Some(TokenError::Claims(JsonFault::Invalid)));
}

#[tokio::test]
async fn c07_a_lone_surrogate_is_told_to_be_that() {
    let claims = [
        "claims_json",
        "the claims have a string that is not Unicode",
        "the claims have a string with a lone surrogate, which is not Unicode",
    ];
    let header = [
        "header_json",
        "the token header has a string that is not Unicode",
        "the header parameters have a string with a lone surrogate, which is not Unicode",
    ];
    for string in [r"\ud800", r"a\uDFFFb", r"\udc00\ud800", r"\ud83d\ude00\ud83d", r"\\\ud800"] {
        for member in [format!("\"x\":\"{string}\""), format!("\"{string}\":1"), format!("\"x\":[{{\"{string}\":1}}]")]
        {
            refused(&claims_with(&member), TokenError::Claims(JsonFault::LoneSurrogate), claims).await;
            let fault = MalformedFault::Header(JsonFault::LoneSurrogate);
            refused(&header_with(&member), TokenError::Malformed(fault), header).await;
        }
        let subject = claims_with_instead("sub", &format!("\"{string}\""));
        refused(&subject, TokenError::Claims(JsonFault::LoneSurrogate), claims).await;
    }
    for string in [r"\ud83d\ude00", r"\\ud800", r"\u0000"] {
        accepted(&claims_with(&format!("\"x\":\"{string}\""))).await;
        accepted(&header_with(&format!("\"x\":\"{string}\""))).await;
    }
    let broken = refusal(&server(), &claims_with(r#""x":"\ud800\x""#)).await;
    assert_eq!(broken, Some(TokenError::Claims(JsonFault::Invalid)));
}

#[tokio::test]
async fn c08_c12_depth_and_members_are_told_at_their_limits() {
    let header = |fault| TokenError::Malformed(MalformedFault::Header(fault));
    let deep = ["claims_json", "the claims are nested too deep", "the claims are nested too deep"];
    refused(&claims_with(&nested(33)), TokenError::Claims(JsonFault::TooDeep), deep).await;
    let deep = ["header_json", "the token header is nested too deep", "the header parameters are nested too deep"];
    refused(&header_with(&nested(33)), header(JsonFault::TooDeep), deep).await;
    accepted(&claims_with(&nested(32))).await;
    accepted(&header_with(&nested(32))).await;

    let many = ["claims_json", "the claims have too many members", "the claims have too many members"];
    let own = claim_members().split(',').count();
    for members in [members(1025 - own), format!("\"x\":{{{}}}", members(1025))] {
        refused(&claims_with(&members), TokenError::Claims(JsonFault::TooManyMembers), many).await;
    }
    accepted(&claims_with(&members(1024 - own))).await;
    let many =
        ["header_json", "the token header has too many parameters", "the header parameters have too many members"];
    refused(&header_with(&members(30)), header(JsonFault::TooManyMembers), many).await;
    accepted(&header_with(&members(29))).await;
}

#[tokio::test]
async fn d09_an_identifier_beyond_its_limit_is_told_to_be_that() {
    for name in ["sub", "client_id", "jti"] {
        let expected = TokenError::Claim { name: name.into(), fault: ClaimFault::Invalid };
        let text = format!("the claim `{name}` is empty, longer than 1,024 bytes, or has control characters");
        let told = ["claim_invalid", "a claim is empty, too long, or has control characters", &text];
        for value in ["", &"x".repeat(1025), &"\u{e9}".repeat(513), "a\u{7f}", "\u{85}"] {
            refused(&token().claim(name, value).sign(), expected.clone(), told).await;
        }
        for value in ["x".repeat(1024), "\u{e9}".repeat(512)] {
            accepted(&token().claim(name, value).sign()).await;
        }
    }
}

#[tokio::test]
async fn d06_each_claim_that_marks_another_token_is_named_and_listed() {
    for (name, value) in
        [("nonce", "n"), ("at_hash", "h"), ("c_hash", "h"), ("events", "e"), ("token_use", "id"), ("typ", "ID")]
    {
        let expected = TokenError::NotAnAccessToken(name);
        let text = format!("the claim `{name}` shows that this is not an access token");
        let told = ["not_an_access_token", "the token is not an access token", &text];
        refused(&token().claim(name, value).sign(), expected, told).await;
        let rows = GUIDE.split("# Claims of other tokens").nth(1).unwrap().split("\n# ").next().unwrap();
        assert!(rows.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`"))), "{name}");
    }
}

/// The reason is the same where `iss` is read before the signature: to choose among several issuers, and for an unknown
/// `kid`.
#[tokio::test]
async fn d05_c07_claims_that_cannot_be_read_are_told_to_be_that_before_the_signature_too() {
    let several = builder().issuer(issuer().trusted());
    let several =
        several.issuer(TestIssuer::with_algorithm("https://other.example.com", Algorithm::EdDSA).unwrap().trusted());
    let several = several.build().unwrap();
    let one = server();
    let unknown_kid = header_members().replace("\"kid\":\"", "\"kid\":\"x");
    for (claims, expected) in [
        (format!("{{{},\"x\":1e400}}", claim_members()), "claims_json"),
        (format!("{{{},\"x\":\"\\ud800\"}}", claim_members()), "claims_json"),
        (format!("{{{},{}}}", claim_members(), nested(40)), "claims_json"),
        (format!("{{{},\"iss\":\"https://as.example.com\"}}", claim_members()), "claims_duplicate"),
        (format!("{{{}}}", claim_members()).replace("\"iss\":\"https://as.example.com\"", "\"iss\":7"), "claim_type"),
        (
            format!("{{{}}}", claim_members())
                .replace("\"iss\":\"https://as.example.com\"", "\"iss\":[\"https://as.example.com\"]"),
            "claim_type",
        ),
        (format!("{{{}}}", claim_members()).replace("\"iss\":", "\"other\":"), "claim_missing"),
    ] {
        for header in [header_members(), unknown_kid.clone()] {
            let token = sign_raw(object(&header), claims.clone());
            for server in [&one, &several] {
                assert_eq!(reason(server, &token).await, expected, "{header} {claims}");
            }
        }
    }
}
