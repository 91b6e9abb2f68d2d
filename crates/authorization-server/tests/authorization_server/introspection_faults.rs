//! Introspection that misbehaves, as an API sees it; and opaque tokens by every grant, which it is for.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use tower_bearer_authorization_server::{
    AuthorizationServer, AuthorizationServerBuilder, Client, Endpoint, Fault, User,
};

use crate::browser::{
    Browser, CALLBACK, PASSWORD, answer, as_web, connect_device, introspect, is_active, redeem, refresh, request_with,
    text, tokens, user_server, web,
};
use crate::support::{AUDIENCE, SECRET, basic, builder, client, get_json, issue, unauthenticated};

const HOUR: Duration = Duration::from_secs(3600);

fn ask(server: &AuthorizationServer, token: &str) -> RequestBuilder {
    let request = client().post(format!("{}/introspect", server.issuer())).form(&[("token", token)]);
    request.header(header::AUTHORIZATION, basic("app", SECRET))
}

async fn asked(server: &AuthorizationServer, token: &str, fault: Fault) -> Response {
    server.misbehave(Endpoint::Introspection, fault).unwrap();
    ask(server, token).send().await.unwrap()
}

/// The good response with these members; null removes.
fn with(good: &Value, members: Value) -> Value {
    let mut changed = good.clone();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = value.clone();
        }
    }
    changed
}

