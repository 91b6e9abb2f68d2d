//! Device authorization (RFC 8628): a device asks, and a user decides on another one.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tower_bearer::time::{Clock as _, ManualClock, UnixTime};
use tower_bearer_authorization_server::{
    AuthorizationServer, AuthorizationServerBuilder, Client, DevicePoll, ScriptError, User,
};

use crate::browser::{Browser, PASSWORD, Page, answer, introspect, is_active, text, user_builder};
use crate::pages::assert_protected;
use crate::support::{AUDIENCE, assert_refused, claims_of, client, get_json, unauthenticated};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

struct Fixture {
    server: AuthorizationServer,
    clock: ManualClock,
}

fn television(id: &str) -> Client {
    Client::public(id).name("Television").scopes(["read:leads", "write:leads"]).audience(AUDIENCE).device()
}

fn with_televisions(builder: AuthorizationServerBuilder) -> AuthorizationServerBuilder {
    builder.client(television("tv")).client(television("radio"))
}

async fn fixture() -> Fixture {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = with_televisions(user_builder()).admin().clock(clock.clone()).start().await.unwrap();
    Fixture { server, clock }
}

fn ask(server: &AuthorizationServer, parameters: &[(&str, &str)]) -> RequestBuilder {
    client().post(format!("{}/device_authorization", server.issuer())).form(parameters)
}

/// The codes for the client `tv`.
async fn codes(server: &AuthorizationServer) -> Value {
    answer(ask(server, &[("client_id", "tv"), ("scope", "read:leads write:leads")])).await
}

fn poll_as(server: &AuthorizationServer, client_id: &str, codes: &Value) -> RequestBuilder {
    let device_code = text(codes, "device_code");
    unauthenticated(server, &[("grant_type", GRANT_TYPE), ("device_code", device_code), ("client_id", client_id)])
}

fn poll(server: &AuthorizationServer, codes: &Value) -> RequestBuilder {
    poll_as(server, "tv", codes)
}

/// Types the code into the page for it.
async fn enter(browser: &mut Browser<'_>, user_code: &str) -> Page {
    let page = browser.get("/device").await;
    browser.submit(&page, &[("user_code", user_code)]).await
}

/// Logs in as Alice after the code; the page to consent.
async fn consent(browser: &mut Browser<'_>, codes: &Value) -> Page {
    let login = enter(browser, text(codes, "user_code")).await;
    browser.submit(&login, &[("username", "alice"), ("password", PASSWORD)]).await
}

#[tokio::test]
async fn the_answer_has_the_members_of_rfc_8628() {
    let Fixture { server, .. } = fixture().await;
    let issuer = server.issuer();
    let response = ask(&server, &[("client_id", "tv")]).send().await.unwrap();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let codes: Value = response.json().await.unwrap();
    let user_code = text(&codes, "user_code");
    let (first, second) = user_code.split_once('-').unwrap();
    assert!(
        [first, second].iter().all(|half| half.len() == 4 && half.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZ".contains(c)))
    );
    assert_eq!(text(&codes, "device_code").len(), 43);
    assert_eq!(codes["verification_uri"], format!("{issuer}/device"));
    assert_eq!(codes["verification_uri_complete"], format!("{issuer}/device?user_code={user_code}"));
    assert_eq!((&codes["expires_in"], &codes["interval"]), (&json!(600), &json!(5)));

    let metadata = get_json(&format!("{issuer}/.well-known/oauth-authorization-server")).await;
    assert_eq!(metadata["device_authorization_endpoint"], format!("{issuer}/device_authorization"));
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT_TYPE)));
    let without = user_builder().start().await.unwrap();
    assert_eq!(without.metadata().get("device_authorization_endpoint"), None);
    assert_eq!(client().get(format!("{}/device", without.issuer())).send().await.unwrap().status(), 404);
    assert_refused(poll_as(&without, "phone", &codes), 400, "unsupported_grant_type").await;
}

