//! Authorization code with PKCE: RFC 6749 §4.1, RFC 7636, RFC 9207, from the request to the token.

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde_json::json;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{Client, Endpoint};

use crate::browser::{
    Browser, CALLBACK, REQUEST, VERIFIER, answer, introspect, redeem, request_with, text, tokens, user_builder,
    user_server,
};
use crate::support::{assert_refused, basic, claims_of, get_json, token_request, unauthenticated, verify};

#[tokio::test]
async fn a_user_logs_in_consents_and_the_client_gets_tokens() {
    let server = user_server().await;
    let mut browser = Browser::new(&server);
    let login = browser.authorize(&REQUEST).await;
    assert_eq!(login.status, StatusCode::OK);
    assert!(login.body.contains("<h1>Log in</h1>") && login.body.contains("Lead reports"));

    let consent = browser.log_in(&login).await;
    assert!(consent.body.contains("Lead reports") && consent.body.contains("Read your leads"), "{}", consent.body);
    assert!(consent.body.contains("write:leads") && consent.body.contains("app.example.com"));
    assert_eq!(consent.checkboxes(), ["allow.read:leads", "allow.write:leads"]);

    let back = browser.approve(&consent).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert!(back.location.as_ref().unwrap().starts_with("https://app.example.com/callback?code="));
    assert_eq!(back.parameter("state").as_deref(), Some("st&te=1"));
    assert_eq!(back.parameter("iss").as_deref(), Some(server.issuer()));

    let tokens = answer(redeem(&server, &back.code())).await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], "read:leads write:leads");
    let claims = verify(&server, text(&tokens, "access_token")).await.unwrap();
    assert_eq!(claims["sub"], "user-1");
    assert_eq!(claims["client_id"], "web");
    assert_eq!(claims["scope"], "read:leads write:leads");
    assert!(claims["auth_time"].as_u64().unwrap() <= claims["iat"].as_u64().unwrap());
    let counts = [Endpoint::Authorization, Endpoint::Login, Endpoint::Consent, Endpoint::Token];
    assert_eq!(counts.map(|endpoint| server.requests(endpoint)), [2, 1, 1, 1]);
}

#[tokio::test]
async fn a_public_client_needs_no_secret() {
    let server = user_server().await;
    let request = request_with(&[("client_id", "phone"), ("redirect_uri", "com.example.app:/cb"), ("scope", "")]);
    let (mut browser, consent) = Browser::logged_in(&server, &request).await;
    let code = browser.approve(&consent).await.code();
    let own = [("grant_type", "authorization_code"), ("client_id", "phone"), ("redirect_uri", "com.example.app:/cb")];
    let request = |verifier| {
        let parameters: Vec<_> =
            own.into_iter().chain([("code", code.as_str()), ("code_verifier", verifier)]).collect();
        unauthenticated(&server, &parameters)
    };
    let wrong = "x".repeat(43);
    assert_refused(request(&wrong), 400, "invalid_grant").await;
    let tokens = answer(request(VERIFIER)).await;
    assert_eq!(claims_of(text(&tokens, "access_token"))["scope"], "read:leads");

    // It cannot have tokens of its own, nor another's secret.
    let grant = [("grant_type", "client_credentials"), ("client_id", "phone")];
    assert_refused(unauthenticated(&server, &grant), 400, "unauthorized_client").await;
    for secret in ["", "x"] {
        let request = unauthenticated(&server, &grant).header(header::AUTHORIZATION, basic("phone", secret));
        assert_refused(request, 401, "invalid_client").await;
    }
}

#[tokio::test]
async fn a_client_without_redirect_uri_asks_no_users() {
    let server = user_server().await;
    let page = Browser::new(&server).authorize(&request_with(&[("client_id", "app")])).await;
    assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None));
    for grant in ["authorization_code", "refresh_token"] {
        assert_refused(token_request(&server, &[("grant_type", grant)]), 400, "unauthorized_client").await;
    }
}

