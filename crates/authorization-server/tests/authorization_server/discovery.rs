//! Metadata (RFC 8414) and the JWK Set (RFC 7517).

use reqwest::{StatusCode, header};
use serde_json::json;
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Client, Endpoint};

use crate::support::{AUDIENCE, builder, client, get_json, issue, server, unauthenticated, verify};

#[tokio::test]
async fn metadata_names_the_issuer_and_its_endpoints() {
    let server = server().await;
    let issuer = server.issuer();
    assert_eq!(issuer, format!("http://{}", server.address()));
    assert!(server.address().ip().is_loopback());

    let expected = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "introspection_signing_alg_values_supported": ["ES256"],
        "revocation_endpoint": format!("{issuer}/revoke"),
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "response_types_supported": [],
        "scopes_supported": ["read:leads", "write:leads"],
    });
    assert_eq!(get_json(&format!("{issuer}/.well-known/oauth-authorization-server")).await, expected);
    assert_eq!(get_json(&format!("{issuer}/.well-known/openid-configuration")).await, expected);
    assert_eq!(server.token_endpoint(), expected["token_endpoint"]);
    assert_eq!(server.jwks_uri(), expected["jwks_uri"]);
}

#[tokio::test]
async fn scopes_of_all_clients_are_named_once() {
    let other = Client::new("other", "s3cret").scopes(["admin", "read:leads"]).audience(AUDIENCE);
    let server = builder().client(other).start().await.unwrap();
    let metadata = get_json(&format!("{}/.well-known/oauth-authorization-server", server.issuer())).await;
    assert_eq!(metadata["scopes_supported"], json!(["admin", "read:leads", "write:leads"]));

    let none = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await.unwrap();
    let metadata = get_json(&format!("{}/.well-known/oauth-authorization-server", none.issuer())).await;
    assert!(metadata.get("scopes_supported").is_none());
}

#[tokio::test]
async fn s14_a_path_in_the_issuer_moves_everything() {
    let server = builder().issuer_path("/tenants/one").start().await.unwrap();
    let root = format!("http://{}", server.address());
    assert_eq!(server.issuer(), format!("{root}/tenants/one"));

    for found in [
        format!("{root}/.well-known/oauth-authorization-server/tenants/one"),
        format!("{root}/tenants/one/.well-known/openid-configuration"),
    ] {
        assert_eq!(get_json(&found).await["issuer"], server.issuer(), "{found}");
    }
    for missing in [
        format!("{root}/.well-known/oauth-authorization-server"),
        format!("{root}/.well-known/openid-configuration"),
        format!("{root}/jwks"),
        format!("{root}/token"),
    ] {
        assert_eq!(client().get(&missing).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{missing}");
    }
    verify(&server, &issue(&server).await).await.unwrap();
}

#[tokio::test]
async fn s14_the_jwk_set_has_every_key_and_nothing_private() {
    let server =
        builder().signing_algorithm(Algorithm::PS256).signing_algorithm(Algorithm::EdDSA).start().await.unwrap();
    let response = client().get(server.jwks_uri()).send().await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/jwk-set+json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "max-age=300");

    let set: serde_json::Value = response.json().await.unwrap();
    let keys = set["keys"].as_array().unwrap();
    let algorithms: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(algorithms, ["ES256", "PS256", "EdDSA"]);
    let public = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];
    for key in keys {
        assert!(key.as_object().unwrap().keys().all(|member| public.contains(&member.as_str())), "{key}");
    }
}

#[tokio::test]
async fn rotation_withdraws_the_old_keys() {
    let server = server().await;
    let old = issue(&server).await;
    verify(&server, &old).await.unwrap();

    server.rotate_keys().unwrap();
    assert_eq!(verify(&server, &old).await.unwrap_err(), "no such key");
    verify(&server, &issue(&server).await).await.unwrap();
}

#[tokio::test]
async fn requests_are_counted_by_endpoint() {
    let server = server().await;
    let counts = || [Endpoint::Metadata, Endpoint::JwkSet, Endpoint::Token].map(|endpoint| server.requests(endpoint));
    assert_eq!(counts(), [0, 0, 0]);

    get_json(&format!("{}/.well-known/oauth-authorization-server", server.issuer())).await;
    get_json(&format!("{}/.well-known/openid-configuration", server.issuer())).await;
    get_json(server.jwks_uri()).await;
    issue(&server).await;
    issue(&server).await;
    // Refused, and counted all the same.
    unauthenticated(&server, &[]).send().await.unwrap();
    assert_eq!(counts(), [2, 1, 3]);
}
