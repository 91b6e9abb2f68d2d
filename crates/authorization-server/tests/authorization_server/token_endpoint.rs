//! The token endpoint: RFC 6749 §3.2, §4.4, §5.

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde_json::Value;
use tower_bearer_authorization_server::{AuthorizationServer, Client};

use crate::browser::user_builder;
use crate::support::{
    AUDIENCE, SECRET, assert_not_stored, assert_refused, basic, builder, claims_of, client, server, token_request,
    unauthenticated,
};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn the_answer_has_the_members_of_rfc_6749() {
    let server = server().await;
    let response = token_request(&server, &[GRANT]).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_not_stored(&response);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");

    let body: Value = response.json().await.unwrap();
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "scope", "token_type"]);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 300);
}

#[tokio::test]
async fn without_a_scope_the_client_gets_all_of_its_own() {
    let server = server().await;
    for parameters in [&[GRANT][..], &[GRANT, ("scope", "")]] {
        assert_eq!(granted(&server, parameters).await, "read:leads write:leads");
    }
}

#[tokio::test]
async fn a_scope_narrows_the_token() {
    let server = server().await;
    assert_eq!(granted(&server, &[GRANT, ("scope", "write:leads")]).await, "write:leads");
    assert_eq!(granted(&server, &[GRANT, ("scope", "write:leads read:leads")]).await, "write:leads read:leads");
    assert_eq!(granted(&server, &[GRANT, ("scope", "read:leads read:leads")]).await, "read:leads");
}

#[tokio::test]
async fn a_scope_beyond_the_clients_own_is_refused() {
    let server = server().await;
    for scope in ["admin", "read:leads admin", "read:lead", "READ:LEADS", "read:leads  write:leads", "\"", " "] {
        assert_refused(token_request(&server, &[GRANT, ("scope", scope)]), 400, "invalid_scope").await;
    }
}

#[tokio::test]
async fn a_client_without_scopes_gets_a_token_without_scope() {
    let bare = Client::new("bare", "s3cret").audience(AUDIENCE);
    let server = builder().client(bare).start().await.unwrap();
    let request = unauthenticated(&server, &[GRANT]);
    let response = request.header(header::AUTHORIZATION, basic("bare", "s3cret")).send().await.unwrap();
    let body: Value = response.json().await.unwrap();
    assert!(body.get("scope").is_none());
    assert!(claims_of(body["access_token"].as_str().unwrap()).get("scope").is_none());
}

#[tokio::test]
async fn each_client_has_its_own_lifetime_and_audiences() {
    let client = Client::new("short", "s3cret").audience("https://one").audience("https://two");
    let server = builder().client(client.token_lifetime(Duration::from_secs(7))).start().await.unwrap();
    let request = unauthenticated(&server, &[GRANT]);
    let response = request.header(header::AUTHORIZATION, basic("short", "s3cret")).send().await.unwrap();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["expires_in"], 7);

    let claims = claims_of(body["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], serde_json::json!(["https://one", "https://two"]));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 7);
}

/// Neither exists here; that tokens of others could be exchanged for ours is never said, whatever the token.
#[tokio::test]
async fn s16_token_exchange_and_assertions_are_unsupported() {
    for builder in [user_builder(), user_builder().dangerously_enable_legacy_grants()] {
        let server = builder.start().await.unwrap();
        let token = server.token().sign();
        for grant in ["token-exchange", "jwt-bearer", "saml2-bearer", "uma-ticket"] {
            let grant_type = format!("urn:ietf:params:oauth:grant-type:{grant}");
            let request = token_request(
                &server,
                &[
                    ("grant_type", grant_type.as_str()),
                    ("assertion", token.as_str()),
                    ("subject_token", token.as_str()),
                    ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ],
            );
            assert_refused(request, 400, "unsupported_grant_type").await;
        }
        assert!(server.issued_tokens().is_empty());
    }
}

#[tokio::test]
async fn other_grant_types_are_unsupported() {
    let server = server().await;
    for grant in ["password", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS", "client_credentials "] {
        let request = token_request(&server, &[("grant_type", grant)]);
        assert_refused(request, 400, "unsupported_grant_type").await;
    }
}

#[tokio::test]
async fn the_grant_type_is_required() {
    let server = server().await;
    assert_refused(token_request(&server, &[]), 400, "invalid_request").await;
    assert_refused(token_request(&server, &[("grant_type", "")]), 400, "invalid_request").await;
}

#[tokio::test]
async fn repeated_parameters_are_refused() {
    let server = server().await;
    for repeated in [GRANT, ("scope", "read:leads"), ("client_id", "app"), ("unknown", "x")] {
        let parameters = [GRANT, repeated, repeated];
        assert_refused(token_request(&server, &parameters), 400, "invalid_request").await;
    }
}

#[tokio::test]
async fn unknown_parameters_are_ignored() {
    let server = server().await;
    assert_eq!(granted(&server, &[GRANT, ("scope", "read:leads"), ("foo", "bar")]).await, "read:leads");
}

#[tokio::test]
async fn parameters_in_the_url_do_not_count() {
    let server = server().await;
    let url = format!("{}?grant_type=client_credentials", server.token_endpoint());
    let request = client().post(url).form(&[("scope", "read:leads")]);
    assert_refused(request.header(header::AUTHORIZATION, basic("app", SECRET)), 400, "invalid_request").await;
}

#[tokio::test]
async fn only_forms_are_read() {
    let server = server().await;
    let post = || client().post(server.token_endpoint()).header("authorization", basic("app", SECRET));
    let body = "grant_type=client_credentials";
    for wrong in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let request = post().header(header::CONTENT_TYPE, wrong).body(body);
        assert_refused(request, 400, "invalid_request").await;
    }
    assert_refused(post().body(body), 400, "invalid_request").await;

    let good = "Application/X-WWW-Form-Urlencoded; charset=UTF-8";
    let response = post().header(header::CONTENT_TYPE, good).body(body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn bodies_over_64_kib_are_refused() {
    let server = server().await;
    let padding = |size: usize| "x".repeat(size - "grant_type=client_credentials&pad=".len());
    let at_limit = token_request(&server, &[GRANT, ("pad", &padding(64 * 1024))]);
    assert_eq!(at_limit.send().await.unwrap().status(), StatusCode::OK);
    let over = token_request(&server, &[GRANT, ("pad", &padding(64 * 1024 + 1))]);
    assert_refused(over, 413, "invalid_request").await;
}

#[tokio::test]
async fn only_post_is_allowed() {
    let server = server().await;
    for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD"] {
        let request = client().request(method.parse().unwrap(), server.token_endpoint());
        let response = request.header("authorization", basic("app", SECRET)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()[header::ALLOW], "POST");
    }
}

/// The scope of the answer, which is also that of the token.
async fn granted(server: &AuthorizationServer, parameters: &[(&str, &str)]) -> String {
    let body: Value = token_request(server, parameters).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["scope"], claims_of(body["access_token"].as_str().unwrap())["scope"]);
    body["scope"].as_str().unwrap().to_owned()
}