#[tokio::test]
async fn denial_and_a_part_of_the_scopes() {
    let server = user_server().await;
    let (mut browser, consent) = Browser::logged_in(&server, &REQUEST).await;
    for refusal in [&[("decision", "deny"), ("allow.read:leads", "yes")][..], &[("decision", "approve")], &[]] {
        let back = browser.submit(&consent, refusal).await;
        assert_eq!(back.parameter("error").as_deref(), Some("access_denied"));
        assert_eq!(back.parameter("state").as_deref(), Some("st&te=1"));
        assert_eq!(back.parameter("iss").as_deref(), Some(server.issuer()));
        assert_eq!(back.parameter("code"), None);
    }
    let part = [("decision", "approve"), ("allow.write:leads", "yes"), ("allow.admin", "yes")];
    let code = browser.submit(&consent, &part).await.code();
    assert_eq!(answer(redeem(&server, &code)).await["scope"], "write:leads");
}

#[tokio::test]
async fn the_user_is_asked_each_time_and_can_change() {
    let server = user_server().await;
    let (mut browser, consent) = Browser::logged_in(&server, &REQUEST).await;
    browser.approve(&consent).await.code();
    let again = browser.authorize(&REQUEST).await;
    assert_eq!(again.checkboxes().len(), 2);

    let switched = browser.submit(&again, &[("decision", "switch")]).await;
    let login = browser.get(switched.location.as_deref().unwrap()).await;
    assert!(login.body.contains("<h1>Log in</h1>"));
}

#[tokio::test]
async fn prompts_and_max_age_decide_about_a_new_login() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = user_builder().clock(clock.clone()).start().await.unwrap();
    let mut browser = Browser::new(&server);
    let error = browser.authorize(&request_with(&[("prompt", "none")])).await.parameter("error");
    assert_eq!(error.as_deref(), Some("login_required"));

    let login = browser.authorize(&REQUEST).await;
    browser.log_in(&login).await;
    let error = browser.authorize(&request_with(&[("prompt", "none")])).await.parameter("error");
    assert_eq!(error.as_deref(), Some("consent_required"));

    clock.advance(Duration::from_secs(60));
    assert_eq!(browser.authorize(&request_with(&[("max_age", "60")])).await.checkboxes().len(), 2);
    clock.advance(Duration::from_secs(1));
    for change in [("max_age", "60"), ("max_age", "0"), ("prompt", "login"), ("prompt", "select_account consent")] {
        let login = browser.authorize(&request_with(&[change])).await;
        assert!(login.body.contains("<h1>Log in</h1>"), "{change:?}");
        // Once is enough.
        assert_eq!(browser.log_in(&login).await.checkboxes().len(), 2, "{change:?}");
        clock.advance(Duration::from_secs(61));
    }
    for change in [("prompt", "none login"), ("prompt", "create"), ("max_age", "soon"), ("max_age", "-1")] {
        let error = browser.authorize(&request_with(&[change])).await.parameter("error");
        assert_eq!(error.as_deref(), Some("invalid_request"), "{change:?}");
    }
}

#[tokio::test]
async fn a_login_that_was_asked_for_is_good_for_one_decision() {
    let server = user_server().await;
    for change in [("max_age", "0"), ("prompt", "login")] {
        for decision in ["approve", "deny"] {
            let request = request_with(&[change]);
            let (mut browser, consent) = Browser::logged_in(&server, &request).await;
            let decided = browser.submit(&consent, &[("decision", decision), ("allow.read:leads", "yes")]).await;
            assert!(decided.location.unwrap().starts_with(CALLBACK));
            let again = browser.authorize(&request).await;
            assert!(again.body.contains("<h1>Log in</h1>"), "{change:?} {decision}");
        }
    }
}

#[tokio::test]
async fn a_form_that_was_open_too_long_brings_no_code() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = user_builder().clock(clock.clone()).start().await.unwrap();
    let (mut browser, _) = Browser::logged_in(&server, &REQUEST).await;
    let consent = browser.authorize(&request_with(&[("max_age", "60")])).await;
    clock.advance(Duration::from_secs(61));
    let sent = browser.approve(&consent).await;
    assert!(sent.location.unwrap().starts_with("/authorize?"));
}

#[tokio::test]
async fn sessions_end() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let server = user_builder().clock(clock.clone()).start().await.unwrap();
    let (mut browser, consent) = Browser::logged_in(&server, &REQUEST).await;
    clock.advance(Duration::from_secs(8 * 3600));
    let sent = browser.approve(&consent).await;
    let login = browser.get(sent.location.as_deref().unwrap()).await;
    assert!(login.body.contains("<h1>Log in</h1>"));
}

