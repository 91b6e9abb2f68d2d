//! R08 to R19: challenges and error codes (RFC 6750 §3), under `StatusPolicy::rfc6750()`.

use std::time::Duration;

use http::Request;
use serde_json::json;
use tower::{Layer, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, KeyPolicy, RefusalKind, RequireScopes, ResourceServer, StatusPolicy};
use tower_bearer_test::{Defect, SigningKey, TestIssuer};

use crate::support::*;

/// One answer of every kind that has a challenge, named.
async fn refusals() -> Vec<(&'static str, Answer)> {
    let server = rfc6750_server();
    let layer = server.layer();
    let bearer = format!("Bearer {}", token().sign());
    let mut answers = vec![
        ("no header", ask(&layer, Request::get("/")).await),
        ("other scheme", ask_with(&server, b"Basic YTpi").await),
        ("bare token", ask_with(&server, token().sign().as_bytes()).await),
        ("empty token", ask_with(&server, b"Bearer ").await),
        ("illegal characters", ask_with(&server, b"Bearer a b").await),
        ("two tokens", ask_with(&server, format!("{bearer}, {bearer}").as_bytes()).await),
        ("opaque", ask_with(&server, b"Bearer abc").await),
        ("five parts", ask_with(&server, b"Bearer a.b.c.d.e").await),
        ("scope", ask_scope(&server, &bearer).await),
    ];
    for defect in Defect::ALL {
        answers.push((defect.name(), ask_with_token(&server, &token().sign_defective(*defect)).await));
    }
    answers
}

/// A route that needs the scopes `write:leads` and `admin`.
async fn ask_scope(server: &ResourceServer, authorization: &str) -> Answer {
    let service = server.layer().layer(RequireScopes::all(["write:leads", "admin"]).layer(service_fn(ok)));
    ask_service(service, Request::get("/leads").header("authorization", authorization)).await
}

