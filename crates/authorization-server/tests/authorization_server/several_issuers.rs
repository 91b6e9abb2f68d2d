//! Several issuers on one port: tenants, and nothing that one issues is good at another.

use reqwest::StatusCode;
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Endpoint};

use crate::browser::{
    Browser, REQUEST, as_web, code, is_active, redeem, refresh, request_with, text, tokens, user_builder,
};
use crate::support::{AUDIENCE, assert_refused, client, get_json, issue};

async fn tenants() -> [AuthorizationServer; 2] {
    let builders = ["/tenants/a", "/tenants/b"].map(|path| user_builder().issuer_path(path));
    AuthorizationServerBuilder::start_together(builders).await.unwrap().try_into().unwrap()
}

#[tokio::test]
async fn s14_each_issuer_is_found_at_its_own_path() {
    let [a, b] = tenants().await;
    assert_eq!(a.address(), b.address());
    let root = format!("http://{}", a.address());
    for (server, path) in [(&a, "/tenants/a"), (&b, "/tenants/b")] {
        assert_eq!(server.issuer(), format!("{root}{path}"));
        // RFC 8414 §3.1, and OpenID Connect Discovery 1.0 §4.1.
        for url in [
            format!("{root}/.well-known/oauth-authorization-server{path}"),
            format!("{root}{path}/.well-known/openid-configuration"),
        ] {
            let metadata = get_json(&url).await;
            assert_eq!(metadata, server.metadata());
            for endpoint in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
                assert!(text(&metadata, endpoint).starts_with(server.issuer()), "{endpoint}");
            }
        }
        assert_eq!(server.requests(Endpoint::Metadata), 2);
    }
    let nowhere = client().get(format!("{root}/.well-known/oauth-authorization-server")).send().await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert_ne!(get_json(a.jwks_uri()).await, get_json(b.jwks_uri()).await);
}

#[tokio::test]
async fn what_one_issues_is_nothing_to_the_other() {
    let [a, b] = tenants().await;
    let of_a = tokens(&a).await;
    let (access, refresh_token) = (text(&of_a, "access_token"), text(&of_a, "refresh_token"));
    assert_refused(refresh(&b, refresh_token, &[]), 400, "invalid_grant").await;
    assert!(!is_active(&b, access).await);
    let userinfo = client().get(format!("{}/userinfo", b.issuer())).bearer_auth(access).send().await.unwrap();
    assert_eq!(userinfo.status(), StatusCode::UNAUTHORIZED);
    for token in [access, refresh_token] {
        let revocation = as_web(client().post(format!("{}/revoke", b.issuer())).form(&[("token", token)]));
        assert!(revocation.send().await.unwrap().status().is_success());
    }
    assert!(is_active(&a, access).await);
}

/// RFC 9207: a client that knows both can tell which of them answered, and a code of one is no code of the other.
#[tokio::test]
async fn s11_every_answer_names_its_issuer() {
    let [a, b] = tenants().await;
    for server in [&a, &b] {
        assert_eq!(server.metadata()["authorization_response_iss_parameter_supported"], true);
        let (mut browser, consent) = Browser::logged_in(server, &REQUEST).await;
        let back = browser.approve(&consent).await;
        assert_eq!(back.parameter("iss").as_deref(), Some(server.issuer()));
        let (mut browser, consent) = Browser::logged_in(server, &REQUEST).await;
        let denied = browser.submit(&consent, &[("decision", "deny")]).await;
        let refused = Browser::new(server).authorize(&request_with(&[("scope", "admin")])).await;
        for (back, error) in [(denied, "access_denied"), (refused, "invalid_scope")] {
            assert_eq!(back.parameter("error").as_deref(), Some(error));
            assert_eq!(back.parameter("iss").as_deref(), Some(server.issuer()));
        }
    }
    assert_refused(redeem(&b, &code(&a).await), 400, "invalid_grant").await;
}

#[tokio::test]
async fn a_login_at_one_is_none_at_the_other() {
    let [a, b] = tenants().await;
    let (browser, consent) = Browser::logged_in(&a, &REQUEST).await;
    assert!(consent.body.contains("You are logged in"));
    let first = Browser::new(&a).authorize(&REQUEST).await;
    assert!(first.header("set-cookie").unwrap().contains("; Path=/tenants/a;"));
    // Even with the cookie, which a browser would not send there.
    let mut elsewhere = Browser::new(&b);
    elsewhere.cookie = browser.cookie;
    assert!(elsewhere.authorize(&REQUEST).await.body.contains("<h1>Log in</h1>"));
}

#[tokio::test]
async fn a_layer_that_trusts_both_accepts_both() {
    let [a, b] = tenants().await;
    let only_a = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(a.issuer())).build().unwrap();
    let both = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(a.issuer()));
    let both = both.issuer(Issuer::new(b.issuer())).build().unwrap();
    for server in [&a, &b] {
        let token = issue(server).await;
        assert!(both.validate(token.as_str()).await.is_ok());
        assert_eq!(only_a.validate(token.as_str()).await.is_ok(), server.issuer() == a.issuer());
    }
}

#[tokio::test]
async fn they_stop_together_and_end_with_the_last_handle() {
    let [mut a, b] = tenants().await;
    let is_up = async |url: &str| client().get(url).send().await.is_ok();
    a.stop().await;
    assert!(!is_up(b.jwks_uri()).await);
    a.restart().await.unwrap();
    assert!(is_up(b.jwks_uri()).await);
    drop(a);
    assert!(is_up(b.jwks_uri()).await);
}

#[tokio::test]
async fn settings_that_cannot_be_together_are_refused() {
    let at = |path: &str| user_builder().issuer_path(path);
    for (builders, reason) in [
        (vec![at("/a"), at("/a")], "two issuers would be at \"/.well-known/oauth-authorization-server/a\"; give each"),
        (
            vec![at("/a").token_path("/b/token"), at("/a/b")],
            "two issuers would be at \"/a/b/token\"; give each an `issuer_path` of its own",
        ),
        (
            vec![at("/a"), at("/b").port(1)],
            "the issuer with the path \"/b\" has another `listen`, `port` or `tls` than the first one; set",
        ),
    ] {
        let refused = AuthorizationServerBuilder::start_together(builders).await.unwrap_err().to_string();
        assert!(refused.starts_with(reason), "{refused}");
    }
    assert!(AuthorizationServerBuilder::start_together([]).await.unwrap().is_empty());
}