#[tokio::test]
async fn a_wrong_password_shows_the_page_again() {
    let server = user_server().await;
    let mut browser = Browser::new(&server);
    let login = browser.authorize(&request_with(&[("login_hint", "\"><script>alice")])).await;
    assert!(login.body.contains("value=\"&#34;&#62;&#60;script&#62;alice\""), "{}", login.body);
    for (username, password) in [("alice", "wrong"), ("nobody", "wrong"), ("", ""), ("alice", ""), ("nobody", "")] {
        let again = browser.submit(&login, &[("username", username), ("password", password)]).await;
        assert_eq!(again.status, StatusCode::FORBIDDEN);
        assert!(again.body.contains("do not belong together") && !again.body.contains("wrong\""));
        assert!(again.body.contains(&format!("value=\"{username}\"")));
    }
    assert_eq!(browser.log_in(&login).await.checkboxes().len(), 2);
}

#[tokio::test]
async fn metadata_names_what_there_is_for_users() {
    let server = user_builder().authorize_path("/oauth2/auth").token_path("/oauth2/token").start().await.unwrap();
    let issuer = server.issuer();
    let metadata = get_json(&format!("{issuer}/.well-known/oauth-authorization-server")).await;
    let expected = json!({
        "authorization_endpoint": format!("{issuer}/oauth2/auth"),
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&metadata[member], value, "{member}");
    }
    assert!(verify(&server, text(&tokens(&server).await, "access_token")).await.is_ok());
}

#[tokio::test]
async fn a_path_in_the_issuer_moves_the_pages_too() {
    let server = user_builder().issuer_path("/tenant").start().await.unwrap();
    assert!(verify(&server, text(&tokens(&server).await, "access_token")).await.is_ok());
}

#[tokio::test]
async fn a_request_by_post_is_the_same() {
    let server = user_server().await;
    let mut browser = Browser::new(&server);
    let sent = browser.post("/authorize", &REQUEST).await;
    // Another site's form comes without the cookie: the browser keeps the one it has.
    assert_eq!((sent.status, sent.header("set-cookie")), (StatusCode::SEE_OTHER, None));
    let login = browser.get(sent.location.as_deref().unwrap()).await;
    let consent = browser.log_in(&login).await;
    assert!(!browser.approve(&consent).await.code().is_empty());
    assert_eq!(browser.post("/authorize", &[("client_id", "nobody")]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn resources_become_the_audience() {
    let wide = Client::new("wide", "s3cret").audience("https://one").audience("https://two").redirect_uri(CALLBACK);
    let server = user_builder().client(wide).start().await.unwrap();
    let as_wide = |parameters: &[(&str, &str)]| {
        unauthenticated(&server, parameters).header(header::AUTHORIZATION, basic("wide", "s3cret"))
    };
    let grant = ("grant_type", "client_credentials");
    let one = answer(as_wide(&[grant, ("resource", "https://two")])).await;
    assert_eq!(claims_of(text(&one, "access_token"))["aud"], "https://two");
    let both = answer(as_wide(&[grant, ("resource", "https://two"), ("resource", "https://one")])).await;
    assert_eq!(claims_of(text(&both, "access_token"))["aud"], json!(["https://two", "https://one"]));
    assert_refused(as_wide(&[grant, ("resource", "https://three")]), 400, "invalid_target").await;

    let request = [("client_id", "wide"), ("scope", ""), ("resource", "https://one")];
    let (mut browser, consent) = Browser::logged_in(&server, &request_with(&request)).await;
    let code = browser.approve(&consent).await.code();
    let exchange = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
    let exchange: Vec<_> = exchange.into_iter().chain([("code_verifier", VERIFIER)]).collect();
    let wider: Vec<_> = exchange.iter().copied().chain([("resource", "https://two")]).collect();
    assert_refused(as_wide(&wider), 400, "invalid_target").await;
    let tokens = answer(as_wide(&exchange)).await;
    assert_eq!(claims_of(text(&tokens, "access_token"))["aud"], "https://one");
    assert_eq!(introspect(&server, text(&tokens, "access_token")).await["aud"], json!(["https://one"]));
}
