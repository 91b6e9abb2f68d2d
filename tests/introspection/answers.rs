//! What an answer must say.

use std::time::Duration;

use serde_json::json;
use tower_bearer::{Check, Step, StepListener};

use crate::endpoint::*;
use crate::fixtures::{AUDIENCE, NOW, reason};

/// The verdict about a token with this answer, on a server that has not asked before.
async fn verdict(endpoint: &Endpoint, answer: Answer) -> (u16, &'static str) {
    endpoint.answer(answer);
    let (status, retry_after, reason) = response(&endpoint.server(), "4f1g0p").await;
    assert_eq!(retry_after.is_some(), status == 503, "{reason}");
    (status, reason)
}

#[tokio::test]
async fn r84_r86_n01_only_a_token_with_active_true_passes() {
    let endpoint = Endpoint::start().await;
    for active in [json!(false), json!("true"), json!("True"), json!(1), json!(null), json!([true]), json!({})] {
        let answer = Answer::with(json!({ "active": active }));
        assert_eq!(verdict(&endpoint, answer).await, (401, "token_inactive"), "{active}");
    }
    assert_eq!(verdict(&endpoint, Answer::Json(json!({}))).await, (401, "token_inactive"));
    assert_eq!(verdict(&endpoint, Answer::inactive()).await, (401, "token_inactive"));
    assert_eq!(verdict(&endpoint, Answer::Active).await, (200, "accepted"));
}

#[tokio::test]
async fn r86_n05_an_answer_passes_the_rules_of_a_token() {
    let endpoint = Endpoint::start().await;
    let now = NOW.as_secs();
    for (changes, expected) in [
        (json!({ "aud": null }), "claim_missing"),
        (json!({ "aud": "https://other.example.com" }), "audience_mismatch"),
        (json!({ "aud": ["https://other.example.com", AUDIENCE] }), "accepted"),
        (json!({ "aud": [] }), "audience_mismatch"),
        (json!({ "aud": 1 }), "claim_type"),
        (json!({ "iss": "https://other.example.com" }), "issuer_mismatch"),
        (json!({ "iss": format!("{ISSUER}/") }), "issuer_mismatch"),
        (json!({ "iss": null }), "accepted"),
        (json!({ "exp": null }), "claim_missing"),
        (json!({ "exp": now - 30 }), "expired"),
        (json!({ "exp": now - 29 }), "accepted"),
        (json!({ "exp": (now + 60).to_string() }), "claim_type"),
        (json!({ "nbf": now + 31 }), "not_yet_valid"),
        (json!({ "iat": now + 31 }), "issued_in_future"),
        (json!({ "cnf": { "jkt": "x" } }), "sender_constrained"),
        (json!({ "cnf": { "x5t#S256": "x" } }), "sender_constrained"),
        (json!({ "token_type": "DPoP", "cnf": { "jkt": "x" } }), "sender_constrained"),
        (json!({ "token_type": "DPoP" }), "claim_missing"),
        (json!({ "token_type": null }), "accepted"),
        (json!({ "token_type": "bearer" }), "accepted"),
        (json!({ "token_type": "refresh_token" }), "not_an_access_token"),
        (json!({ "token_type": "urn:x" }), "not_an_access_token"),
        (json!({ "token_type": 1 }), "claim_type"),
        (json!({ "token_use": "access_token" }), "accepted"),
        (json!({ "token_use": "access" }), "accepted"),
        (json!({ "token_use": "refresh_token" }), "not_an_access_token"),
        (json!({ "token_use": "id" }), "not_an_access_token"),
        (json!({ "typ": "Bearer" }), "accepted"),
        (json!({ "typ": "Refresh" }), "not_an_access_token"),
        (json!({ "typ": "ID" }), "not_an_access_token"),
        (json!({ "nonce": "n" }), "not_an_access_token"),
        (json!({ "sub": "" }), "claim_invalid"),
        (json!({ "client_id": 7 }), "claim_type"),
    ] {
        let (status, reason) = verdict(&endpoint, Answer::with(changes.clone())).await;
        assert_eq!((status, reason), (if expected == "accepted" { 200 } else { 401 }, expected), "{changes}");
    }
}

#[tokio::test]
async fn n05_null_members_count_as_absent() {
    let endpoint = Endpoint::start().await;
    let nulls = r#""iss":null,"sub":null,"nbf":null,"cnf":null,"token_type":null,"token_use":null,"nonce":null"#;
    let body = format!(r#"{{"active":true,"aud":"{AUDIENCE}","exp":{},{nulls}}}"#, NOW.as_secs() + 60);
    endpoint.answer(Answer::Full(200, vec![("content-type", "application/json; charset=utf-8")], body));
    let token = endpoint.server().validate("4f1g0p").await.unwrap();
    assert_eq!((token.issuer(), token.subject()), (ISSUER, None));
    assert_eq!(token.claim(&["iss"]), Some(json!(ISSUER)));
    assert!(token.claim(&["sub"]).is_none());
}

#[tokio::test]
async fn r86_a_token_says_what_the_answer_says() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(Answer::with(json!({ "realm_access": { "roles": ["admin"] }, "iss": null })));
    let token = endpoint.server().validate("4f1g0p").await.unwrap();
    assert_eq!((token.issuer(), token.subject(), token.client_id()), (ISSUER, Some("alice"), Some("app")));
    assert_eq!(token.expires_at().as_secs(), NOW.as_secs() + 3_600);
    assert!(token.require("read:leads").is_ok() && token.require("write:leads").is_err());
    assert_eq!(token.claim(&["realm_access", "roles"]), Some(json!(["admin"])));
}

