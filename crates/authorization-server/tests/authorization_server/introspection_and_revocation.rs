//! Introspection (RFC 7662) and revocation (RFC 7009).

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::json;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Client, User};

use crate::browser::{
    CALLBACK, PASSWORD, answer, as_web, introspect, is_active, refresh, text, tokens, user_builder, user_server, web,
};
use crate::support::{AUDIENCE, SECRET, assert_not_stored, assert_refused, basic, builder, claims_of, client, issue};

#[tokio::test]
async fn introspection_says_what_a_token_is() {
    let clock = ManualClock::at(UnixTime::from_secs(1_000));
    let server = user_builder().clock(clock.clone()).start().await.unwrap();
    let of_user = tokens(&server).await;
    clock.advance(Duration::from_secs(10));
    let jti = &claims_of(text(&of_user, "access_token"))["jti"];
    let expected = json!({
        "active": true, "scope": "read:leads write:leads", "client_id": "web", "username": "alice",
        "token_type": "Bearer", "token_use": "access_token", "jti": jti, "exp": 1_300, "iat": 1_000, "sub": "user-1", "aud": [AUDIENCE], "iss": server.issuer(),
    });
    assert_eq!(introspect(&server, text(&of_user, "access_token")).await, expected);

    let of_client = introspect(&server, &issue(&server).await).await;
    assert_eq!((&of_client["sub"], of_client.get("username")), (&json!("app"), None));

    clock.advance(Duration::from_secs(290));
    assert_eq!(introspect(&server, text(&of_user, "access_token")).await, json!({ "active": false }));
}

#[tokio::test]
async fn what_is_no_access_token_is_not_active() {
    let server = user_server().await;
    let tokens = tokens(&server).await;
    let token = text(&tokens, "access_token");
    let (signed, _) = token.rsplit_once('.').unwrap();
    for other in ["x", signed, &format!("{signed}."), &format!("{token}A"), text(&tokens, "refresh_token")] {
        assert_eq!(introspect(&server, other).await, json!({ "active": false }));
    }
    // Signed by the server's key, but not issued.
    assert!(!is_active(&server, &server.token().sign()).await);
}

#[tokio::test]
async fn s15_introspection_is_for_clients_that_prove_who_they_are() {
    let server = user_server().await;
    let token = issue(&server).await;
    let request = |parameters: &[(&str, &str)]| {
        client()
            .post(format!("{}/introspect", server.issuer()))
            .form(&[&[("token", token.as_str())], parameters].concat())
    };
    assert_refused(request(&[]), 401, "invalid_client").await;
    assert_refused(request(&[("client_id", "phone")]), 401, "invalid_client").await;
    assert_refused(request(&[("client_id", "web"), ("client_secret", "wrong")]), 401, "invalid_client").await;
    let without = client().post(format!("{}/introspect", server.issuer())).form(&[("x", "y")]);
    assert_refused(as_web(without), 400, "invalid_request").await;

    let response = as_web(request(&[("token_type_hint", "refresh_token")])).send().await.unwrap();
    assert_not_stored(&response);
    assert_eq!(response.json::<serde_json::Value>().await.unwrap()["active"], true);
}

#[tokio::test]
async fn s15_an_api_learns_of_its_own_tokens_only() {
    const OTHER: &str = "https://other.example.com";
    let api = || Client::new("api", "api-secret").audience("https://downstream.example.com");
    let both = Client::new("both", "s3cret").audience(AUDIENCE).audience(OTHER);
    let toml = format!(
        "keys = [{{ algorithm = \"ES256\" }}]\n[[clients]]\nid = \"api\"\nsecret = \"api-secret\"\n\
         audiences = [\"https://downstream.example.com\"]\nintrospects_only = [\"{OTHER}\"]"
    );
    let from_file = AuthorizationServerBuilder::from_toml(&toml).unwrap();
    for (builder, learns_of_all) in [
        (builder().client(api().introspects_only([OTHER])), false),
        (builder().client(api().introspects_only(["https://third.example.com", OTHER])), false),
        (builder().client(api()), true),
        (from_file.client(Client::new("app", SECRET).audience(AUDIENCE)), false),
    ] {
        let server = builder.client(both.clone()).start().await.unwrap();
        let token = async |id: &str, secret: &str, resource: &[(&str, &str)]| {
            let form = [&[("grant_type", "client_credentials")], resource].concat();
            let request = client().post(server.token_endpoint()).form(&form);
            let issued = answer(request.header(header::AUTHORIZATION, basic(id, secret))).await;
            text(&issued, "access_token").to_owned()
        };
        let told = async |token: &str| {
            let request = client().post(format!("{}/introspect", server.issuer())).form(&[("token", token)]);
            answer(request.header(header::AUTHORIZATION, basic("api", "api-secret"))).await
        };
        for (token, is_told) in [
            (token("app", SECRET, &[]).await, learns_of_all),
            (token("both", "s3cret", &[]).await, true),
            (token("both", "s3cret", &[("resource", OTHER)]).await, true),
            (token("both", "s3cret", &[("resource", AUDIENCE)]).await, learns_of_all),
            (token("api", "api-secret", &[]).await, true),
        ] {
            let told = told(&token).await;
            assert_eq!(told["active"], is_told, "{told}");
            // About a token that is not for it, the API learns nothing but that.
            assert_eq!(told.as_object().unwrap().len() == 1, !is_told);
        }
    }
}

