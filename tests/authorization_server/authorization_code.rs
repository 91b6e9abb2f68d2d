//! Authorization code with PKCE: RFC 6749 §4.1, RFC 7636, RFC 9207, from the request to the token.

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde_json::json;
use tower_bearer::authorization_server::{Client, Endpoint, Fault, User};
use tower_bearer::time::{ManualClock, UnixTime};

use crate::browser::{
    Browser, CALLBACK, CHALLENGE, PASSWORD, REQUEST, VERIFIER, answer, code, introspect, is_active, redeem,
    redeem_with, refresh, request_with, text, tokens, user_builder, user_server, web,
};
use crate::support::{
    AUDIENCE, assert_refused, basic, builder, claims_of, get_json, token_request, unauthenticated, verify,
};

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
    let login = browser.post("/authorize", &REQUEST).await;
    let consent = browser.log_in(&login).await;
    assert!(!browser.approve(&consent).await.code().is_empty());
}

#[tokio::test]
async fn s01_redirect_uris_that_are_not_the_clients_own_stay_here() {
    let extra = Client::new("native", "native-secret").audience(AUDIENCE).redirect_uri("http://127.0.0.1/cb");
    let server = user_builder().client(extra).start().await.unwrap();
    let refused = async |client: &str, uri: &str| {
        let request = request_with(&[("client_id", client), ("redirect_uri", uri), ("scope", "")]);
        let page = Browser::new(&server).authorize(&request).await;
        assert_eq!((page.status, &page.location), (StatusCode::BAD_REQUEST, &None), "{uri}");
        assert!(page.body.contains("redirect_uri is not one of the client&#39;s own"), "{}", page.body);
        assert!(!page.body.contains("evil") && page.header("set-cookie").is_none());
    };
    for uri in [
        "https://app.example.com/callback/",
        "https://app.example.com/callback/x",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/callback#x",
        "https://app.example.com/callback/../evil",
        "https://app.example.com/%2e%2e/callback",
        "https://app.example.com/callbac%6b",
        "https://app.example.com@evil.example/callback",
        "https://evil.example@app.example.com/callback",
        "https://app.example.com.evil.example/callback",
        "https://app.example.com:443/callback",
        "https://APP.example.com/callback",
        "http://app.example.com/callback",
        "//app.example.com/callback",
        "//evil.example",
        "/callback",
        "https:/app.example.com/callback",
        "https:\\\\app.example.com\\callback",
        "https://app.example.com\\@evil.example/callback",
        "https://app.example.com/callback\t",
        "https://app.example.com/call\nback",
        " https://app.example.com/callback",
        "https://app\u{3002}example.com/callback",
        "https://*.example.com/callback",
        "javascript:alert(1)",
        "data:text/html,evil",
        "com.evil.app:/callback",
    ] {
        refused("web", uri).await;
    }
    for uri in [
        "http://127.0.0.1/other",
        "http://localhost/cb",
        "http://[::1]/cb",
        "http://2130706433/cb",
        "http://127.1/cb",
        "http://127.0.0.1:1@evil.example/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1.evil.example/cb",
        "https://127.0.0.1/cb",
    ] {
        refused("native", uri).await;
    }
    let native = [("client_id", "native"), ("redirect_uri", "http://127.0.0.1:49152/cb"), ("scope", "")];
    let (mut browser, consent) = Browser::logged_in(&server, &request_with(&native)).await;
    let back = browser.approve(&consent).await;
    assert!(back.location.unwrap().starts_with("http://127.0.0.1:49152/cb?code="));
}

#[tokio::test]
async fn s02_the_redirect_uri_is_named_and_stays_the_same() {
    let two = Client::new("two", "s3cret").audience(AUDIENCE).redirect_uri("https://a/cb").redirect_uri("https://b/cb");
    let server = user_builder().client(two).start().await.unwrap();
    let request = request_with(&[("client_id", "two"), ("redirect_uri", ""), ("scope", "")]);
    let page = Browser::new(&server).authorize(&request).await;
    assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None));

    let verifier = ("code_verifier", VERIFIER);
    for other in [&[][..], &[("redirect_uri", "https://app.example.com/other")]] {
        let code = code(&server).await;
        let parameters: Vec<_> = other.iter().copied().chain([("code", code.as_str()), verifier]).collect();
        assert_refused(redeem_with(&server, &parameters), 400, "invalid_grant").await;
    }

    // With one place registered, neither request has to name it; both name it, or none does.
    let (mut browser, consent) = Browser::logged_in(&server, &request_with(&[("redirect_uri", "")])).await;
    let code = browser.approve(&consent).await.code();
    let named = [("code", code.as_str()), verifier, ("redirect_uri", CALLBACK)];
    assert_refused(redeem_with(&server, &named), 400, "invalid_grant").await;
    answer(redeem_with(&server, &[("code", &code), verifier])).await;
}

