//! Client authentication: RFC 6749 §2.3.1, RFC 7617.

use reqwest::header::AUTHORIZATION;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;
use tower_bearer_authorization_server::Client;

use crate::browser::user_server;
use crate::support::{
    AUDIENCE, SECRET, assert_refused, basic, builder, raw_basic, server, token_request, unauthenticated,
};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn s07_basic_carries_id_and_secret_form_urlencoded() {
    let odd = Client::new("app:two & more", "s%3Acret").audience(AUDIENCE);
    let server = builder().client(odd).start().await.unwrap();
    assert_accepted(token_request(&server, &[GRANT])).await;
    let request = unauthenticated(&server, &[GRANT]).header(AUTHORIZATION, basic("app:two & more", "s%3Acret"));
    assert_accepted(request).await;
}

#[tokio::test]
async fn the_scheme_is_case_insensitive() {
    let server = server().await;
    for scheme in ["basic", "BASIC"] {
        let value = basic("app", SECRET).replacen("Basic", scheme, 1);
        assert_accepted(unauthenticated(&server, &[GRANT]).header(AUTHORIZATION, value)).await;
    }
}

#[tokio::test]
async fn the_body_can_carry_id_and_secret() {
    let server = server().await;
    let parameters = [GRANT, ("client_id", "app"), ("client_secret", SECRET)];
    assert_accepted(unauthenticated(&server, &parameters)).await;
}

#[tokio::test]
async fn s07_both_ways_at_once_are_refused() {
    let server = server().await;
    let parameters = [GRANT, ("client_id", "app"), ("client_secret", SECRET)];
    assert_refused(token_request(&server, &parameters), 400, "invalid_request").await;
    assert_refused(token_request(&server, &[GRANT, ("client_secret", SECRET)]), 400, "invalid_request").await;
}

#[tokio::test]
async fn a_client_id_beside_basic_must_be_the_same() {
    let server = server().await;
    assert_accepted(token_request(&server, &[GRANT, ("client_id", "app")])).await;
    assert_refused(token_request(&server, &[GRANT, ("client_id", "other")]), 400, "invalid_request").await;
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let server = server().await;
    let request = token_request(&server, &[GRANT]).header(AUTHORIZATION, basic("app", SECRET));
    assert_refused(request, 400, "invalid_request").await;
}

#[tokio::test]
async fn s07_wrong_credentials_in_basic_are_refused() {
    let server = server().await;
    let wrong = [
        basic("app", "wrong"),
        basic("app", ""),
        basic("app", &SECRET[..SECRET.len() - 2]),
        basic("app", &format!("{SECRET} ")),
        basic("APP", SECRET),
        basic("unknown", SECRET),
        basic("unknown", ""),
        basic("", SECRET),
        raw_basic("app"),
        raw_basic(""),
        // Not form-urlencoded: `%41` becomes `A`, `+` a space.
        raw_basic(&format!("app:{SECRET}")),
        "Basic".to_owned(),
        "Basic !".to_owned(),
        format!("Bearer {}", basic("app", SECRET)),
        "Basic \u{e9}".to_owned(),
    ];
    for value in wrong {
        let request = unauthenticated(&server, &[GRANT]).header(AUTHORIZATION, value.as_bytes());
        assert_refused(request, 401, "invalid_client").await;
    }
}

#[tokio::test]
async fn s07_wrong_credentials_in_the_body_are_refused() {
    let server = server().await;
    let wrong: [&[(&str, &str)]; 6] = [
        &[],
        &[("client_id", "app")],
        &[("client_secret", SECRET)],
        &[("client_id", "app"), ("client_secret", "")],
        &[("client_id", "app"), ("client_secret", "wrong")],
        &[("client_id", "unknown"), ("client_secret", SECRET)],
    ];
    for credentials in wrong {
        let parameters: Vec<_> = [GRANT].iter().chain(credentials).copied().collect();
        assert_refused(unauthenticated(&server, &parameters), 401, "invalid_client").await;
    }
}

#[tokio::test]
async fn s07_one_clients_secret_is_not_anothers() {
    let server = builder().client(Client::new("other", "s3cret").audience(AUDIENCE)).start().await.unwrap();
    let request = unauthenticated(&server, &[GRANT]).header(AUTHORIZATION, basic("app", "s3cret"));
    assert_refused(request, 401, "invalid_client").await;
}

/// No client here has a key, so none authenticates by one.
#[tokio::test]
async fn s08_client_assertions_are_refused() {
    let server = user_server().await;
    let methods = &server.metadata()["token_endpoint_auth_methods_supported"];
    assert_eq!(methods, &json!(["client_secret_basic", "client_secret_post", "none"]));

    let jwt = server.token().subject("app").claim("aud", server.issuer()).sign();
    let bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let assertion = [("client_assertion_type", bearer), ("client_assertion", jwt.as_str())];
    let secret = [("client_id", "app"), ("client_secret", SECRET)];
    let claimed: [&[(&str, &str)]; 5] =
        [&[], &[("client_id", "app")], &[("client_id", "phone")], &secret, &[("client_id", "no")]];
    for part in [&assertion[..], &assertion[..1], &assertion[1..]] {
        for client_id in claimed {
            let parameters: Vec<_> = [GRANT].iter().chain(part).chain(client_id).copied().collect();
            assert_refused(unauthenticated(&server, &parameters), 401, "invalid_client").await;
        }
    }
    assert!(server.issued_tokens().is_empty());
}

async fn assert_accepted(request: RequestBuilder) {
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}
