//! Authorization requests that are pushed ahead: RFC 9126.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{AuthorizationServer, Client};

use crate::browser::{
    Browser, CALLBACK, REQUEST, answer, as_web, redeem, request_with, text, user_builder, user_server,
};
use crate::support::{AUDIENCE, assert_not_stored, assert_refused, claims_of, client, get_json};

const TICKED: (&str, &str) = ("allow.read:leads", "yes");

#[tokio::test]
async fn a_pushed_request_is_good_for_one_decision() {
    let server = user_server().await;
    let metadata = get_json(&format!("{}/.well-known/oauth-authorization-server", server.issuer())).await;
    assert_eq!(metadata["pushed_authorization_request_endpoint"], format!("{}/par", server.issuer()));
    // Left out, it would say that requests are fetched from any URL.
    assert_eq!(metadata["request_uri_parameter_supported"], false);

    let request_uri = push(&server).await;
    // What stands beside it does not count.
    let short = [("client_id", "web"), ("request_uri", request_uri.as_str()), ("scope", "email")];
    let (mut browser, consent) = Browser::logged_in(&server, &short).await;
    assert_eq!(consent.checkboxes(), ["allow.read:leads", "allow.write:leads"]);
    let back = browser.approve(&consent).await;
    assert_eq!(back.parameter("state").as_deref(), Some("st&te=1"));
    let tokens = answer(redeem(&server, &back.code())).await;
    assert_eq!(claims_of(text(&tokens, "access_token"))["scope"], "read:leads write:leads");

    for again in [browser.approve(&consent).await, browser.authorize(&short).await] {
        assert_eq!((again.status, again.location), (StatusCode::BAD_REQUEST, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_forms_are_sent_at_once_one_brings_a_code() {
    let server = user_server().await;
    for _ in 0..8 {
        let request_uri = push(&server).await;
        let short = [("client_id", "web"), ("request_uri", request_uri.as_str())];
        let (browser, consent) = Browser::logged_in(&server, &short).await;
        let sent = (0..16).map(|_| tokio::spawn(browser.form(&consent, &[("decision", "approve"), TICKED]).send()));
        let mut codes = 0;
        for sent in sent.collect::<Vec<_>>() {
            codes += u32::from(sent.await.unwrap().unwrap().status() == StatusCode::SEE_OTHER);
        }
        assert_eq!(codes, 1);
    }
}

#[tokio::test]
async fn denial_spends_it_too() {
    let server = user_server().await;
    let request_uri = push(&server).await;
    let short = [("client_id", "web"), ("request_uri", request_uri.as_str())];
    let (mut browser, consent) = Browser::logged_in(&server, &short).await;
    let back = browser.submit(&consent, &[("decision", "deny")]).await;
    assert_eq!(back.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(browser.authorize(&short).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn it_expires_and_belongs_to_its_client() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let other = Client::public("other").audience(AUDIENCE).redirect_uri(CALLBACK);
    let server = user_builder().client(other).clock(clock.clone()).start().await.unwrap();
    let request_uri = push(&server).await;
    let page = async |client_id: &str| {
        Browser::new(&server).authorize(&[("client_id", client_id), ("request_uri", &request_uri)]).await
    };
    for client_id in ["other", "app", ""] {
        let page = page(client_id).await;
        assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None), "{client_id}");
    }
    clock.advance(Duration::from_secs(599));
    assert_eq!(page("web").await.status, StatusCode::OK);
    clock.advance(Duration::from_secs(1));
    assert_eq!(page("web").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn it_is_checked_when_it_is_pushed() {
    let server = user_server().await;
    assert_refused(pushed(&server, &REQUEST), 401, "invalid_client").await;
    for (change, error) in [
        (("redirect_uri", "https://evil.example/"), "invalid_request"),
        (("client_id", "phone"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "admin"), "invalid_scope"),
        (("resource", "https://other.example.com"), "invalid_target"),
        (("request", "x.y.z"), "request_not_supported"),
        (("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"),
    ] {
        assert_refused(as_web(pushed(&server, &request_with(&[change]))), 400, error).await;
    }
    // A client without redirect URI has nobody to ask.
    let own = request_with(&[("client_id", "app"), ("client_secret", crate::support::SECRET)]);
    assert_refused(pushed(&server, &own), 400, "invalid_request").await;
    // The id may be left to the authentication.
    let response = as_web(pushed(&server, &request_with(&[("client_id", "")]))).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn what_nobody_reads_is_not_kept_and_of_the_rest_not_much() {
    let server = user_server().await;
    let long = "x".repeat(17 * 1024);
    let response = as_web(pushed(&server, &request_with(&[("unknown", &long)]))).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let response = as_web(pushed(&server, &request_with(&[("state", &long)]))).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

fn pushed(server: &AuthorizationServer, request: &[(&str, &str)]) -> RequestBuilder {
    client().post(format!("{}/par", server.issuer())).form(request)
}

async fn push(server: &AuthorizationServer) -> String {
    let response = as_web(pushed(server, &REQUEST)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_not_stored(&response);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["expires_in"], 600);
    text(&answer, "request_uri").to_owned()
}