#[tokio::test]
async fn s15_a_revoked_access_token_ends_alone() {
    let server = user_server().await;
    for hint in [None, Some("access_token"), Some("refresh_token"), Some("unknown")] {
        let tokens = tokens(&server).await;
        let response = as_web(revocation(&server, text(&tokens, "access_token"), hint)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.unwrap(), "");
        assert!(!is_active(&server, text(&tokens, "access_token")).await);
        answer(refresh(&server, text(&tokens, "refresh_token"), &[])).await;
    }
}

#[tokio::test]
async fn s15_a_revoked_refresh_token_ends_all_of_the_consent() {
    let server = user_server().await;
    for hint in [None, Some("access_token"), Some("refresh_token")] {
        let first = tokens(&server).await;
        let second = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
        assert!(
            as_web(revocation(&server, text(&second, "refresh_token"), hint))
                .send()
                .await
                .unwrap()
                .status()
                .is_success()
        );
        for tokens in [&first, &second] {
            assert!(!is_active(&server, text(tokens, "access_token")).await);
        }
        assert_refused(refresh(&server, text(&second, "refresh_token"), &[]), 400, "invalid_grant").await;
    }
}

#[tokio::test]
async fn s15_another_clients_token_is_left_alone() {
    let other = Client::new("other", "s3cret").audience(AUDIENCE).redirect_uri(CALLBACK);
    let server = user_builder().client(other).start().await.unwrap();
    let tokens = tokens(&server).await;
    for (id, secret) in [("other", "s3cret"), ("app", SECRET)] {
        for token in [text(&tokens, "access_token"), text(&tokens, "refresh_token"), "unknown"] {
            let request = revocation(&server, token, None).header(header::AUTHORIZATION, basic(id, secret));
            assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        }
    }
    assert_refused(revocation(&server, text(&tokens, "access_token"), None), 401, "invalid_client").await;
    assert!(is_active(&server, text(&tokens, "access_token")).await);
    answer(refresh(&server, text(&tokens, "refresh_token"), &[])).await;
    let without = client().post(format!("{}/revoke", server.issuer())).form(&[("x", "y")]);
    assert_refused(as_web(without), 400, "invalid_request").await;
}

#[tokio::test]
async fn s15_opaque_tokens_mean_something_to_this_server_only() {
    let server = builder().client(web().opaque_tokens()).user(User::new("alice", PASSWORD)).start().await.unwrap();
    let tokens = tokens(&server).await;
    let token = text(&tokens, "access_token");
    assert!(!token.contains('.') && token.len() == 43);
    assert_eq!(introspect(&server, token).await["sub"], "alice");

    let own = answer(as_web(crate::support::unauthenticated(&server, &[("grant_type", "client_credentials")]))).await;
    assert_eq!(introspect(&server, text(&own, "access_token")).await["sub"], "web");
    as_web(revocation(&server, token, None)).send().await.unwrap();
    assert_eq!(introspect(&server, token).await, json!({ "active": false }));
}

fn revocation(server: &AuthorizationServer, token: &str, hint: Option<&str>) -> RequestBuilder {
    let hint = hint.map(|hint| ("token_type_hint", hint));
    let parameters: Vec<_> = [("token", token)].into_iter().chain(hint).collect();
    client().post(format!("{}/revoke", server.issuer())).form(&parameters)
}