#[tokio::test]
async fn s03_repeated_parameters_are_refused() {
    let server = user_server().await;
    for repeated in ["client_id", "redirect_uri", "code_challenge", "scope", "state", "unknown"] {
        let request: Vec<_> = REQUEST.into_iter().chain([(repeated, "x"), (repeated, "x")]).collect();
        let page = Browser::new(&server).authorize(&request).await;
        assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None), "{repeated}");
        let page = Browser::new(&server).post("/authorize", &request).await;
        assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None), "{repeated}");
    }
    let code = code(&server).await;
    for repeated in [("code", code.as_str()), ("code_verifier", VERIFIER), ("redirect_uri", CALLBACK)] {
        let good = [("code", code.as_str()), ("code_verifier", VERIFIER), ("redirect_uri", CALLBACK), repeated];
        assert_refused(redeem_with(&server, &good), 400, "invalid_request").await;
    }
}

#[tokio::test]
async fn s04_pkce_is_required_by_sha_256_and_checked() {
    let server = user_server().await;
    for (changes, description) in [
        (&[("code_challenge", "")][..], "code_challenge is missing (PKCE)"),
        (&[("code_challenge", ""), ("code_challenge_method", "")], "code_challenge is missing (PKCE)"),
        (&[("code_challenge_method", "")], "code_challenge_method is not S256"),
        (&[("code_challenge_method", "plain")], "code_challenge_method is not S256"),
        (&[("code_challenge_method", "s256")], "code_challenge_method is not S256"),
        (&[("code_challenge", "short")], "code_challenge is not the base64url text of a SHA-256 digest"),
        (
            &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")],
            "code_challenge is not the base64url text of a SHA-256 digest",
        ),
        (
            &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")],
            "code_challenge is not the base64url text of a SHA-256 digest",
        ),
    ] {
        let back = Browser::new(&server).authorize(&request_with(changes)).await;
        assert_eq!(back.parameter("error").as_deref(), Some("invalid_request"), "{changes:?}");
        assert_eq!(back.parameter("error_description").as_deref(), Some(description));
    }

    let code = code(&server).await;
    let (short, long) = ("x".repeat(42), "x".repeat(129));
    let wrong = ["", "x", CHALLENGE, &short, &long, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"];
    for verifier in wrong.into_iter().chain(["dBjftJeZ4CVP mB92K27uhbUJU1p1r_wW1gFWFOEjXk"]) {
        let parameters = [("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", verifier)];
        assert_refused(redeem_with(&server, &parameters), 400, "invalid_grant").await;
    }
    answer(redeem(&server, &code)).await;
}

#[tokio::test]
async fn s05_code_replay_revokes_what_it_issued() {
    let server = user_server().await;
    let code = code(&server).await;
    let tokens = answer(redeem(&server, &code)).await;
    let next = answer(refresh(&server, text(&tokens, "refresh_token"), &[])).await;
    let others = answer(redeem(&server, &crate::browser::code(&server).await)).await;
    for token in [&tokens, &next, &others] {
        assert!(is_active(&server, text(token, "access_token")).await);
    }

    // Without the verifier, as whoever saw the code in a log has it.
    assert_refused(redeem_with(&server, &[("code", &code)]), 400, "invalid_grant").await;
    assert_refused(redeem(&server, &code), 400, "invalid_grant").await;
    for token in [&tokens, &next] {
        assert!(!is_active(&server, text(token, "access_token")).await);
        assert_refused(refresh(&server, text(token, "refresh_token"), &[]), 400, "invalid_grant").await;
    }
    assert!(is_active(&server, text(&others, "access_token")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s05_a_code_is_redeemed_once_however_many_try() {
    let server = user_server().await;
    let code = code(&server).await;
    let tries = (0..50).map(|_| tokio::spawn(redeem(&server, &code).send()));
    let mut statuses = Vec::new();
    for tried in tries.collect::<Vec<_>>() {
        statuses.push(tried.await.unwrap().unwrap().status());
    }
    let won = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    let lost = statuses.iter().filter(|status| **status == StatusCode::BAD_REQUEST).count();
    assert_eq!((won, lost), (1, 49));
}

#[tokio::test]
async fn s05_codes_expire_and_belong_to_one_client() {
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let other = Client::new("other", "s3cret").audience(AUDIENCE).redirect_uri(CALLBACK);
    let server = user_builder().client(other).clock(clock.clone()).start().await.unwrap();
    let mine = code(&server).await;
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", mine.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let request = unauthenticated(&server, &parameters).header(header::AUTHORIZATION, basic("other", "s3cret"));
    assert_refused(request, 400, "invalid_grant").await;

    clock.advance(Duration::from_secs(59));
    let last = code(&server).await;
    answer(redeem(&server, &mine)).await;
    clock.advance(Duration::from_secs(60));
    assert_refused(redeem(&server, &last), 400, "invalid_grant").await;
    for unknown in ["", "x", CHALLENGE] {
        let error = if unknown.is_empty() { "invalid_request" } else { "invalid_grant" };
        assert_refused(redeem(&server, unknown), 400, error).await;
    }
}

#[tokio::test]
async fn s09_other_response_types_and_request_objects_are_refused() {
    let server = user_server().await;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "id_token", "unsupported_response_type"),
        ("response_type", "code token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "none", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("response_mode", "form_post", "invalid_request"),
        ("request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported"),
        ("request", "{\"client_id\":\"web\"}", "request_not_supported"),
        ("request_uri", "http://127.0.0.1:1/x", "request_uri_not_supported"),
        ("request_uri", "file:///etc/passwd", "request_uri_not_supported"),
        ("scope", "admin", "invalid_scope"),
        ("scope", "read:leads  write:leads", "invalid_scope"),
        ("resource", "https://other.example.com", "invalid_target"),
    ] {
        let back = Browser::new(&server).authorize(&request_with(&[(name, value)])).await;
        assert_eq!(back.status, StatusCode::SEE_OTHER);
        assert!(back.location.as_ref().unwrap().starts_with("https://app.example.com/callback?error="));
        assert_eq!(back.parameter("error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(back.parameter("iss").as_deref(), Some(server.issuer()));
        assert_eq!(back.parameter("state").as_deref(), Some("st&te=1"));
    }

    // Nor does a form bring back what the first request was refused: it is read again.
    let (mut browser, consent) = Browser::logged_in(&server, &REQUEST).await;
    let fields: Vec<_> = consent.hidden_fields();
    let tampered = |from: &str, to: &str| -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| (name.clone(), value.replace(from, to))).collect()
    };
    for (from, to, error) in [
        ("response_type=code", "response_type=token", Some("unsupported_response_type")),
        ("write%3Aleads", "admin", Some("invalid_scope")),
        ("app.example.com", "evil.example", None),
    ] {
        let fields = tampered(from, to);
        let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend([("decision", "approve"), ("allow.read:leads", "yes"), ("allow.admin", "yes")]);
        let back = browser.post("/consent", &fields).await;
        match error {
            Some(error) => assert_eq!(back.parameter("error").as_deref(), Some(error)),
            None => assert_eq!((back.status, back.location), (StatusCode::BAD_REQUEST, None)),
        }
    }
}

#[tokio::test]
async fn s17_a_lost_answer_leaves_no_half_state() {
    // The grants have no point between taking and recording at which anything could fail: random numbers come before the
    // lock, what follows is in memory, without await, and a signature that cannot fail. What can fail is the answer.
    let patient = web().refresh_grace(Duration::from_secs(30));
    let server = builder().client(patient).user(User::new("alice", PASSWORD));
    let server = server.start().await.unwrap();
    let code = code(&server).await;
    let first = answer(redeem(&server, &code)).await;

    for fault in [Fault::Disconnect, Fault::status(503)] {
        server.misbehave(Endpoint::Token, fault.clone()).unwrap();
        let lost = refresh(&server, text(&first, "refresh_token"), &[]).send().await.unwrap();
        assert!(fault != Fault::Disconnect || lost.bytes().await.is_err());
        server.behave(Endpoint::Token);
    }
    let again = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    assert!(is_active(&server, text(&again, "access_token")).await);

    // A code has no grace: the client starts again, and what the lost answer had in it is worth nothing.
    let code = crate::browser::code(&server).await;
    server.misbehave(Endpoint::Token, Fault::Disconnect).unwrap();
    assert!(redeem(&server, &code).send().await.unwrap().bytes().await.is_err());
    server.behave(Endpoint::Token);
    assert_refused(redeem(&server, &code), 400, "invalid_grant").await;
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