#[tokio::test]
async fn r08_a_401_has_a_challenge() {
    let answer = ask(&rfc6750_server().layer(), Request::get("/leads")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.challenge(), "Bearer realm=\"https://api.example.com\"");
    for (name, answer) in refusals().await {
        assert!(matches!(answer.status.as_u16(), 400 | 401 | 403), "{name}");
        assert!(answer.header("www-authenticate").is_some(), "{name}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
    }
}

#[tokio::test]
async fn r08_a_401_has_a_challenge_whatever_row_was_set_to_it() {
    let policy = StatusPolicy::default().with(RefusalKind::Unavailable, http::StatusCode::UNAUTHORIZED).unwrap();
    let server = builder().issuer(issuer().trusted()).clock(stopped_clock()).status_policy(policy).build().unwrap();
    let answer = ask_with_token(&server, &token().sign()).await;
    assert_eq!((answer.status.as_u16(), answer.reason()), (401, "clock_unavailable"));
    assert_eq!(auth_params(answer.challenge()), [("realm", AUDIENCE)]);
    // Five seconds, and up to a tenth of jitter.
    assert!(matches!(answer.header("retry-after"), Some("5" | "6")), "{:?}", answer.header("retry-after"));
}

#[tokio::test]
async fn r09_the_scheme_is_bearer_and_a_parameter_is_always_there() {
    for (name, answer) in refusals().await {
        // The parser insists on the scheme and on one parameter at least.
        assert_eq!(auth_params(answer.challenge()).first(), Some(&("realm", AUDIENCE)), "{name}");
    }
    let named = builder().issuer(issuer().trusted()).realm("leads v2").build().unwrap();
    let answer = ask(&named.layer(), Request::get("/")).await;
    assert_eq!(auth_param(answer.challenge(), "realm"), Some("leads v2"));
}

#[tokio::test]
async fn r10_no_error_information_when_no_authentication_was_sent() {
    for (name, answer) in refusals().await {
        let names: Vec<_> = auth_params(answer.challenge()).into_iter().map(|(name, _)| name).collect();
        if matches!(name, "no header" | "other scheme") {
            assert_eq!(answer.status, 401, "{name}");
            assert_eq!(names, ["realm"], "{name}");
            assert_eq!(answer.body, "", "{name}");
            assert_eq!(answer.header("content-type"), None, "{name}");
        } else {
            assert!(names.contains(&"error"), "{name}");
        }
    }
}

#[tokio::test]
async fn r11_a_token_that_was_refused_is_told_so() {
    for defect in Defect::ALL {
        let answer = ask_with_token(&rfc6750_server(), &token().sign_defective(*defect)).await;
        assert_eq!(auth_param(answer.challenge(), "error"), Some("invalid_token"), "{defect}");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let description = auth_param(answer.challenge(), "error_description").unwrap();
        assert_eq!(body, json!({ "error": "invalid_token", "error_description": description }), "{defect}");
    }
}

#[tokio::test]
async fn r12_each_error_code_has_its_status() {
    let mut seen = Vec::new();
    for (name, answer) in refusals().await {
        let Some(code) = auth_param(answer.challenge(), "error") else { continue };
        let expected = match code {
            "invalid_request" => 400,
            "invalid_token" => 401,
            "insufficient_scope" => 403,
            _ => panic!("{name}: unknown code {code}"),
        };
        assert_eq!(answer.status.as_u16(), expected, "{name}");
        seen.push(code.to_owned());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["insufficient_scope", "invalid_request", "invalid_token"]);
    let code = |answer: &Answer| auth_param(answer.challenge(), "error").map(str::to_owned);
    let empty = ask_with(&rfc6750_server(), b"Bearer ").await;
    assert_eq!((empty.status.as_u16(), code(&empty).as_deref()), (400, Some("invalid_request")));
    let expired = ask_with_token(&rfc6750_server(), &token().sign_defective(Defect::Expired)).await;
    assert_eq!((expired.status.as_u16(), code(&expired).as_deref()), (401, Some("invalid_token")));
}

#[tokio::test]
async fn r13_each_parameter_stands_once() {
    for (name, answer) in refusals().await {
        let mut names: Vec<_> = auth_params(answer.challenge()).into_iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{name}");
    }
}

#[tokio::test]
async fn r14_text_from_the_token_never_gets_into_the_answer() {
    const EVIL: &str = "x\", error=\"evil\r\nSet-Cookie: evil=1\\ \u{e9}";
    let server = rfc6750_server();
    let spoil = |name: &str| token().claim(name, EVIL).sign();
    let cases = [
        ("kid", token().header("kid", EVIL).sign(), token().header("kid", "other").sign()),
        ("typ", token().header("typ", EVIL).sign(), token().header("typ", "other").sign()),
        ("alg", token().header("alg", EVIL).sign(), token().header("alg", "other").sign()),
        ("iss", spoil("iss"), token().claim("iss", "https://other.example").sign()),
        ("aud", spoil("aud"), token().claim("aud", "other").sign()),
        ("sub", spoil("sub"), token().claim("sub", "").sign()),
        ("exp", spoil("exp"), token().claim("exp", "other").sign()),
        ("token_use", spoil("token_use"), token().claim("token_use", "id").sign()),
    ];
    for (name, evil, plain) in cases {
        let (evil, plain) = (ask_with_token(&server, &evil).await, ask_with_token(&server, &plain).await);
        assert_eq!(evil.status, 401, "{name}");
        assert_eq!((evil.headers, evil.body), (plain.headers, plain.body), "{name}");
    }
    // Nor does text from the request around the token.
    let quoted = ask_with(&server, b"Bearer a\", error=\"evil").await;
    assert_eq!(quoted.challenge(), ask_with(&server, b"Bearer a b").await.challenge());
}

#[tokio::test]
async fn r14_a_realm_that_cannot_be_quoted_is_refused_at_build() {
    for realm in ["a\"b", "a\\b", "a\r\nb", "\u{e9}", "", "\u{7f}"] {
        let error = builder().issuer(issuer().trusted()).realm(realm).build().unwrap_err();
        assert_eq!(error.setting(), "realm", "{realm:?}");
    }
}

#[tokio::test]
async fn r15_scope_is_a_list_of_scope_tokens() {
    let answer = ask_scope(&rfc6750_server(), &format!("Bearer {}", token().sign())).await;
    let scope = auth_param(answer.challenge(), "scope").unwrap();
    let is_scope_char = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(scope.split(' ').all(|token| !token.is_empty() && token.bytes().all(is_scope_char)), "{scope}");
    for scope in ["a b", "", "a\"b", "a\\b", "\u{e9}", "a\n", "\u{7f}"] {
        assert_eq!(RequireScopes::try_all([scope]).unwrap_err().setting(), "scopes", "{scope:?}");
    }
    for scope in ["!", "#", "[", "]", "~", "https://api.example.com/leads.read"] {
        assert!(RequireScopes::try_any([scope]).is_ok(), "{scope:?}");
    }
}

#[tokio::test]
async fn r16_a_403_names_the_needed_scope() {
    let answer = ask_scope(&rfc6750_server(), &format!("Bearer {}", token().sign())).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.challenge(),
        "Bearer realm=\"https://api.example.com\", error=\"insufficient_scope\", \
         error_description=\"the token lacks a required scope\", scope=\"write:leads admin\""
    );
    let scoped = token().scope("admin write:leads").sign();
    assert_eq!(ask_scope(&rfc6750_server(), &format!("Bearer {scoped}")).await.status, 200);
    for (name, answer) in refusals().await {
        assert_eq!(auth_param(answer.challenge(), "scope").is_some(), name == "scope", "{name}");
    }
}