#[tokio::test]
async fn one_member_is_wrong_and_the_others_are_right() {
    let server = user_server().await;
    let token = text(&tokens(&server).await, "access_token").to_owned();
    let good = introspect(&server, &token).await;
    for member in ["aud", "exp", "iss", "token_use", "jti", "sub"] {
        assert!(!good[member].is_null(), "{member}");
    }
    let issuer = || "https://other.example".to_owned();
    let several = json!({ "active": 1, "aud": null, "token_type": "refresh_token", "cnf": { "jkt": "x" } });
    for (fault, changes) in [
        (Fault::ActiveAsText, json!({ "active": "true" })),
        (Fault::WithoutActive, json!({ "active": null })),
        (Fault::WithoutAudience, json!({ "aud": null })),
        (Fault::WithoutExpiry, json!({ "exp": null })),
        (Fault::WrongIssuer { issuer: issuer() }, json!({ "iss": issuer() })),
        (Fault::member("aud", issuer()), json!({ "aud": issuer() })),
        (Fault::member("token_use", "refresh_token"), json!({ "token_use": "refresh_token" })),
        (Fault::Members(several.as_object().unwrap().clone()), several),
        (Fault::refresh_tokens_active(), json!({})),
    ] {
        let response = asked(&server, &token, fault.clone()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(response.json::<Value>().await.unwrap(), with(&good, changes), "{fault:?}");
    }
    // What is not active has little that could be wrong.
    for (fault, expected) in [
        (Fault::ActiveAsText, json!({ "active": "false" })),
        (Fault::WithoutActive, json!({})),
        (Fault::WithoutAudience, json!({ "active": false })),
        (Fault::WrongIssuer { issuer: issuer() }, json!({ "active": false })),
        (Fault::refresh_tokens_active(), json!({ "active": false })),
    ] {
        let response = asked(&server, "unknown", fault).await;
        assert_eq!(response.json::<Value>().await.unwrap(), expected);
    }
    server.behave(Endpoint::Introspection);
    assert_eq!(introspect(&server, &token).await, good);
}

#[tokio::test]
async fn a_refresh_token_passes_for_an_access_token() {
    let server = user_server().await;
    let first = tokens(&server).await;
    let refresh_token = text(&first, "refresh_token");
    assert_eq!(introspect(&server, refresh_token).await, json!({ "active": false }));

    server.misbehave(Endpoint::Introspection, Fault::refresh_tokens_active()).unwrap();
    let told = introspect(&server, refresh_token).await;
    assert_eq!(
        (&told["active"], &told["token_use"], &told["sub"]),
        (&json!(true), &json!("refresh_token"), &json!("user-1"))
    );
    assert_eq!((&told["aud"], &told["token_type"]), (&json!([AUDIENCE]), &json!("Bearer")));
    assert!(told["exp"].as_u64() > introspect(&server, text(&first, "access_token")).await["exp"].as_u64());

    // As of servers whose responses do not tell.
    server.misbehave(Endpoint::Introspection, Fault::RefreshTokensActive(Map::new())).unwrap();
    assert_eq!(introspect(&server, refresh_token).await.get("token_use"), None);
    let members = json!({ "token_type": "refresh_token" }).as_object().unwrap().clone();
    server.misbehave(Endpoint::Introspection, Fault::RefreshTokensActive(members)).unwrap();
    assert_eq!(introspect(&server, refresh_token).await["token_type"], "refresh_token");

    // Only one that is good: not one that was used, and none that was revoked.
    let second = answer(refresh(&server, refresh_token, &[])).await;
    assert!(!is_active(&server, refresh_token).await);
    assert!(is_active(&server, text(&second, "refresh_token")).await);
    assert!(server.revoke(text(&second, "refresh_token")));
    assert!(!is_active(&server, text(&second, "refresh_token")).await);
}

#[tokio::test]
async fn it_fails_as_other_endpoints_do() {
    let server = user_server().await;
    let token = issue(&server).await;
    for (fault, status, retry_after) in [
        (Fault::status(500), 500, None),
        (Fault::status(401), 401, None),
        (Fault::status(403), 403, None),
        (Fault::Status { code: 429, retry_after: Some(Duration::from_secs(7)) }, 429, Some("7")),
        (Fault::RedirectTo { url: "https://elsewhere.example".to_owned() }, 307, None),
    ] {
        server.misbehave(Endpoint::Introspection, fault).unwrap();
        let response = crate::browser::without_redirects().post(format!("{}/introspect", server.issuer()));
        let response = response.form(&[("token", &token)]).send().await.unwrap();
        assert_eq!(response.status(), status);
        let header = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
        assert_eq!(header, retry_after);
    }
    let html = asked(&server, &token, Fault::Html).await;
    assert_eq!(html.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(html.text().await.unwrap().starts_with("<!doctype html>"));
    let typed = asked(&server, &token, Fault::WrongTypes).await;
    assert_eq!(typed.json::<Value>().await.unwrap(), json!({ "active": "yes" }));
    assert!(asked(&server, &token, Fault::Truncated).await.json::<Value>().await.is_err());
    assert!(asked(&server, &token, Fault::Disconnect).await.bytes().await.is_err());
    let huge = asked(&server, &token, Fault::Huge { bytes: 100_000 }).await.bytes().await.unwrap();
    assert_eq!(huge.len(), 100_000);
    for fault in [Fault::SlowHeaders { delay: HOUR }, Fault::Hang] {
        server.misbehave(Endpoint::Introspection, fault).unwrap();
        let sent = tokio::time::timeout(Duration::from_millis(100), ask(&server, &token).send()).await;
        assert!(sent.is_err());
    }
    let flapping = Fault::Flapping { good: 1, bad: 1, fault: Box::new(Fault::WithoutExpiry) };
    server.misbehave(Endpoint::Introspection, flapping).unwrap();
    let (first, second) = (introspect(&server, &token).await, introspect(&server, &token).await);
    assert_eq!(second, with(&first, json!({ "exp": null })));
    assert!(first["exp"].is_u64());
}

#[tokio::test]
async fn any_json_has_other_members() {
    let server = user_server().await;
    server.misbehave(Endpoint::Metadata, Fault::member("introspection_endpoint", Value::Null)).unwrap();
    let metadata = get_json(&format!("{}/.well-known/openid-configuration", server.issuer())).await;
    assert_eq!(metadata, with(&server.metadata(), json!({ "introspection_endpoint": null })));
    server.misbehave(Endpoint::Token, Fault::member("expires_in", 1)).unwrap();
    let issued = answer(as_web(unauthenticated(&server, &[("grant_type", "client_credentials")]))).await;
    assert_eq!((&issued["expires_in"], &issued["token_type"]), (&json!(1), &json!("Bearer")));
}

/// Over HTTP and in a file as in Rust.
#[tokio::test]
async fn faults_are_set_from_everywhere() {
    let toml = "keys = [{ algorithm = \"ES256\" }]\n[faults]\nintrospection = { members = { active = \"true\" } }\n\
                jwk_set = { status = { code = 503, retry_after_s = 7 } }\n";
    let json = json!({
        "keys": [{ "algorithm": "ES256" }],
        "faults": { "introspection": { "members": { "active": "true" } },
                    "jwk_set": { "status": { "code": 503, "retry_after_s": 7 } } },
    });
    for read in [AuthorizationServerBuilder::from_toml(toml), AuthorizationServerBuilder::from_json(&json.to_string())]
    {
        let server = read.unwrap().admin().start().await.unwrap();
        assert_eq!(server.fault(Endpoint::Introspection), Some(Fault::member("active", "true")));
        let busy = client().get(server.jwks_uri()).send().await.unwrap();
        assert_eq!((busy.status().as_u16(), &busy.headers()["retry-after"]), (503, &"7".parse().unwrap()));

        let admin = format!("{}/faults/introspection", server.admin_url().unwrap());
        for json in [json!("active_as_text"), json!("without_active"), json!({ "members": { "exp": null } })] {
            let set = client().put(&admin).json(&json).send().await.unwrap();
            assert_eq!(set.status(), StatusCode::NO_CONTENT);
            assert_eq!(get_json(&admin).await, json);
        }
    }
    for (text, reason) in [
        (
            "[faults]\njwk_set = \"html\"\ntoken = \"empty_set\"",
            "line 3, column 9: faults.token: a fault cannot be set: this fault means nothing at the endpoint `token`",
        ),
        ("[faults]\nintrospect = \"html\"", "line 2, column 1: faults"),
        ("[faults]\ntoken = \"htm\"", "line 2, column 9: faults: unknown variant `htm`"),
    ] {
        let refused = AuthorizationServerBuilder::from_toml(text).unwrap_err().to_string();
        assert!(refused.starts_with(reason), "{refused}");
    }
}

#[tokio::test]
async fn calls_are_counted_for_each_token() {
    let server = user_server().await;
    let (first, second) = (issue(&server).await, issue(&server).await);
    for _ in 0..3 {
        introspect(&server, &first).await;
    }
    introspect(&server, &second).await;
    introspect(&server, "unknown").await;
    assert!(!ask(&server, &first).header(header::AUTHORIZATION, "x").send().await.unwrap().status().is_success());
    asked(&server, &first, Fault::status(500)).await;
    let counts: Vec<_> = server.issued_tokens().iter().map(|token| token.introspections).collect();
    assert_eq!(counts, [3, 1]);
    assert_eq!(server.requests(Endpoint::Introspection), 7);
}

/// An access token of each grant, with the client that it is for.
async fn by_every_grant(server: &AuthorizationServer) -> Vec<(&'static str, String)> {
    let token = |answer: &Value| text(answer, "access_token").to_owned();
    let by_code = tokens(server).await;
    let refreshed = answer(refresh(server, text(&by_code, "refresh_token"), &[])).await;
    let own = answer(as_web(unauthenticated(server, &[("grant_type", "client_credentials")]))).await;
    let codes = client().post(format!("{}/device_authorization", server.issuer())).form(&[("client_id", "tv")]);
    let codes = answer(codes).await;
    connect_device(server, text(&codes, "user_code")).await;
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    let device = [grant, ("device_code", text(&codes, "device_code")), ("client_id", "tv")];
    let device = answer(unauthenticated(server, &device)).await;
    let password = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let password = answer(as_web(unauthenticated(server, &password))).await;
    vec![
        ("web", token(&by_code)),
        ("web", token(&refreshed)),
        ("web", token(&own)),
        ("tv", token(&device)),
        ("web", token(&password)),
    ]
}

#[tokio::test]
async fn every_grant_gives_opaque_tokens_to_a_client_that_has_them() {
    let television = || Client::public("tv").scopes(["read:leads"]).audience(AUDIENCE).device();
    for (web, television, prefix) in [
        (web().opaque_tokens(), television().opaque_tokens(), ""),
        (web().opaque_token_prefix("acme_at_"), television().opaque_token_prefix("acme_at_"), "acme_at_"),
        // As Google's begin; the dot does not make it a JWT.
        (web().opaque_token_prefix("ya29."), television().opaque_token_prefix("ya29."), "ya29."),
    ] {
        let builder = builder().client(web).client(television).dangerously_enable_legacy_grants();
        let server =
            builder.user(User::new("alice", PASSWORD)).device_poll_interval(Duration::ZERO).start().await.unwrap();
        let tokens = by_every_grant(&server).await;
        let different: HashSet<_> = tokens.iter().map(|(_, token)| token).collect();
        assert_eq!(different.len(), tokens.len());
        for (client_id, token) in &tokens {
            let random = token.strip_prefix(prefix).unwrap();
            assert!(!random.contains('.') && random.len() == 43, "{token}");
            let told = introspect(&server, token).await;
            assert_eq!((&told["client_id"], &told["token_use"]), (&json!(client_id), &json!("access_token")));
            assert_eq!((&told["aud"], told.get("jti")), (&json!([AUDIENCE]), None));
        }
        assert!(server.clients().iter().filter(|client| client.id != "app").all(|client| client.opaque_tokens));
        // Others keep their JWTs.
        assert_eq!(issue(&server).await.split('.').count(), 3);
    }
    let toml = "keys = [{ algorithm = \"ES256\" }]\n[[clients]]\nid = \"app\"\nsecret = \"s3cret\"\naudiences = [\"x\"]\n\
                opaque_tokens = true\nopaque_token_prefix = \"a_\"";
    let server = AuthorizationServerBuilder::from_toml(toml).unwrap().start().await.unwrap();
    let request = unauthenticated(&server, &[("grant_type", "client_credentials")]);
    assert!(text(&answer(request.basic_auth("app", Some("s3cret"))).await, "access_token").starts_with("a_"));
    let contradiction = AuthorizationServerBuilder::from_toml(&toml.replace("opaque_tokens = true\n", "")).unwrap_err();
    assert!(
        contradiction.to_string().starts_with("line 6, column 23: clients[0].opaque_token_prefix: "),
        "{contradiction}"
    );
}

#[tokio::test]
async fn userinfo_knows_opaque_tokens_with_a_dot() {
    let web = Client::new("web", "web-secret").redirect_uri(CALLBACK).audience(AUDIENCE);
    let web = web.scopes(["openid", "read:leads", "write:leads"]).opaque_token_prefix("ya29.");
    let server = builder().client(web).user(User::new("alice", PASSWORD)).start().await.unwrap();
    let url = format!("{}/userinfo", server.issuer());
    let request = request_with(&[("scope", "openid")]);
    let (mut browser, consent) = Browser::logged_in(&server, &request).await;
    let tokens = answer(redeem(&server, &browser.approve(&consent).await.code())).await;
    let told = client().get(url).bearer_auth(text(&tokens, "access_token")).send().await.unwrap();
    assert_eq!(told.json::<Value>().await.unwrap(), json!({ "sub": "alice" }));
}
