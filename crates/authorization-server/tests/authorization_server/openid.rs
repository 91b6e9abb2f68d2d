//! OpenID Connect Core 1.0: ID tokens and the userinfo endpoint.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, User};

use crate::browser::{Browser, PASSWORD, answer, redeem, refresh, request_with, text, tokens, user_server, web};
use crate::support::{builder, client, get_json, header_of, issue};

#[tokio::test]
async fn with_openid_the_client_learns_who_logged_in() {
    let server = user_server().await;
    let tokens = openid_tokens(&server, "openid read:leads").await;
    let id_token = text(&tokens, "id_token");
    assert_eq!(header_of(id_token)["typ"], "JWT");

    let set: JwkSet = serde_json::from_value(get_json(server.jwks_uri()).await).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["web"]);
    validation.set_issuer(&[server.issuer()]);
    let key = DecodingKey::from_jwk(&set.keys[0]).unwrap();
    let claims = decode::<Value>(id_token, &key, &validation).unwrap().claims;
    let hash = digest(&SHA256, text(&tokens, "access_token").as_bytes());
    let expected = json!({
        "iss": server.issuer(), "sub": "user-1", "aud": "web", "nonce": "n-0S6_WzA2Mj",
        "at_hash": URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
        "iat": claims["iat"], "exp": claims["iat"].as_u64().unwrap() + 300, "auth_time": claims["auth_time"],
    });
    assert_eq!(claims, expected);

    let next = answer(refresh(&server, text(&tokens, "refresh_token"), &[])).await;
    let next = crate::support::claims_of(text(&next, "id_token"));
    assert_eq!((&next["sub"], &next["auth_time"]), (&claims["sub"], &claims["auth_time"]));
    assert!(next.get("nonce").is_none());
}

#[tokio::test]
async fn without_openid_there_is_no_id_token() {
    let server = user_server().await;
    assert!(tokens(&server).await.get("id_token").is_none());
    // Nor when the user takes it out.
    let (mut browser, consent) = Browser::logged_in(&server, &request_with(&[("scope", "openid read:leads")])).await;
    let fields = [("decision", "approve"), ("allow.read:leads", "yes")];
    let code = browser.submit(&consent, &fields).await.code();
    assert!(answer(redeem(&server, &code)).await.get("id_token").is_none());
}

#[tokio::test]
async fn userinfo_says_what_the_scopes_allow() {
    let server = user_server().await;
    for (scope, expected) in [
        ("openid", json!({ "sub": "user-1", "tenant": "acme" })),
        ("openid email", json!({ "sub": "user-1", "tenant": "acme", "email": "alice@example.com" })),
    ] {
        let tokens = openid_tokens(&server, scope).await;
        for method in ["GET", "POST"] {
            let request = client().request(method.parse().unwrap(), format!("{}/userinfo", server.issuer()));
            let response = request.bearer_auth(text(&tokens, "access_token")).send().await.unwrap();
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            assert_eq!(response.json::<Value>().await.unwrap(), expected);
        }
    }
    assert_eq!(server.requests(Endpoint::Userinfo), 4);
}

#[tokio::test]
async fn userinfo_refuses_as_rfc_6750_says() {
    let server = user_server().await;
    let tokens = openid_tokens(&server, "openid").await;
    let without = text(&crate::browser::tokens(&server).await, "access_token").to_owned();
    let revoked = openid_tokens(&server, "openid").await;
    let parameters = [("token", text(&revoked, "refresh_token"))];
    let request = client().post(format!("{}/revoke", server.issuer())).form(&parameters);
    assert!(crate::browser::as_web(request).send().await.unwrap().status().is_success());

    let bearer = |token: &str| Some(format!("Bearer {token}"));
    for (authorization, status, challenge) in [
        (None, 401, "Bearer realm=\"userinfo\""),
        (Some("Basic YTpi".to_owned()), 401, "Bearer realm=\"userinfo\""),
        (Some("Bearer a b".to_owned()), 400, "Bearer realm=\"userinfo\", error=\"invalid_request\""),
        (bearer("unknown"), 401, "Bearer realm=\"userinfo\", error=\"invalid_token\""),
        (bearer(text(&tokens, "id_token")), 401, "Bearer realm=\"userinfo\", error=\"invalid_token\""),
        (bearer(text(&revoked, "access_token")), 401, "Bearer realm=\"userinfo\", error=\"invalid_token\""),
        (bearer(&without), 403, "Bearer realm=\"userinfo\", error=\"insufficient_scope\", scope=\"openid\""),
        (
            bearer(&issue(&server).await),
            403,
            "Bearer realm=\"userinfo\", error=\"insufficient_scope\", scope=\"openid\"",
        ),
    ] {
        let mut request = client().get(format!("{}/userinfo", server.issuer()));
        if let Some(value) = &authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::from_u16(status).unwrap());
        // The description is the layer's.
        let told = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
        let parameters = told.split(", ").filter(|parameter| !parameter.starts_with("error_description="));
        assert_eq!(parameters.collect::<Vec<_>>().join(", "), challenge);
    }
}

/// The layer reads JWTs, so the server exchanges opaque tokens for it.
#[tokio::test]
async fn userinfo_takes_opaque_tokens_and_no_repeated_ones() {
    let server = builder().client(web().opaque_tokens()).user(User::new("alice", PASSWORD)).start().await.unwrap();
    let tokens = openid_tokens(&server, "openid").await;
    let bearer = format!("Bearer {}", text(&tokens, "access_token"));
    for (others, status) in [(&[][..], 200), (&["Bearer other"], 400), (&["Basic YTpi"], 400), (&[&*bearer], 400)] {
        let request = client().get(format!("{}/userinfo", server.issuer())).header(header::AUTHORIZATION, &bearer);
        let request = others.iter().fold(request, |request, other| request.header(header::AUTHORIZATION, *other));
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{others:?}");
    }
    server.revoke(text(&tokens, "access_token"));
    let request = client().get(format!("{}/userinfo", server.issuer())).header(header::AUTHORIZATION, &bearer);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn metadata_is_that_of_a_provider() {
    let server = user_server().await;
    let metadata = get_json(&format!("{}/.well-known/openid-configuration", server.issuer())).await;
    assert_eq!(metadata["userinfo_endpoint"], format!("{}/userinfo", server.issuer()));
    assert_eq!(metadata["subject_types_supported"], json!(["public"]));
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["ES256"]));
}

async fn openid_tokens(server: &AuthorizationServer, scope: &str) -> Value {
    let request = request_with(&[("scope", scope), ("nonce", "n-0S6_WzA2Mj")]);
    let (mut browser, consent) = Browser::logged_in(server, &request).await;
    answer(redeem(server, &browser.approve(&consent).await.code())).await
}