#[tokio::test]
async fn r17_there_is_no_error_uri() {
    for (name, answer) in refusals().await {
        assert_eq!(auth_param(answer.challenge(), "error_uri"), None, "{name}");
    }
}

fn stopped_clock() -> tower_bearer::time::ManualClock {
    let clock = clock();
    clock.set_wall(None);
    clock
}

fn assert_not_blamed(answer: &Answer, reason: &str) {
    assert_eq!((answer.status.as_u16(), answer.reason()), (503, reason));
    // Five seconds, and up to a tenth of jitter.
    assert!(matches!(answer.header("retry-after"), Some("5" | "6")), "{:?}", answer.header("retry-after"));
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(answer.body, r#"{"error_description":"tokens cannot be checked at the moment"}"#);
}

#[tokio::test]
async fn r18_keys_that_cannot_be_fetched_are_not_the_tokens_fault() {
    let (address, policy) = (closed_address(), KeyPolicy::default().request_wait(Duration::from_secs(60)));
    let by_url = Issuer::new(ISSUER).jwk_set_url(format!("http://{address}/keys")).key_policy(policy.clone());
    assert_not_blamed(&ask_with_token(&server_trusting(by_url), &token().sign()).await, "keys_unavailable");

    let url = format!("http://{address}");
    let token = TestIssuer::with_key(&url, key(Algorithm::RS256)).with_clock(clock()).token().sign();
    let discovered = Issuer::new(url).key_policy(policy);
    assert_not_blamed(&ask_with_token(&server_trusting(discovered), &token).await, "keys_unavailable");
}

#[tokio::test]
async fn r18_what_needs_no_key_is_refused_even_without_keys() {
    let issuer = Issuer::new(ISSUER).jwk_set_url(format!("http://{}/keys", closed_address()));
    let server = server_trusting(issuer);
    for (defect, reason) in [
        (Defect::AlgNone, "algorithm_not_allowed"),
        (Defect::UnknownCrit, "unsupported_header"),
        (Defect::WrongIssuer, "issuer_mismatch"),
    ] {
        assert_eq!(ask_with_token(&server, &token().sign_defective(defect)).await.reason(), reason);
    }
}

#[tokio::test]
async fn r18_a_clock_before_1970_is_not_the_tokens_fault() {
    let server = builder().issuer(issuer().trusted()).clock(stopped_clock()).build().unwrap();
    assert_not_blamed(&ask_with_token(&server, &token().sign()).await, "clock_unavailable");
}

#[tokio::test]
async fn r19_error_texts_and_answers_never_hold_the_token() {
    let server = rfc6750_server();
    let stranger = SigningKey::generate(Algorithm::ES256).unwrap();
    let mut tokens: Vec<_> = Defect::ALL.iter().map(|defect| token().sign_defective(*defect)).collect();
    tokens.extend([
        token().key(&stranger).sign(),
        format!("{}x", token().sign()),
        token().sign().replacen('.', "..", 1),
    ]);
    for token in tokens {
        let answer = ask_with_token(&server, &token).await;
        let error = answer.error.unwrap();
        let told = format!("{error} {error:?} {} {:?} {:?}", error.error_description(), answer.headers, answer.body);
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!told.contains(part), "{told}");
        }
    }
}