#[tokio::test]
async fn a_user_allows_a_part_on_another_device() {
    let Fixture { server, clock } = fixture().await;
    let codes = codes(&server).await;
    assert_refused(poll(&server, &codes), 400, "authorization_pending").await;

    let mut browser = Browser::new(&server);
    let consent = consent(&mut browser, &codes).await;
    for part in ["Television", "alice", "Read your leads", text(&codes, "user_code")] {
        assert!(consent.body.contains(part), "{part}\n{}", consent.body);
    }
    let done = browser.submit(&consent, &[("allow.read:leads", "yes"), ("decision", "approve")]).await;
    assert!(done.body.contains("Your device is connected"), "{}", done.body);

    clock.advance(Duration::from_secs(5));
    let tokens = answer(poll(&server, &codes)).await;
    let claims = claims_of(text(&tokens, "access_token"));
    assert_eq!(
        (&claims["sub"], &claims["scope"], &claims["client_id"]),
        (&json!("user-1"), &json!("read:leads"), &json!("tv"))
    );
    assert_eq!(introspect(&server, text(&tokens, "access_token")).await["active"], true);
    let refresh =
        [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token")), ("client_id", "tv")];
    assert_eq!(answer(unauthenticated(&server, &refresh)).await["scope"], "read:leads");
}

#[tokio::test]
async fn a_user_says_no() {
    let Fixture { server, .. } = fixture().await;
    for fields in [&[("decision", "deny"), ("allow.read:leads", "yes")][..], &[("decision", "approve")]] {
        let codes = codes(&server).await;
        let mut browser = Browser::new(&server);
        let consent = consent(&mut browser, &codes).await;
        let done = browser.submit(&consent, fields).await;
        assert!(done.body.contains("Your device is not connected"), "{}", done.body);
        assert_refused(poll(&server, &codes), 400, "access_denied").await;
        assert_refused(poll(&server, &codes), 400, "access_denied").await;
    }
}

#[tokio::test]
async fn user_codes_are_compared_without_case_and_dashes() {
    let Fixture { server, .. } = fixture().await;
    let codes = codes(&server).await;
    let user_code = text(&codes, "user_code");
    for typed in
        [user_code.to_owned(), user_code.replace('-', ""), user_code.to_lowercase(), user_code.replace('-', " ")]
    {
        let page = enter(&mut Browser::new(&server), &typed).await;
        assert!(page.body.contains("<h1>Log in</h1>"), "{typed}");
    }
    // The page shows the code of the URL, and does nothing about it yet.
    let page = Browser::new(&server).get(&format!("/device?user_code={}", user_code.to_lowercase())).await;
    assert!(page.body.contains(&format!("value=\"{user_code}\"")), "{}", page.body);
    let page = Browser::new(&server).get("/device?user_code=%22%3E%3Cscript%3E").await;
    assert!(page.status.is_success() && !page.body.contains("script"), "{}", page.body);
}

#[tokio::test]
async fn whoever_is_logged_in_is_asked_at_once_and_may_switch() {
    let Fixture { server, .. } = fixture().await;
    let (first, second) = (codes(&server).await, codes(&server).await);
    let mut browser = Browser::new(&server);
    consent(&mut browser, &first).await;
    let page = enter(&mut browser, text(&second, "user_code")).await;
    assert!(page.body.contains("You are logged in as <strong>alice</strong>"), "{}", page.body);
    let page = browser.submit(&page, &[("decision", "switch")]).await;
    assert!(page.body.contains("<h1>Log in</h1>"), "{}", page.body);
    let failed = browser.submit(&page, &[("username", "alice"), ("password", "wrong")]).await;
    assert_eq!(failed.status, 403);
    assert!(failed.body.contains("do not belong together") && failed.body.contains("value=\"alice\""));
}

#[tokio::test]
async fn forms_come_from_pages_of_the_same_browser() {
    let Fixture { server, .. } = fixture().await;
    let codes = codes(&server).await;
    let mut browser = Browser::new(&server);
    let consent = consent(&mut browser, &codes).await;
    let fields = [("request", text(&codes, "user_code")), ("decision", "approve"), ("allow.read:leads", "yes")];
    assert_eq!(browser.post("/device", &fields).await.status, 403);
    let wrong: Vec<_> = fields.into_iter().chain([("csrf", "x")]).collect();
    assert_eq!(browser.post("/device", &wrong).await.status, 403);
    let other = Browser::new(&server).submit(&consent, &fields[1..]).await;
    assert_eq!(other.status, 403);
    assert_refused(poll(&server, &codes), 400, "authorization_pending").await;
    let code_page = browser.get("/device").await;
    let done = browser.approve(&consent).await;
    for page in [code_page, other, consent, done] {
        assert_protected(&page);
    }
}

#[tokio::test]
async fn s13_user_codes_cannot_be_guessed() {
    let Fixture { server, clock } = fixture().await;
    let codes = codes(&server).await;
    for wrong in 0..10 {
        // Each from another browser: the limit is not one of a session.
        let page = enter(&mut Browser::new(&server), if wrong % 2 == 0 { "BBBB-BBBB" } else { "no code" }).await;
        assert_eq!(page.status, 403);
        assert!(page.body.contains("not a code that a device shows now"), "{}", page.body);
        clock.advance(Duration::from_secs(1));
    }
    let locked = enter(&mut Browser::new(&server), text(&codes, "user_code")).await;
    assert_eq!((locked.status.as_u16(), locked.header("retry-after")), (429, Some("300")));
    assert!(locked.body.contains("too many wrong codes"), "{}", locked.body);

    clock.advance(Duration::from_secs(289));
    assert_eq!(enter(&mut Browser::new(&server), text(&codes, "user_code")).await.status, 429);
    clock.advance(Duration::from_secs(1));
    assert_eq!(enter(&mut Browser::new(&server), text(&codes, "user_code")).await.status, 200);
}

#[tokio::test]
async fn s13_a_clock_that_is_put_back_locks_nobody_out() {
    let Fixture { server, clock } = fixture().await;
    for _ in 0..10 {
        enter(&mut Browser::new(&server), "BBBB-BBBB").await;
    }
    clock.set_wall(clock.now().map(|now| now.saturating_sub(Duration::from_secs(3_600))));
    let codes = codes(&server).await;
    assert_eq!(enter(&mut Browser::new(&server), text(&codes, "user_code")).await.status, 200);
}

#[tokio::test]
async fn s13_codes_expire() {
    let Fixture { server, clock } = fixture().await;
    let (unused, approved) = (codes(&server).await, codes(&server).await);
    let mut browser = Browser::new(&server);
    let consent = consent(&mut browser, &approved).await;
    browser.approve(&consent).await;
    clock.advance(Duration::from_secs(600));
    assert_eq!(enter(&mut browser, text(&unused, "user_code")).await.status, 403);
    assert_refused(poll(&server, &unused), 400, "expired_token").await;
    assert_refused(poll(&server, &approved), 400, "expired_token").await;
}

#[tokio::test]
async fn s13_fast_polling_is_slowed_down() {
    let Fixture { server, clock } = fixture().await;
    let codes = codes(&server).await;
    // Seconds to wait, and what is heard then: each `slow_down` makes the interval five seconds longer.
    for (wait, heard) in [
        (0, "authorization_pending"),
        (4, "slow_down"),
        (9, "slow_down"),
        (15, "authorization_pending"),
        (14, "slow_down"),
        (20, "authorization_pending"),
    ] {
        clock.advance(Duration::from_secs(wait));
        assert_refused(poll(&server, &codes), 400, heard).await;
    }
}

#[tokio::test]
async fn s13_a_device_code_is_good_once_and_for_its_client() {
    let Fixture { server, .. } = fixture().await;
    let codes = codes(&server).await;
    let mut browser = Browser::new(&server);
    let consent = consent(&mut browser, &codes).await;
    browser.approve(&consent).await;
    assert_refused(poll_as(&server, "radio", &codes), 400, "invalid_grant").await;
    assert_refused(poll_as(&server, "phone", &codes), 400, "unauthorized_client").await;
    assert_refused(poll(&server, &json!({ "device_code": "x" })), 400, "invalid_grant").await;

    let tokens = answer(poll(&server, &codes)).await;
    let token = text(&tokens, "access_token");
    assert!(is_active(&server, token).await);
    assert_refused(poll(&server, &codes), 400, "invalid_grant").await;
    assert!(!is_active(&server, token).await, "what the first use brought is revoked");
    let refresh =
        [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token")), ("client_id", "tv")];
    assert_refused(unauthenticated(&server, &refresh), 400, "invalid_grant").await;
}

#[tokio::test]
async fn s13_a_device_is_decided_about_once() {
    let Fixture { server, .. } = fixture().await;
    let codes = codes(&server).await;
    let (mut first, mut second) = (Browser::new(&server), Browser::new(&server));
    let (deny, allow) = (consent(&mut first, &codes).await, consent(&mut second, &codes).await);
    first.submit(&deny, &[("decision", "deny")]).await;
    let late = second.approve(&allow).await;
    assert!(late.body.contains("not a code that a device shows now"), "{}", late.body);
    assert_refused(poll(&server, &codes), 400, "access_denied").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_polls_at_once_bring_one_token() {
    let Fixture { server, .. } = fixture().await;
    server.script_device([DevicePoll::Approve { username: "alice".to_owned() }]).unwrap();
    let codes = codes(&server).await;
    let polls = (0..50).map(|_| tokio::spawn(poll(&server, &codes).send())).collect::<Vec<_>>();
    let mut good = 0;
    for poll in polls {
        good += usize::from(poll.await.unwrap().unwrap().status() == 200);
    }
    assert_eq!(good, 1);
}

#[tokio::test]
async fn s13_what_a_script_decided_stays_decided() {
    let Fixture { server, .. } = fixture().await;
    server.script_device([DevicePoll::Approve { username: "alice".to_owned() }]).unwrap();
    let codes = codes(&server).await;
    let mut browser = Browser::new(&server);
    let consent = consent(&mut browser, &codes).await;
    let tokens = answer(poll(&server, &codes)).await;
    assert_eq!(browser.approve(&consent).await.status, StatusCode::FORBIDDEN);
    assert!(is_active(&server, text(&tokens, "access_token")).await);
    assert_refused(poll(&server, &codes), 400, "invalid_grant").await;
    assert!(!is_active(&server, text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn scripts_for_devices_can_be_forgotten_in_rust_and_over_http() {
    let server = user_builder().client(television("tv")).admin().start().await.unwrap();
    let script = || server.script_device([DevicePoll::Approve { username: "alice".to_owned() }]).unwrap();
    script();
    server.clear_scripted_devices();
    assert_refused(poll(&server, &codes(&server).await), 400, "authorization_pending").await;
    script();
    let url = format!("{}/devices/next", server.admin_url().unwrap());
    assert_eq!(client().delete(url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_refused(poll(&server, &codes(&server).await), 400, "authorization_pending").await;
}

#[tokio::test]
async fn s13_no_script_revives_a_code_that_was_used() {
    let Fixture { server, .. } = fixture().await;
    let approve = || DevicePoll::Approve { username: "alice".to_owned() };
    server.script_device([approve(), approve()]).unwrap();
    let codes = codes(&server).await;
    let tokens = answer(poll(&server, &codes)).await;
    assert_refused(poll(&server, &codes), 400, "invalid_grant").await;
    assert!(!is_active(&server, text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn a_device_may_ask_for_one_of_its_audiences() {
    let other = "https://other.example.com";
    let tv = television("set").audience(other);
    let server = user_builder().client(tv).start().await.unwrap();
    server.script_device([DevicePoll::Approve { username: "alice".to_owned() }]).unwrap();
    let codes = answer(ask(&server, &[("client_id", "set")])).await;
    let poll = |resource: &'static str| {
        let device_code = text(&codes, "device_code");
        let form =
            [("grant_type", GRANT_TYPE), ("device_code", device_code), ("client_id", "set"), ("resource", resource)];
        unauthenticated(&server, &form)
    };
    assert_refused(poll("https://third.example.com"), 400, "invalid_target").await;
    let tokens = answer(poll(other)).await;
    assert_eq!(claims_of(text(&tokens, "access_token"))["aud"], other);
}

#[tokio::test]
async fn with_devices_alone_there_is_userinfo() {
    let tv = Client::public("tv").scopes(["openid"]).audience(AUDIENCE).device();
    let alice = User::new("alice", PASSWORD);
    let server = AuthorizationServer::builder().client(tv).user(alice).start().await.unwrap();
    let userinfo = text(&server.metadata(), "userinfo_endpoint").to_owned();
    assert_eq!(client().get(userinfo).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn only_clients_for_devices_may_ask() {
    let Fixture { server, .. } = fixture().await;
    assert_refused(ask(&server, &[("client_id", "phone")]), 400, "unauthorized_client").await;
    assert_refused(ask(&server, &[("client_id", "nobody")]), 401, "invalid_client").await;
    assert_refused(ask(&server, &[]), 401, "invalid_client").await;
    assert_refused(ask(&server, &[("client_id", "tv"), ("scope", "admin")]), 400, "invalid_scope").await;
    assert_refused(ask(&server, &[("client_id", "tv"), ("resource", "https://x")]), 400, "invalid_target").await;
    assert_refused(
        unauthenticated(&server, &[("grant_type", GRANT_TYPE), ("client_id", "tv")]),
        400,
        "invalid_request",
    )
    .await;
}

#[tokio::test]
async fn polls_are_scripted_in_rust_and_over_http() {
    let Fixture { server, .. } = fixture().await;
    let approve = DevicePoll::Approve { username: "alice".to_owned() };
    server.script_device([DevicePoll::Pending, DevicePoll::SlowDown, DevicePoll::Pending, approve]).unwrap();
    server.script_device([DevicePoll::Deny]).unwrap();
    let url = format!("{}/devices/next", server.admin_url().unwrap());
    let script = |polls: Value| client().post(&url).json(&json!({ "polls": polls }));
    assert_eq!(script(json!(["pending", "expire"])).send().await.unwrap().status(), 204);
    let refused: Value =
        script(json!([{ "approve": { "username": "nobody" } }])).send().await.unwrap().json().await.unwrap();
    assert_eq!(refused["error"], "unusable_script");
    let nobody = DevicePoll::Approve { username: "nobody".to_owned() };
    assert_eq!(server.script_device([nobody]), Err(ScriptError::NoSuchUser { username: "nobody".to_owned() }));

    let first = codes(&server).await;
    for heard in ["authorization_pending", "slow_down", "authorization_pending"] {
        assert_refused(poll(&server, &first), 400, heard).await;
    }
    assert_eq!(answer(poll(&server, &first)).await["scope"], "read:leads write:leads");
    assert_refused(poll(&server, &codes(&server).await), 400, "access_denied").await;
    let third = codes(&server).await;
    for heard in ["authorization_pending", "expired_token", "expired_token"] {
        assert_refused(poll(&server, &third), 400, heard).await;
    }
    assert_refused(poll(&server, &codes(&server).await), 400, "authorization_pending").await;
}

#[tokio::test]
async fn lifetime_and_interval_can_be_set() {
    let builder = with_televisions(user_builder()).device_code_lifetime(Duration::from_secs(60));
    let server = builder.device_poll_interval(Duration::ZERO).start().await.unwrap();
    let codes = codes(&server).await;
    assert_eq!((&codes["expires_in"], &codes["interval"]), (&json!(60), &json!(0)));
    for _ in 0..3 {
        assert_refused(poll(&server, &codes), 400, "authorization_pending").await;
    }
}
