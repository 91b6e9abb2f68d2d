//! What a health endpoint and the log say.

use serde_json::json;
use tower_bearer::{ClientSecret, ClientSecretBasic, Introspection, IntrospectionState};

use crate::endpoint::*;
use crate::fixtures::reason;
use crate::log;

#[tokio::test]
async fn n03_the_status_says_whether_the_issuer_answers_and_why_not() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    let status = || server.introspections().remove(0);
    assert_eq!((status().state, status().last_error.is_none()), (IntrospectionState::Untried, true));
    assert_eq!(reason(&server, "good").await, "accepted");
    endpoint.answer(Answer::inactive());
    assert_eq!(reason(&server, "bad").await, "token_inactive");
    let found = status();
    assert_eq!((found.issuer.as_str(), found.enabled, found.state), (ISSUER, true, IntrospectionState::Answering));
    assert_eq!((found.seen_tokens, found.refused_tokens, found.calls, found.waiting_requests), (1, 1, 0, 0));

    for (answer, code) in [
        (Answer::status(401), "credentials_refused"),
        (Answer::status(403), "credentials_refused"),
        (Answer::status(500), "status"),
        (Answer::Full(200, vec![("content-type", "text/html")], String::new()), "content_type"),
        // The fifth in a row: calls pause.
        (Answer::Full(200, vec![("content-type", "application/json")], "{".into()), "answer"),
    ] {
        endpoint.answer(answer);
        assert_eq!(reason(&server, &format!("new {code}")).await, "introspection_unavailable");
        let failure = status().last_error.unwrap();
        assert_eq!(failure.reason, code);
        assert_eq!(failure.url.is_some(), code != "answer");
    }
    let found = status();
    assert_eq!(found.state, IntrospectionState::Failing);
    assert!(found.new_tokens_paused.is_some() && found.seen_tokens_paused.is_none());
    let json = serde_json::to_value(server.readiness()).unwrap();
    assert_eq!(json["ready"], json!(true), "an endpoint that is down makes no instance unready");
    assert_eq!((&json["issuers"], &json["introspection"][0]["state"]), (&json!([]), &json!("failing")));
    assert!(json["introspection"][0]["new_tokens_paused_s"].is_number());
    assert_eq!(json["introspection"][0]["last_error"]["reason"], "answer");
    assert!(server.warm_up(std::time::Duration::from_secs(1)).await.is_ok(), "there are no keys to wait for");
}

/// Neither the path of the secret nor header fields of any length.
#[tokio::test]
async fn h12_a_health_report_shows_what_is_public_and_bounded() {
    let endpoint = Endpoint::start().await;
    let client = ClientSecretBasic::new("api", ClientSecret::file("/run/secrets/there-is-none"));
    let server = endpoint.server_with(Introspection::at(&endpoint.url).client(client));
    assert_eq!(reason(&server, "a").await, "introspection_unavailable");
    let failure = server.introspections().remove(0).last_error.unwrap();
    assert_eq!(failure.reason, "client_authentication");
    assert!(!failure.text.contains("there-is-none"), "{}", failure.text);

    let server = endpoint.server();
    endpoint.answer(Answer::Full(200, vec![("content-type", "text/x".repeat(1_000).leak())], String::new()));
    assert_eq!(reason(&server, "a").await, "introspection_unavailable");
    let failure = server.introspections().remove(0).last_error.unwrap();
    assert_eq!(failure.reason, "content_type");
    assert!(failure.text.len() < 400, "{}", failure.text);
}

#[tokio::test]
async fn n03_the_log_names_the_remedy_once_and_the_end_of_an_outage() {
    log::capture();
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answer(Answer::status(401));
    for n in 0..100 {
        assert_eq!(reason(&server, &format!("new {n}")).await, "introspection_unavailable");
    }
    let logged = log::take();
    let warnings: Vec<_> = logged.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 2, "when it begins and when calls pause: {logged}");
    assert!(warnings.iter().all(|line| line.contains("check the client id and secret")), "{logged}");

    endpoint.answer(Answer::Active);
    endpoint.pass(std::time::Duration::from_secs(2));
    assert_eq!(reason(&server, "new").await, "accepted");
    assert_eq!(log::take().lines().filter(|line| line.contains("INFO") && line.contains("responds again")).count(), 1);

    // Anybody can send a token that the endpoint chokes on.
    endpoint.answer(Answer::status(400));
    for n in 0..100 {
        assert_eq!(reason(&server, &format!("bad {n}")).await, "introspection_unavailable");
    }
    assert_eq!(log::take().lines().filter(|line| line.contains("WARN")).count(), 1, "one a minute");
}
