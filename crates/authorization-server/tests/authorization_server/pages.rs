//! The pages: what protects them, and that nothing that was sent is in them as it came.

use reqwest::StatusCode;
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Certificate, Client};

use crate::browser::{Browser, CALLBACK, PASSWORD, Page, REQUEST, request_with, user_builder, user_server};

#[tokio::test]
async fn s10_pages_cannot_be_framed_kept_or_scripted() {
    let server = user_server().await;
    let mut browser = Browser::new(&server);
    let login = browser.authorize(&REQUEST).await;
    let failed = browser.submit(&login, &[("username", "alice"), ("password", "x")]).await;
    let consent = browser.log_in(&login).await;
    let refusal = browser.authorize(&[]).await;
    for (page, target) in [
        (&login, " https://app.example.com"),
        (&failed, " https://app.example.com"),
        (&consent, " https://app.example.com"),
        (&refusal, ""),
    ] {
        assert_protected(page);
        let policy = page.header("content-security-policy").unwrap();
        let style = policy.split("style-src ").nth(1).unwrap().split(';').next().unwrap();
        assert!(style.starts_with("'sha256-"));
        let expected = format!(
            "default-src 'none'; style-src {style}; form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(policy, expected);
        for required in ["<html lang=\"en\">", "<title>", "name=\"viewport\"", "<main>", "prefers-color-scheme: dark"] {
            assert!(page.body.contains(required), "{required}");
        }
        assert!(!page.body.contains("<script") && !page.body.contains("style=") && !page.body.contains("src="));
    }
    for labelled in ["username", "password"] {
        assert!(login.body.contains(&format!("<label for=\"{labelled}\">")));
        assert!(login.body.contains(&format!(" id=\"{labelled}\"")));
    }

    let back = browser.approve(&consent).await;
    assert_eq!(back.header("cache-control"), Some("no-store"));
    assert_eq!(back.header("referrer-policy"), Some("no-referrer"));
}

#[tokio::test]
async fn s10_forms_lead_where_the_client_is() {
    let native = Client::public("native").audience("https://api.example.com");
    let native = native.redirect_uri("http://[::1]/cb").redirect_uri("http://127.0.0.1/cb");
    let server = user_builder().client(native).start().await.unwrap();
    for (client, uri, target) in [
        ("phone", "com.example.app:/cb", "form-action 'self' com.example.app:;"),
        ("native", "http://[::1]:4000/cb", "form-action 'self' http:;"),
        ("native", "http://127.0.0.1:4000/cb", "form-action 'self' http://127.0.0.1:4000;"),
    ] {
        let request = request_with(&[("client_id", client), ("redirect_uri", uri), ("scope", "")]);
        let login = Browser::new(&server).authorize(&request).await;
        assert!(login.header("content-security-policy").unwrap().contains(target), "{uri}");
    }
}

#[tokio::test]
async fn s10_forms_need_the_token_of_their_own_session() {
    let server = user_server().await;
    let (mut alice, consent) = Browser::logged_in(&server, &REQUEST).await;
    let (_, foreign) = Browser::logged_in(&server, &REQUEST).await;
    let query = consent.hidden_fields()[1].1.clone();
    let forged = ("csrf", foreign.hidden_fields()[0].1.clone());
    let csrf = ("csrf", consent.hidden_fields()[0].1.clone());
    assert_ne!(forged, csrf);

    let decision = [("request", query.as_str()), ("decision", "approve"), ("allow.read:leads", "yes")];
    let login = [("request", query.as_str()), ("username", "alice"), ("password", PASSWORD)];
    for (path, fields) in [("/consent", decision), ("/login", login)] {
        for token in [None, Some(""), Some("x"), Some(forged.1.as_str())] {
            let fields: Vec<_> = fields.into_iter().chain(token.map(|token| ("csrf", token))).collect();
            let refused = alice.post(path, &fields).await;
            assert_eq!((refused.status, &refused.location), (StatusCode::FORBIDDEN, &None), "{path} {token:?}");
            assert_protected(&refused);
        }
        // A good token, but no cookie that it goes with.
        let fields: Vec<_> = fields.into_iter().chain([(csrf.0, csrf.1.as_str())]).collect();
        assert_eq!(Browser::new(&server).post(path, &fields).await.status, StatusCode::FORBIDDEN);
        // Not by a link.
        assert_eq!(alice.get(path).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert!(!alice.approve(&consent).await.code().is_empty());
}

#[tokio::test]
async fn s10_cookies_are_kept_from_scripts_and_changed_by_the_login() {
    let server = user_server().await;
    let mut browser = Browser::new(&server);
    let login = browser.authorize(&REQUEST).await;
    let before = browser.cookie.clone().unwrap();
    let set = login.header("set-cookie").unwrap();
    assert!(set.starts_with(&format!("session-{}=", server.address().port())), "{set}");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");

    browser.log_in(&login).await;
    let after = browser.cookie.clone().unwrap();
    assert_ne!(before, after);

    // The id that somebody could have planted is worth nothing after the login.
    let mut planted = Browser::new(&server);
    planted.cookie = Some(before);
    assert!(planted.authorize(&REQUEST).await.body.contains("<h1>Log in</h1>"));
    let mut known = Browser::new(&server);
    known.cookie = Some(format!("other=1; {after}"));
    assert_eq!(known.authorize(&REQUEST).await.checkboxes().len(), 2);
}

#[tokio::test]
async fn s10_cookies_are_secure_over_tls() {
    let server = user_builder().tls(Certificate::Valid).start().await.unwrap();
    let root = reqwest::Certificate::from_pem(server.root_certificate().unwrap().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_merge([root]).no_proxy().build().unwrap();
    let url = url::Url::parse_with_params(server.authorization_endpoint(), REQUEST).unwrap();
    let response = client.get(url).send().await.unwrap();
    assert!(response.headers()["set-cookie"].to_str().unwrap().ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
}

#[tokio::test]
async fn s12_states_come_back_as_they_were() {
    let server = user_server().await;
    let long = "x".repeat(10_000);
    for state in ["a\r\nSet-Cookie: x=1", "\"'<>&=?#%00+ /", "</title><script>alert(1)</script>", "é\u{202e}", &long] {
        let (mut browser, consent) = Browser::logged_in(&server, &request_with(&[("state", state)])).await;
        assert!(!consent.body.contains("<script"));
        let back = browser.submit(&consent, &[("decision", "deny")]).await;
        assert_eq!(back.parameter("state").as_deref(), Some(state));
        assert_eq!(back.header("set-cookie"), None);
    }
    let (mut browser, consent) = Browser::logged_in(&server, &request_with(&[("state", "")])).await;
    assert_eq!(browser.approve(&consent).await.parameter("state"), None);
}

#[tokio::test]
async fn s12_refusals_show_nothing_that_was_sent_and_lead_nowhere() {
    let server = user_server().await;
    let evil = "</p><script>evil()</script>\"'";
    for changes in [
        &[("client_id", evil)][..],
        &[("client_id", evil), ("redirect_uri", "https://evil.example/")],
        &[("client_id", ""), ("redirect_uri", "https://evil.example/")],
        &[("redirect_uri", evil)],
        &[("redirect_uri", "https://evil.example/"), ("state", evil), ("response_type", evil)],
    ] {
        let page = Browser::new(&server).authorize(&request_with(changes)).await;
        assert_eq!((page.status, &page.location), (StatusCode::BAD_REQUEST, &None), "{changes:?}");
        assert!(!page.body.contains("evil"), "{}", page.body);
        assert_protected(&page);
    }
    let page = Browser::new(&server).get("/authorize").await;
    assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None));
    // Errors with fixed texts alone go back to the client.
    let back = Browser::new(&server).authorize(&request_with(&[("scope", evil)])).await;
    assert!(back.location.unwrap().starts_with(CALLBACK) && !back.body.contains("evil"));
}

#[tokio::test]
async fn scopes_are_in_words() {
    let builder = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo();
    let all = Client::public("all").scopes(["openid", "address", "phone", "offline_access"]);
    let all = all.audience("https://api.example.com").redirect_uri(CALLBACK);
    let server = builder.client(all).scope_description("phone", "Call you").start().await.unwrap();
    let consent = async |client: &str, uri: &str| {
        let mut browser = Browser::new(&server);
        let login =
            browser.authorize(&request_with(&[("client_id", client), ("redirect_uri", uri), ("scope", "")])).await;
        let sent = browser.submit(&login, &[("username", "alice"), ("password", "wonderland")]).await;
        browser.get(&sent.location.unwrap()).await.body
    };
    let demo = consent("demo-web", "http://127.0.0.1:8080/callback").await;
    let all = consent("all", CALLBACK).await;
    for (page, scope, words) in [
        (&demo, "openid", "Know who you are"),
        (&demo, "profile", "See your name and your profile"),
        (&demo, "email", "See your email address"),
        (&demo, "read:leads", "Read your leads"),
        (&demo, "write:leads", "Add and change leads"),
        (&all, "address", "See your postal address"),
        (&all, "phone", "Call you"),
    ] {
        assert!(page.contains(&format!("<span>{words} <code class=\"faint\">{scope}</code></span>")), "{page}");
    }
    assert_eq!(demo.matches("type=\"checkbox\"").count(), 5);
    // What the server does not know has no words of its own.
    assert!(all.contains("<span>offline_access</span>"), "{all}");
}

#[tokio::test]
async fn names_are_escaped() {
    let name = "<b>Bold</b> & \"Co\"";
    let client = Client::public("bold").name(name).scopes(["all"]);
    let client = client.audience("https://api.example.com").redirect_uri(CALLBACK);
    let server = user_builder().client(client).scope_description("all", "<i>All</i>").start().await.unwrap();
    let request = request_with(&[("client_id", "bold"), ("scope", "all")]);
    let (_, consent) = Browser::logged_in(&server, &request).await;
    assert!(!consent.body.contains("<b>") && !consent.body.contains("<i>"));
    assert!(consent.body.contains("&#60;b&#62;Bold") && consent.body.contains("&#60;i&#62;All"));
}

/// What every page has: headers that protect it, and a warning for whoever takes it for a real one.
pub(crate) fn assert_protected(page: &Page) {
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    let warning = "<p class=\"note\">This server is for tests. Do not use a password of yours here.</p>";
    assert!(page.body.contains(warning), "{}", page.body);
}
