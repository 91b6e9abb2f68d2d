//! The request log: what was asked, by whom, with what result, and nothing secret.

use serde_json::{Value, json};
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault};

use crate::browser::{refresh, text, tokens, user_builder};
use crate::support::{SECRET, builder, client, get_json, token_request, unauthenticated};

type Seen = (Endpoint, String, Option<u16>, Option<String>, Option<&'static str>);

/// Endpoint, method, status, client and grant type of each request, in order.
fn seen(server: &AuthorizationServer) -> Vec<Seen> {
    let log = server.request_log().into_iter();
    log.map(|record| (record.endpoint, record.method, record.status, record.client_id, record.grant_type)).collect()
}

#[tokio::test]
async fn requests_are_told_with_client_and_result_in_rust_and_over_http() {
    let server = builder().admin().issuer_path("/t").start().await.unwrap();
    let grant = ("grant_type", "client_credentials");
    get_json(server.jwks_uri()).await;
    token_request(&server, &[grant]).send().await.unwrap();
    token_request(&server, &[("grant_type", "canary"), ("scope", "canary")]).send().await.unwrap();
    unauthenticated(&server, &[grant, ("client_id", "app"), ("client_secret", "canary")]).send().await.unwrap();
    server.misbehave(Endpoint::Token, Fault::status(503)).unwrap();
    client().post(format!("{}?secret=canary", server.token_endpoint())).send().await.unwrap();

    let app = || Some("app".to_owned());
    let expected = [
        (Endpoint::JwkSet, "GET".to_owned(), Some(200), None, None),
        (Endpoint::Token, "POST".to_owned(), Some(200), app(), Some(grant.1)),
        (Endpoint::Token, "POST".to_owned(), Some(400), app(), None),
        (Endpoint::Token, "POST".to_owned(), Some(401), None, None),
        (Endpoint::Token, "POST".to_owned(), Some(503), None, None),
    ];
    assert_eq!(seen(&server), expected);
    let log_url = format!("{}/requests/log", server.admin_url().unwrap());
    let log = get_json(&log_url).await;
    assert_eq!(log["requests"].as_array().unwrap().len(), 5);
    let first = json!({ "number": 1, "method": "POST", "path": "/t/token", "endpoint": "token", "status": 200,
                        "client_id": "app", "grant_type": "client_credentials" });
    assert_eq!(log["requests"][1], first);
    let shown = format!("{log} {:?}", server.request_log());
    assert!(!shown.contains("canary") && !shown.contains(SECRET), "{shown}");

    assert_eq!(client().delete(&log_url).send().await.unwrap().status(), 204);
    assert_eq!((server.request_log().len(), server.requests(Endpoint::Token)), (0, 4));
    get_json(server.jwks_uri()).await;
    assert_eq!(server.request_log()[0].number, 5);
    server.clear_request_log();
    assert_eq!(get_json(&log_url).await, json!({ "requests": [] }));
}

#[tokio::test]
async fn a_refresh_is_told_from_other_requests_for_tokens() {
    let server = user_builder().start().await.unwrap();
    let tokens = tokens(&server).await;
    server.clear_request_log();
    refresh(&server, text(&tokens, "refresh_token"), &[]).send().await.unwrap();
    refresh(&server, "no-such", &[]).send().await.unwrap();
    let told: Vec<_> = seen(&server).into_iter().map(|(.., status, _, grant_type)| (status, grant_type)).collect();
    assert_eq!(told, [(Some(200), Some("refresh_token")), (Some(400), Some("refresh_token"))]);
}

#[tokio::test]
async fn a_request_without_an_answer_has_no_status() {
    let server = builder().start().await.unwrap();
    server.misbehave(Endpoint::Token, Fault::Hang).unwrap();
    let request = tokio::spawn(token_request(&server, &[("grant_type", "client_credentials")]).send());
    while server.request_log().is_empty() {
        tokio::task::yield_now().await;
    }
    request.abort();
    assert_eq!(seen(&server), [(Endpoint::Token, "POST".to_owned(), None, None, None)]);
}

#[tokio::test]
async fn who_is_registered_is_listed_without_secrets() {
    let server = builder().demo().admin().start().await.unwrap();
    let clients = get_json(&format!("{}/clients", server.admin_url().unwrap())).await;
    assert_eq!(clients["clients"].as_array().unwrap().len(), 1, "no demo clients beside one's own");
    assert_eq!((&clients["clients"][0]["id"], &clients["clients"][0]["demo_secret"]), (&json!("app"), &Value::Null));
    let users = get_json(&format!("{}/users", server.admin_url().unwrap())).await;
    assert_eq!(users["users"][0], json!({ "username": "alice", "subject": "alice", "demo_password": "wonderland" }));
}
