//! Refresh tokens: RFC 6749 §6 with rotation, as RFC 9700 §4.14.2 describes it.

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde_json::Value;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{AuthorizationServer, Client, User};

use crate::browser::{CALLBACK, PASSWORD, answer, is_active, refresh, text, tokens, user_builder, user_server, web};
use crate::support::{AUDIENCE, assert_refused, basic, builder, claims_of, unauthenticated, verify};

#[tokio::test]
async fn s06_each_use_gives_new_tokens() {
    let server = user_server().await;
    let first = tokens(&server).await;
    let second = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    assert_ne!(text(&first, "refresh_token"), text(&second, "refresh_token"));
    assert_eq!(second["scope"], first["scope"]);
    let claims = verify(&server, text(&second, "access_token")).await.unwrap();
    let before = claims_of(text(&first, "access_token"));
    for same in ["sub", "aud", "client_id", "scope", "auth_time"] {
        assert_eq!(claims[same], before[same], "{same}");
    }
    assert_ne!(claims["jti"], before["jti"]);
    assert!(is_active(&server, text(&first, "access_token")).await);
    answer(refresh(&server, text(&second, "refresh_token"), &[])).await;
}

#[tokio::test]
async fn s06_reuse_ends_the_family() {
    let server = user_server().await;
    let (first, other) = (tokens(&server).await, tokens(&server).await);
    let second = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    let third = answer(refresh(&server, text(&second, "refresh_token"), &[])).await;

    assert_refused(refresh(&server, text(&first, "refresh_token"), &[]), 400, "invalid_grant").await;
    for family in [&first, &second, &third] {
        assert_refused(refresh(&server, text(family, "refresh_token"), &[]), 400, "invalid_grant").await;
        assert!(!is_active(&server, text(family, "access_token")).await);
    }
    answer(refresh(&server, text(&other, "refresh_token"), &[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s06_of_fifty_uses_one_wins() {
    let server = user_server().await;
    let first = tokens(&server).await;
    let tries = (0..50).map(|_| tokio::spawn(refresh(&server, text(&first, "refresh_token"), &[]).send()));
    let mut won = Vec::new();
    for tried in tries.collect::<Vec<_>>() {
        let response = tried.await.unwrap().unwrap();
        match response.status() {
            StatusCode::OK => won.push(response.json::<Value>().await.unwrap()),
            status => assert_eq!(status, StatusCode::BAD_REQUEST),
        }
    }
    assert_eq!(won.len(), 1);
    // The other 49 were reuse.
    assert_refused(refresh(&server, text(&won[0], "refresh_token"), &[]), 400, "invalid_grant").await;
}

#[tokio::test]
async fn s06_a_stop_forgets_no_reuse() {
    let mut server = user_server().await;
    let first = tokens(&server).await;
    let second = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    server.stop().await;
    server.restart().await.unwrap();
    assert_refused(refresh(&server, text(&first, "refresh_token"), &[]), 400, "invalid_grant").await;
    assert_refused(refresh(&server, text(&second, "refresh_token"), &[]), 400, "invalid_grant").await;
}

#[tokio::test]
async fn s06_another_process_knows_no_token() {
    let token = text(&tokens(&user_server().await).await, "refresh_token").to_owned();
    assert_refused(refresh(&user_server().await, &token, &[]), 400, "invalid_grant").await;
}

#[tokio::test]
async fn s06_scopes_narrow_and_never_widen() {
    let server = user_server().await;
    let first = tokens(&server).await;
    for scope in ["admin", "read:leads admin", "openid", "email read:leads", " ", "read:leads  write:leads"] {
        let request = refresh(&server, text(&first, "refresh_token"), &[("scope", scope)]);
        assert_refused(request, 400, "invalid_scope").await;
    }
    let request = refresh(&server, text(&first, "refresh_token"), &[("resource", "https://other.example.com")]);
    assert_refused(request, 400, "invalid_target").await;

    // Nothing was spent by that. What is granted stays, also when one token has less of it.
    let narrow = answer(refresh(&server, text(&first, "refresh_token"), &[("scope", "write:leads")])).await;
    assert_eq!(claims_of(text(&narrow, "access_token"))["scope"], "write:leads");
    let whole = answer(refresh(&server, text(&narrow, "refresh_token"), &[])).await;
    assert_eq!(whole["scope"], "read:leads write:leads");
}

#[tokio::test]
async fn s06_another_client_cannot_use_or_end_it() {
    let other = Client::new("other", "s3cret").audience(AUDIENCE).redirect_uri(CALLBACK);
    let server = user_builder().client(other).start().await.unwrap();
    let first = tokens(&server).await;
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", text(&first, "refresh_token"))];
    let request = unauthenticated(&server, &parameters).header(header::AUTHORIZATION, basic("other", "s3cret"));
    assert_refused(request, 400, "invalid_grant").await;
    answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
}

#[tokio::test]
async fn s06_access_tokens_and_codes_are_no_refresh_tokens() {
    let server = user_server().await;
    let access = text(&tokens(&server).await, "access_token").to_owned();
    let code = crate::browser::code(&server).await;
    for wrong in [access.as_str(), &code, "x"] {
        assert_refused(refresh(&server, wrong, &[]), 400, "invalid_grant").await;
    }
    assert_refused(refresh(&server, "", &[]), 400, "invalid_request").await;
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again_in_its_grace() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = with(&clock, web().refresh_grace(Duration::from_secs(30))).await;
    let first = tokens(&server).await;
    let lost = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    clock.advance(Duration::from_secs(29));
    let again = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    assert_ne!(text(&again, "refresh_token"), text(&lost, "refresh_token"));

    // The client has one of the two; the grace is counted from the first use, and is for the last token only.
    let next = answer(refresh(&server, text(&again, "refresh_token"), &[])).await;
    clock.advance(Duration::from_secs(1));
    answer(refresh(&server, text(&lost, "refresh_token"), &[])).await;
    assert_refused(refresh(&server, text(&first, "refresh_token"), &[]), 400, "invalid_grant").await;
    assert_refused(refresh(&server, text(&next, "refresh_token"), &[]), 400, "invalid_grant").await;
}

#[tokio::test]
async fn s06_the_grace_is_for_one_more_use() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = with(&clock, web().refresh_grace(Duration::from_secs(30))).await;
    let first = tokens(&server).await;
    answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    let again = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    assert_refused(refresh(&server, text(&first, "refresh_token"), &[]), 400, "invalid_grant").await;
    assert_refused(refresh(&server, text(&again, "refresh_token"), &[]), 400, "invalid_grant").await;
}

#[tokio::test]
async fn after_the_grace_it_is_theft() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = with(&clock, web().refresh_grace(Duration::from_secs(30))).await;
    let first = tokens(&server).await;
    let second = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    clock.advance(Duration::from_secs(30));
    assert_refused(refresh(&server, text(&first, "refresh_token"), &[]), 400, "invalid_grant").await;
    assert_refused(refresh(&server, text(&second, "refresh_token"), &[]), 400, "invalid_grant").await;
}

#[tokio::test]
async fn lifetimes_slide_up_to_an_end() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let client = web().refresh_lifetime(Duration::from_secs(100)).refresh_absolute_lifetime(Duration::from_secs(250));
    let server = with(&clock, client).await;
    let unused = tokens(&server).await;
    let mut newest = tokens(&server).await;
    for _ in 0..2 {
        clock.advance(Duration::from_secs(99));
        newest = answer(refresh(&server, text(&newest, "refresh_token"), &[])).await;
    }
    assert_refused(refresh(&server, text(&unused, "refresh_token"), &[]), 400, "invalid_grant").await;
    clock.advance(Duration::from_secs(51));
    newest = answer(refresh(&server, text(&newest, "refresh_token"), &[])).await;
    clock.advance(Duration::from_secs(1));
    assert_refused(refresh(&server, text(&newest, "refresh_token"), &[]), 400, "invalid_grant").await;
    // Its access token has its own time.
    assert!(is_active(&server, text(&newest, "access_token")).await);
    clock.advance(Duration::from_secs(299));
    assert!(!is_active(&server, text(&newest, "access_token")).await);
}

async fn with(clock: &ManualClock, web: Client) -> AuthorizationServer {
    builder().client(web).user(User::new("alice", PASSWORD)).clock(clock.clone()).start().await.unwrap()
}