/// A scope that is absent permits nothing.
#[tokio::test]
async fn n05_without_a_scope_nothing_is_permitted() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(Answer::with(json!({ "scope": null })));
    let token = endpoint.server().validate("4f1g0p").await.unwrap();
    assert_eq!(token.require("read:leads").unwrap_err().error().reason(), "insufficient_scope");
}

#[tokio::test]
async fn r86_audience_and_expiry_can_be_waived_for_answers_that_lack_them() {
    let endpoint = Endpoint::start().await;
    let issuer = endpoint.issuer().introspection_without_audience().introspection_without_expiry();
    let server = endpoint.builder().issuer(issuer).build().unwrap();
    endpoint.answer(Answer::with(json!({ "aud": null, "exp": null })));
    let token = server.validate("neither").await.unwrap();
    assert_eq!(token.expires_at().as_secs(), NOW.as_secs() + 60, "the time of asking plus the cache time");
    assert_eq!(reason(&server, "neither").await, "accepted");
    assert_eq!(endpoint.calls(), 1);
    endpoint.pass(Duration::from_secs(60));
    assert_eq!(reason(&server, "neither").await, "accepted");
    assert_eq!(endpoint.calls(), 2);
    // What is there must still be right.
    endpoint.answer(Answer::with(json!({ "aud": "https://other.example.com" })));
    assert_eq!(reason(&server, "audience").await, "audience_mismatch");
    endpoint.answer(Answer::with(json!({ "exp": NOW.as_secs() - 31 })));
    assert_eq!(reason(&server, "expiry").await, "expired");
}

/// Which checks were made, and which of them the token passed.
#[derive(Default)]
struct Heard(Vec<(Check, bool, String)>);

impl StepListener for Heard {
    fn step(&mut self, step: Step<'_>) {
        self.0.push((step.check, step.passed, step.found.to_string()));
    }
}

#[tokio::test]
async fn r86_each_check_of_an_answer_is_reported() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    for round in 1..=2 {
        let mut heard = Heard::default();
        assert!(server.validate_explained("4f1g0p", &mut heard).await.is_ok());
        // After the wait, the steps start over.
        let start = heard.0.iter().rposition(|(check, ..)| *check == Check::Structure).unwrap();
        let heard = heard.0.split_off(start);
        let checks: Vec<_> = heard.iter().map(|(check, ..)| *check).collect();
        let without_keys = [Check::Algorithm, Check::Key, Check::Signature];
        let mut expected: Vec<_> = Check::ALL.iter().copied().filter(|check| !without_keys.contains(check)).collect();
        expected.insert(2, Check::Introspection);
        assert_eq!(checks, expected);
        assert!(heard.iter().all(|(_, passed, _)| *passed));
        assert_eq!(heard[2].2, "active");
        assert_eq!(endpoint.calls(), round, "every step is made, so the issuer is asked");
    }
    for (answer, found) in [(Answer::inactive(), "not active"), (Answer::status(500), "no answer")] {
        endpoint.answer(answer);
        let mut heard = Heard::default();
        assert!(server.validate_explained(found, &mut heard).await.is_err());
        let last = heard.0.pop().unwrap();
        assert_eq!(last, (Check::Introspection, false, found.to_owned()));
    }
}

#[tokio::test]
async fn n03_n04_what_is_not_a_json_answer_says_nothing_about_the_token() {
    let endpoint = Endpoint::start().await;
    let json = |body: &str| Answer::Full(200, vec![("content-type", "application/json")], body.to_owned());
    let good = good().to_string();
    let large = format!(r#"{{"active":true,"a":"{}"}}"#, "x".repeat(64 * 1024));
    let deep = format!(r#"{{"active":false,"a":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    for answer in [
        json(""),
        json("null"),
        json("<html>"),
        json(r#"{"active":false"#),
        json(r#"{"active":false,"active":true}"#),
        json(r#"{"active":true,"a":{"b":1,"b":2}}"#),
        json(&deep),
        json(&large),
        Answer::Full(200, vec![("content-type", "text/html")], good.clone()),
        Answer::Full(200, vec![("content-type", "text/plain")], good.clone()),
        Answer::Full(200, vec![("content-type", "application/jsonx")], good.clone()),
        Answer::Full(200, vec![("content-type", "application/token-introspection+jwt")], "e30.e30.AA".to_owned()),
        Answer::Full(200, vec![("content-type", "application/jwt")], good.clone()),
        Answer::Full(200, vec![("content-type", "application/json"), ("content-encoding", "gzip")], good.clone()),
        Answer::Full(200, vec![], good.clone()),
        Answer::Full(201, vec![("content-type", "application/json")], good.clone()),
        Answer::Full(204, vec![("content-type", "application/json")], String::new()),
    ] {
        assert_eq!(verdict(&endpoint, answer).await, (503, "introspection_unavailable"));
    }
}

#[tokio::test]
async fn n03_r18_an_endpoint_that_fails_or_refuses_us_is_503() {
    let endpoint = Endpoint::start().await;
    for status in [400, 401, 403, 404, 405, 408, 410, 429, 500, 501, 502, 503, 504, 599] {
        assert_eq!(verdict(&endpoint, Answer::status(status)).await, (503, "introspection_unavailable"), "{status}");
    }
}
