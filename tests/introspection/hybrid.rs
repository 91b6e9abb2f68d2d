//! JWTs that are verified with keys, and introspected as well.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Introspection, Issuer, ResourceServer};
use tower_bearer_test::{Defect, TestIssuer};

use crate::endpoint::*;
use crate::fixtures::{AUDIENCE, ISSUER as SIGNING, issuer_with, reason, token};

const EVERY: Duration = Duration::from_secs(300);

fn signing() -> TestIssuer {
    issuer_with(Algorithm::RS256)
}

fn issuer(endpoint: &Endpoint, change: impl Fn(Introspection) -> Introspection) -> Issuer {
    signing().trusted().introspection(change(endpoint.introspection().introspect_jwts(EVERY)))
}

fn server(endpoint: &Endpoint) -> ResourceServer {
    endpoint.builder().issuer(issuer(endpoint, |it| it)).build().unwrap()
}

/// An answer that says nothing but that the token is active, and this.
fn active(members: Value) -> Answer {
    let mut answer = json!({ "active": true });
    answer.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    Answer::Json(answer)
}

/// A token that lives for a day, with this `jti`.
fn long_lived(id: &str) -> String {
    token().claim("jti", id).expires_in(Duration::from_secs(86_400)).sign()
}

#[tokio::test]
async fn r86_a_jwt_is_asked_about_on_first_use_and_again_every_so_often() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(active(json!({})));
    let server = server(&endpoint);
    let jwt = long_lived("a");
    for _ in 0..3 {
        assert_eq!(reason(&server, &jwt).await, "accepted");
    }
    assert_eq!(endpoint.calls(), 1);
    assert_eq!(endpoint.requests()[0].form[0].1, jwt);
    let held = server.validate(&jwt).await.unwrap();
    assert_eq!((held.issuer(), held.subject(), held.token_id()), (SIGNING, Some("alice"), Some("a")));

    // By monotonic time: the wall clock may be set as it likes.
    endpoint.pass(Duration::from_secs(215));
    assert_eq!(reason(&server, &jwt).await, "accepted");
    assert_eq!(endpoint.calls(), 1);
    endpoint.pass(Duration::from_secs(85));
    endpoint.answer(Answer::inactive());
    assert_eq!(server.revalidate(&held).unwrap_err().reason(), "introspection_unavailable");
    assert_eq!(reason(&server, &jwt).await, "token_inactive");
    assert_eq!(server.revalidate_async(&held).await.unwrap_err().reason(), "token_inactive");
    assert_eq!(endpoint.calls(), 2);
}

#[tokio::test]
async fn n05_a_jwt_that_the_keys_refuse_is_sent_nowhere() {
    let endpoint = Endpoint::start().await;
    let server = server(&endpoint);
    for (jwt, expected) in [
        (token().sign_defective(Defect::TamperedSignature), "bad_signature"),
        (token().sign_defective(Defect::Expired), "expired"),
        (token().sign_defective(Defect::WrongAudience), "audience_mismatch"),
        (token().sign_defective(Defect::AlgNone), "algorithm_not_allowed"),
        (token().sign_defective(Defect::WrongIssuer), "issuer_mismatch"),
    ] {
        assert_eq!(reason(&server, &jwt).await, expected);
    }
    assert_eq!(endpoint.calls(), 0);
}

