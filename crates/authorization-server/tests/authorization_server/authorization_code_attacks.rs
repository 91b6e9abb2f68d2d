//! What the authorization code flow refuses, by the ids of the catalogue of attacks.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{StatusCode, header};
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer_authorization_server::{Client, Endpoint, Fault, User};

use crate::browser::{
    Browser, CALLBACK, CHALLENGE, PASSWORD, REQUEST, VERIFIER, answer, code, is_active, redeem, redeem_with, refresh,
    request_with, text, user_builder, user_server, web,
};
use crate::support::{AUDIENCE, assert_refused, basic, builder, unauthenticated};

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
async fn s04_a_verifier_that_cannot_be_one_is_refused_though_it_fits() {
    let server = user_server().await;
    let spaced = format!("{} {}", "x".repeat(21), "x".repeat(21));
    for verifier in ["x".repeat(42), "x".repeat(129), spaced] {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let (mut browser, consent) =
            Browser::logged_in(&server, &request_with(&[("code_challenge", &challenge)])).await;
        let code = browser.approve(&consent).await.code();
        let parameters = [("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", &verifier)];
        assert_refused(redeem_with(&server, &parameters), 400, "invalid_grant").await;
    }
}

#[tokio::test]
async fn s05_another_client_ends_nothing_by_a_replay() {
    let other = Client::new("other", "s3cret").audience(AUDIENCE).redirect_uri(CALLBACK);
    let server = user_builder().client(other).start().await.unwrap();
    let code = code(&server).await;
    let first = answer(redeem(&server, &code)).await;
    let second = answer(refresh(&server, text(&first, "refresh_token"), &[])).await;
    let spent_refresh = text(&first, "refresh_token");
    for form in [
        [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", CALLBACK),
        ],
        [("grant_type", "refresh_token"), ("refresh_token", spent_refresh), ("code", ""), ("redirect_uri", "")],
    ] {
        let request = unauthenticated(&server, &form).header(header::AUTHORIZATION, basic("other", "s3cret"));
        assert_refused(request, 400, "invalid_grant").await;
    }
    assert!(is_active(&server, text(&second, "access_token")).await);
    answer(refresh(&server, text(&second, "refresh_token"), &[])).await;
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
    // The grants have no point between taking and recording at which anything could fail: random numbers come before
    // the lock, what follows is in memory, without await, and a signature that cannot fail. What can fail is the
    // answer.
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
