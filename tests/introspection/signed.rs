//! Signed answers (RFC 9701).

use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Introspection, ResourceServer};
use tower_bearer_test::{Defect, SigningKey, TokenBuilder};

use crate::endpoint::*;
use crate::fixtures::{ISSUER as SIGNING, NOW, builder, issuer_with, reason};

const TYPE: &str = "application/token-introspection+jwt";

fn server(endpoint: &Endpoint, introspection: Introspection) -> ResourceServer {
    let issuer = issuer_with(Algorithm::RS256).trusted().introspection(introspection);
    endpoint.builder().issuer(issuer).build().unwrap()
}

fn said() -> Value {
    let mut said = good();
    said["iss"] = json!(SIGNING);
    said
}

/// A good answer, to be spoiled.
fn answer() -> TokenBuilder {
    let answer = issuer_with(Algorithm::RS256).token().audience("api");
    answer.header("typ", "token-introspection+jwt").claim("token_introspection", said()).claim("iat", NOW.as_secs())
}

fn sent(jwt: String) -> Answer {
    Answer::Full(200, vec![("content-type", TYPE)], jwt)
}

#[tokio::test]
async fn n04_a_signed_answer_is_asked_for_and_accepted() {
    let endpoint = Endpoint::start().await;
    endpoint.answer(sent(answer().sign()));
    let token = server(&endpoint, endpoint.introspection().signed_answers()).validate("a").await.unwrap();
    assert_eq!((token.issuer(), token.subject()), (SIGNING, Some("alice")));
    assert_eq!(endpoint.requests()[0].headers["accept"], TYPE);
    assert_eq!(token.claim(&["active"]), Some(json!(true)), "the claims are those of the answer");
}

#[tokio::test]
async fn n04_a_signed_answer_that_is_not_from_the_issuer_or_not_for_us_is_503() {
    let endpoint = Endpoint::start().await;
    let server = || server(&endpoint, endpoint.introspection().signed_answers());
    let stranger = SigningKey::generate(Algorithm::RS256).unwrap();
    let bad = |answer: TokenBuilder| sent(answer.sign());
    for (name, answered) in [
        ("plain JSON", Answer::with(json!({ "iss": SIGNING }))),
        ("plain JSON, inactive", Answer::inactive()),
        ("JSON of the type", sent(said().to_string())),
        ("JWT of another type", Answer::Full(200, vec![("content-type", "application/jwt")], answer().sign())),
        ("typ JWT", bad(answer().header("typ", "JWT"))),
        ("typ at+jwt", bad(answer().header("typ", "at+jwt"))),
        ("an access token", sent(crate::fixtures::token().sign())),
        ("another issuer", bad(answer().claim("iss", "https://other.example.com"))),
        ("another recipient", bad(answer().audience("other").claim("aud", "other"))),
        ("no recipient", bad(answer().claim("aud", Value::Null))),
        ("no time", bad(answer().claim("iat", Value::Null))),
        ("the future", bad(answer().claim("iat", NOW.as_secs() + 31))),
        ("the past: the answer to an earlier question", bad(answer().claim("iat", NOW.as_secs() - 31))),
        ("no answer", bad(answer().claim("token_introspection", Value::Null))),
        ("a string for an answer", bad(answer().claim("token_introspection", said().to_string()))),
        ("a stranger's key", bad(answer().key(&stranger))),
        ("a wrong signature", sent(answer().sign_defective(Defect::TamperedSignature))),
        ("changed claims", sent(answer().sign_defective(Defect::TamperedPayload))),
        ("no signature", sent(answer().sign_defective(Defect::AlgNone))),
        ("an unknown key", sent(answer().sign_defective(Defect::UnknownKid))),
    ] {
        endpoint.answer(answered);
        assert_eq!(response(&server(), "a").await, (503, Some(1), "introspection_unavailable"), "{name}");
    }
}

#[tokio::test]
async fn n04_what_a_signed_answer_says_is_checked_like_any_other() {
    let endpoint = Endpoint::start().await;
    for (changes, expected) in [
        (json!({ "active": false }), "token_inactive"),
        (json!({ "active": "true" }), "token_inactive"),
        (json!({ "aud": "https://other.example.com" }), "audience_mismatch"),
        (json!({ "iss": "https://other.example.com" }), "issuer_mismatch"),
        (json!({ "iss": null }), "accepted"),
    ] {
        let mut said = said();
        said.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        endpoint.answer(sent(answer().claim("token_introspection", said).sign()));
        let server = server(&endpoint, endpoint.introspection().signed_answers());
        assert_eq!(reason(&server, "a").await, expected, "{changes}");
    }
}

#[tokio::test]
async fn n04_an_answer_may_be_for_another_name_of_ours() {
    let endpoint = Endpoint::start().await;
    let named = || endpoint.introspection().signed_answers_for("urn:leads").signed_answers_for("urn:api");
    for (audience, expected) in [
        (json!("urn:api"), "accepted"),
        (json!(["x", "urn:leads"]), "accepted"),
        (json!("api"), "introspection_unavailable"),
    ] {
        endpoint.answer(sent(answer().claim("aud", audience).sign()));
        assert_eq!(reason(&server(&endpoint, named()), "a").await, expected);
    }
}

/// A signed answer is not an access token, no matter who sends it to us.
#[tokio::test]
async fn n04_an_answer_is_not_accepted_as_a_token() {
    let server = builder().issuer(issuer_with(Algorithm::RS256).trusted()).build().unwrap();
    assert_eq!(reason(&server, &answer().audience(crate::fixtures::AUDIENCE).sign()).await, "token_type");
}