#[tokio::test]
async fn n05_what_identifies_the_token_is_the_same_in_both_or_nobody_can_tell() {
    let endpoint = Endpoint::start().await;
    let jwt = token().claim("jti", "a").sign();
    let now = crate::fixtures::NOW.as_secs();
    for (members, expected) in [
        (json!({ "iss": SIGNING, "sub": "alice", "client_id": "app", "jti": "a" }), (200, "accepted")),
        (json!({ "iss": null, "sub": null, "client_id": null, "jti": null }), (200, "accepted")),
        (json!({ "iss": "https://other.example.com" }), (503, "introspection_mismatch")),
        (json!({ "sub": "mallory" }), (503, "introspection_mismatch")),
        (json!({ "sub": ["alice"] }), (503, "introspection_mismatch")),
        (json!({ "client_id": "other" }), (503, "introspection_mismatch")),
        (json!({ "jti": "b" }), (503, "introspection_mismatch")),
        (json!({ "jti": 7 }), (503, "introspection_mismatch")),
        // What else the answer says must not contradict the rules.
        (json!({ "aud": AUDIENCE }), (200, "accepted")),
        (json!({ "aud": "https://other.example.com" }), (401, "audience_mismatch")),
        (json!({ "exp": now + 60 }), (200, "accepted")),
        (json!({ "exp": now - 60 }), (401, "expired")),
        (json!({ "nbf": now + 60 }), (401, "not_yet_valid")),
        (json!({ "cnf": { "jkt": "x" } }), (401, "sender_constrained")),
        (json!({ "token_type": "refresh_token" }), (401, "not_an_access_token")),
        (json!({ "token_use": "refresh_token" }), (401, "not_an_access_token")),
        (json!({ "active": "true" }), (401, "token_inactive")),
    ] {
        endpoint.answer(active(members.clone()));
        let (status, _, reason) = response(&server(&endpoint), &jwt).await;
        assert_eq!((status, reason), expected, "{members}");
    }
}

#[tokio::test]
async fn r85_an_answer_about_a_jwt_counts_no_longer_than_it_says() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(active(json!({ "exp": crate::fixtures::NOW.as_secs() + 100 })));
    let (server, jwt) = (server(&endpoint), long_lived("a"));
    assert_eq!(reason(&server, &jwt).await, "accepted");
    endpoint.pass(Duration::from_secs(99));
    assert_eq!(reason(&server, &jwt).await, "accepted");
    assert_eq!(endpoint.calls(), 1);
    endpoint.pass(Duration::from_secs(1));
    assert_eq!(reason(&server, &jwt).await, "accepted", "within the leeway, and it was asked");
    assert_eq!(endpoint.calls(), 2);
    endpoint.pass(Duration::from_secs(30));
    assert_eq!(reason(&server, &jwt).await, "expired");
}

#[tokio::test]
async fn n03_while_nobody_can_tell_a_jwt_is_503_or_stale() {
    let endpoint = Endpoint::start().await;
    let stale = endpoint.builder().issuer(issuer(&endpoint, |it| it.serve_stale(EVERY))).build().unwrap();
    for (server, late) in [(server(&endpoint), "introspection_unavailable"), (stale, "accepted")] {
        endpoint.answer(active(json!({})));
        let jwt = long_lived("a");
        assert_eq!(reason(&server, &jwt).await, "accepted");
        endpoint.answer(Answer::status(500));
        endpoint.pass(EVERY);
        assert_eq!(reason(&server, &jwt).await, late);
        assert_eq!(reason(&server, &long_lived("new")).await, "introspection_unavailable");
        endpoint.pass(EVERY);
        assert_eq!(reason(&server, &jwt).await, "introspection_unavailable");
    }
}

/// The signature alone is not enough when its key is withdrawn, nor is the answer.
#[tokio::test]
async fn k02_both_the_key_and_the_answer_are_checked_again() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(active(json!({})));
    let server = server(&endpoint);
    let held = server.validate(&long_lived("a")).await.unwrap();
    assert!(server.revalidate(&held).is_ok());
    server.remove_issuer(SIGNING);
    assert_eq!(server.revalidate(&held).unwrap_err().reason(), "issuer_disabled");
}

#[tokio::test]
async fn r86_opaque_tokens_of_the_same_issuer_are_asked_about_as_ever() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(Answer::with(json!({ "iss": SIGNING })));
    assert_eq!(reason(&server(&endpoint), "opaque").await, "accepted");
    endpoint.answer(Answer::with(json!({ "iss": SIGNING, "aud": null })));
    assert_eq!(reason(&server(&endpoint), "opaque").await, "claim_missing", "only for a JWT may it be absent");
}
