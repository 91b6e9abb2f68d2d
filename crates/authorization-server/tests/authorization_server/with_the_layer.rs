//! What an API behind the layer makes of the tokens of each flow.

use std::time::Duration;

use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, Client, User};

use crate::browser::{
    Browser, CALLBACK, PASSWORD, answer, as_web, redeem, refresh, request_with, text, user_builder, web,
};
use crate::support::{AUDIENCE, builder, client, unauthenticated};

const CLIENT_CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[tokio::test]
async fn a_user_s_tokens_are_accepted_until_they_expire_and_a_refresh_heals_it() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = user_builder().clock(clock.clone()).start().await.unwrap();
    let api = api(&server, AUDIENCE, &clock);

    let (mut browser, consent) = Browser::logged_in(&server, &request_with(&[("scope", "openid read:leads")])).await;
    let by_code = answer(redeem(&server, &browser.approve(&consent).await.code())).await;
    let refreshed = answer(refresh(&server, text(&by_code, "refresh_token"), &[])).await;
    let own = answer(as_web(unauthenticated(&server, &CLIENT_CREDENTIALS))).await;

    let accepted = api.validate(text(&by_code, "access_token")).await.unwrap();
    assert_eq!(accepted.subject(), Some("user-1"));
    assert!(accepted.require("read:leads").is_ok() && accepted.require("write:leads").is_err());
    assert_eq!(verdict(&api, text(&refreshed, "access_token")).await, "accepted");
    assert_eq!(verdict(&api, text(&own, "access_token")).await, "accepted");

    // What is for the client is not for an API.
    assert_eq!(verdict(&api, text(&by_code, "id_token")).await, "not_an_access_token");
    assert_ne!(verdict(&api, text(&by_code, "refresh_token")).await, "accepted");

    // Leeway included.
    clock.advance(Duration::from_secs(300 + 120));
    for tokens in [&by_code, &refreshed, &own] {
        assert_eq!(verdict(&api, text(tokens, "access_token")).await, "expired");
    }
    let healed = answer(refresh(&server, text(&refreshed, "refresh_token"), &[])).await;
    assert_eq!(verdict(&api, text(&healed, "access_token")).await, "accepted");
}

#[tokio::test]
async fn tokens_for_another_api_are_refused() {
    let wide = Client::new("wide", "s3cret").audience(AUDIENCE).audience("https://other.example.com");
    let server = user_builder().client(wide.redirect_uri(CALLBACK)).start().await.unwrap();
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build().unwrap();
    for (resource, expected) in [(AUDIENCE, "accepted"), ("https://other.example.com", "audience_mismatch")] {
        let parameters =
            [CLIENT_CREDENTIALS[0], ("client_id", "wide"), ("client_secret", "s3cret"), ("resource", resource)];
        let tokens = answer(unauthenticated(&server, &parameters)).await;
        assert_eq!(verdict(&api, text(&tokens, "access_token")).await, expected);
    }
}

#[tokio::test]
async fn revocation_of_a_jwt_shows_in_introspection_alone() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = user_builder().clock(clock.clone()).start().await.unwrap();
    let tokens = crate::browser::tokens(&server).await;
    let token = text(&tokens, "access_token");
    let revocation = client().post(format!("{}/revoke", server.issuer())).form(&[("token", token)]);
    assert!(as_web(revocation).send().await.unwrap().status().is_success());
    assert!(!crate::browser::is_active(&server, token).await);
    assert_eq!(verdict(&api(&server, AUDIENCE, &clock), token).await, "accepted");
}

#[tokio::test]
async fn opaque_tokens_are_not_read() {
    let server = builder().client(web().opaque_tokens()).user(User::new("alice", PASSWORD)).start().await.unwrap();
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build().unwrap();
    let tokens = crate::browser::tokens(&server).await;
    assert_eq!(verdict(&api, text(&tokens, "access_token")).await, "opaque_token");
}

fn api(server: &AuthorizationServer, audience: &str, clock: &ManualClock) -> ResourceServer {
    let builder = ResourceServer::builder().audience(audience).issuer(Issuer::new(server.issuer()));
    builder.clock(clock.clone()).build().unwrap()
}

async fn verdict(api: &ResourceServer, token: &str) -> &'static str {
    api.validate(token).await.map_or_else(|error| error.reason(), |_| "accepted")
}
