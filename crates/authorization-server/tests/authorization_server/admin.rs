//! The admin API: what the handle does, over HTTP, and what it refuses.

use std::time::Duration;

use http::Method;
use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault, StartError};

use crate::support::{builder, claims_of, client, get_json, issue, server, verify};

async fn with_admin() -> AuthorizationServer {
    builder().admin().start().await.unwrap()
}

fn request(server: &AuthorizationServer, method: Method, path: &str) -> RequestBuilder {
    client().request(method, format!("{}{path}", server.admin_url().unwrap()))
}

async fn get(server: &AuthorizationServer, path: &str) -> Value {
    accepted(request(server, Method::GET, path)).await
}

async fn post(server: &AuthorizationServer, path: &str, body: &Value) -> Value {
    accepted(request(server, Method::POST, path).json(body)).await
}

async fn put(server: &AuthorizationServer, path: &str, body: &Value) {
    assert_eq!(accepted(request(server, Method::PUT, path).json(body)).await, Value::Null);
}

/// The JSON of the answer; null when it has no body.
async fn accepted(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap().error_for_status().unwrap();
    if response.status() == StatusCode::NO_CONTENT { Value::Null } else { response.json().await.unwrap() }
}

async fn refused(request: RequestBuilder, status: u16, error: &str) -> String {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], error, "{body}");
    body["error_description"].as_str().unwrap().to_owned()
}

/// The same of each endpoint.
fn by_endpoint(value: &Value) -> Value {
    Endpoint::ALL.iter().map(|endpoint| (endpoint.name().to_owned(), value.clone())).collect::<Map<_, _>>().into()
}

#[tokio::test]
async fn it_is_there_only_when_asked_for() {
    assert_eq!(server().await.admin_url(), None);

    let server = with_admin().await;
    assert_eq!(get(&server, "/").await, json!({ "issuer": server.issuer(), "running": true }));
    // Not on the server's own port.
    let there = client().get(format!("http://{}/requests", server.address())).send().await.unwrap();
    assert_eq!(there.status(), StatusCode::NOT_FOUND);

    let port: u16 = server.admin_url().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let error = builder().admin_port(port).start().await.unwrap_err();
    assert!(matches!(error, StartError::Listen { address, .. } if address.port() == port), "{error}");
    drop(server);
}

#[tokio::test]
async fn requests_are_shown() {
    let server = with_admin().await;
    let etag = client().get(server.jwks_uri()).send().await.unwrap().headers()[header::ETAG].clone();
    client().get(server.jwks_uri()).header(header::IF_NONE_MATCH, etag).send().await.unwrap();
    issue(&server).await;
    let mut expected = by_endpoint(&json!(0));
    for (name, count) in [("jwk_set", 2), ("token", 1), ("not_modified", 1)] {
        expected[name] = json!(count);
    }
    assert_eq!(get(&server, "/requests").await, expected);
}

#[tokio::test]
async fn faults_are_set_shown_and_taken_back() {
    let server = with_admin().await;
    put(&server, "/faults/jwk_set", &json!({ "status": { "code": 503, "retry_after_s": 7 } })).await;
    let expected = Fault::Status { code: 503, retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(server.fault(Endpoint::JwkSet), Some(expected.clone()));
    assert_eq!(client().get(server.jwks_uri()).send().await.unwrap().status(), 503);

    put(&server, "/faults/token", &json!("html")).await;
    let shown = serde_json::to_value(expected).unwrap();
    assert_eq!(get(&server, "/faults/jwk_set").await, shown);
    let mut expected = by_endpoint(&Value::Null);
    expected["jwk_set"] = shown;
    expected["token"] = json!("html");
    assert_eq!(get(&server, "/faults").await, expected);

    assert_eq!(accepted(request(&server, Method::DELETE, "/faults/jwk_set")).await, Value::Null);
    assert_eq!(server.fault(Endpoint::JwkSet), None);
    assert_eq!(server.fault(Endpoint::Token), Some(Fault::Html));
    assert_eq!(get(&server, "/faults/jwk_set").await, Value::Null);
}

#[tokio::test]
async fn cache_control_is_set_and_left_out() {
    let server = with_admin().await;
    assert_eq!(get(&server, "/cache-control").await, json!({ "value": "max-age=300" }));
    put(&server, "/cache-control", &json!({ "value": "max-age=60" })).await;
    assert_eq!(get(&server, "/cache-control").await, json!({ "value": "max-age=60" }));
    let response = client().get(server.jwks_uri()).send().await.unwrap();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "max-age=60");

    put(&server, "/cache-control", &json!({ "value": null })).await;
    assert_eq!(get(&server, "/cache-control").await, json!({ "value": null }));

    let bad = request(&server, Method::PUT, "/cache-control").json(&json!({ "value": "a\nb" }));
    let sentence = "this cannot stand in a header; give `value` printable ASCII characters, or null";
    assert_eq!(refused(bad, 400, "unusable_value").await, sentence);
}

#[tokio::test]
async fn keys_rotate_and_change() {
    let server = with_admin().await;
    let key = |key_id: &Value, signs: bool, published: bool| json!({ "kid": key_id, "alg": "ES256", "signs": signs, "published": published });
    let kids = |keys: &Value| keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>();

    let first = kids(&get(&server, "/keys").await)[0].clone();
    assert_eq!(get(&server, "/keys").await, json!({ "keys": [key(&first, true, true)] }));

    let old = issue(&server).await;
    let rotated = post(&server, "/keys/rotate", &json!({ "overlap_s": 600 })).await;
    let second = kids(&rotated)[0].clone();
    assert_eq!(rotated, json!({ "keys": [key(&second, true, true), key(&first, false, true)] }));
    verify(&server, &old).await.unwrap();

    let announced = accepted(request(&server, Method::POST, "/keys/next")).await;
    assert_eq!(kids(&announced)[0], second);
    let third = kids(&announced)[1].clone();
    // Without a body there is no overlap.
    let rotated = accepted(request(&server, Method::POST, "/keys/rotate")).await;
    assert_eq!(rotated, json!({ "keys": [key(&third, true, true)] }));

    let old = issue(&server).await;
    let kid = third.as_str().unwrap();
    let replaced = accepted(request(&server, Method::POST, &format!("/keys/{kid}/replace"))).await;
    assert_eq!(replaced, rotated);
    assert_eq!(verify(&server, &old).await.unwrap_err(), "InvalidSignature");

    let withdrawn = accepted(request(&server, Method::DELETE, &format!("/keys/{kid}"))).await;
    assert_eq!(withdrawn, json!({ "keys": [key(&third, true, false)] }));
    assert_eq!(get_json(server.jwks_uri()).await, json!({ "keys": [] }));

    let again = request(&server, Method::DELETE, &format!("/keys/{kid}"));
    let sentence = format!("there is no key {kid:?}; published are none");
    assert_eq!(refused(again, 404, "no_such_key").await, sentence);
    let no_text = request(&server, Method::DELETE, "/keys/%ff");
    refused(no_text, 404, "no_such_path").await;
}

#[tokio::test]
async fn overlaps_do_not_pile_up_without_end() {
    let server = with_admin().await;
    let key = server.test_issuer().signing_key();
    for number in 1..1_000 {
        server.test_issuer().add_key(key.clone().with_key_id(number.to_string()));
    }
    let rotate = request(&server, Method::POST, "/keys/rotate").json(&json!({ "overlap_s": 1 }));
    let sentence = "1000 keys are published; rotate without overlap, or withdraw some, first";
    assert_eq!(refused(rotate, 409, "too_many_keys").await, sentence);
    assert_eq!(server.test_issuer().signing_key().key_id(), key.key_id());
    post(&server, "/keys/rotate", &json!({ "overlap_s": 0 })).await;
    assert_ne!(server.test_issuer().signing_key().key_id(), key.key_id());
}

#[tokio::test]
async fn the_clock_is_set_wrong() {
    let server = with_admin().await;
    let before = claims_of(&issue(&server).await)["iat"].as_i64().unwrap();
    put(&server, "/clock", &json!({ "offset_s": -3600 })).await;
    assert_eq!(get(&server, "/clock").await, json!({ "offset_s": -3600 }));
    let after = claims_of(&issue(&server).await)["iat"].as_i64().unwrap();
    assert!(after >= before - 3600 && after < before, "{before} {after}");
}

#[tokio::test]
async fn an_outage_begins_and_ends() {
    let mut server = with_admin().await;
    let stop = || request(&server, Method::POST, "/stop");
    for _ in 0..2 {
        assert_eq!(accepted(stop()).await, json!({ "running": false }));
        assert!(client().get(server.jwks_uri()).send().await.unwrap_err().is_connect());
        assert_eq!(get(&server, "/").await["running"], false);
    }
    let taken = tokio::net::TcpListener::bind(server.address()).await.unwrap();
    let restart = || request(&server, Method::POST, "/restart");
    let sentence = format!("cannot listen on {}; set `port` to a free one, or to 0 for any", server.address());
    assert_eq!(refused(restart(), 409, "not_started").await, sentence);
    drop(taken);

    for _ in 0..2 {
        assert_eq!(accepted(restart()).await, json!({ "running": true }));
        verify(&server, &issue(&server).await).await.unwrap();
    }
    // The handle and the API see the same server.
    server.stop().await;
    assert_eq!(get(&server, "/").await["running"], false);
    accepted(request(&server, Method::POST, "/restart")).await;
    verify(&server, &issue(&server).await).await.unwrap();
}

#[tokio::test]
async fn dropping_the_handle_ends_it() {
    let server = with_admin().await;
    let (url, jwks_uri) = (server.admin_url().unwrap().to_owned(), server.jwks_uri().to_owned());
    let mut idle = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    get(&server, "/").await;
    drop(server);
    assert!(matches!(idle.read(&mut [0]).await, Ok(0) | Err(_)));
    for url in [url, jwks_uri] {
        assert!(client().get(url).send().await.unwrap_err().is_connect());
    }
}

#[tokio::test]
async fn web_pages_are_kept_out() {
    let server = with_admin().await;
    for origin in ["https://evil.example", "null", server.admin_url().unwrap(), ""] {
        for (method, path) in [(Method::GET, "/keys"), (Method::POST, "/stop"), (Method::GET, "/nothing")] {
            let request = request(&server, method, path).header(header::ORIGIN, origin);
            let sentence = "the admin API does not answer web pages; leave out `Origin`, and use another program than a \
                            browser";
            assert_eq!(refused(request, 403, "cross_site").await, sentence);
        }
    }
    assert_eq!(get(&server, "/").await["running"], true);
}

#[tokio::test]
async fn other_hosts_are_not_this_one() {
    let server = with_admin().await;
    let address = server.admin_url().unwrap().trim_start_matches("http://").to_owned();
    let status = async |head: &str| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for good in ["127.0.0.1", "127.0.0.1:80", "localhost", "LocalHost:1", "[::1]:80"] {
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nhost: {good}\r\n")).await, "200", "{good}");
    }
    for bad in [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "0.0.0.0",
        "",
        "a b",
    ] {
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nhost: {bad}\r\n")).await, "403", "{bad}");
    }
    assert_eq!(status("GET / HTTP/1.1\r\n").await, "403", "none");
    assert_eq!(status("GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n").await, "403", "two");
    assert_eq!(status("GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\n").await, "403", "in the URL");
    assert_eq!(status("GET http://localhost/ HTTP/1.1\r\nhost: localhost\r\n").await, "200", "the same in both");
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let server = with_admin().await;
    let to = |path: &str| request(&server, Method::PUT, path);
    let json = |text: &'static str| to("/faults/jwk_set").header(header::CONTENT_TYPE, "application/json").body(text);

    let sentence = "the body is not JSON by its content type; send `Content-Type: application/json`";
    assert_eq!(refused(to("/faults/jwk_set").body("\"html\""), 415, "unsupported_media_type").await, sentence);
    let form = to("/faults/jwk_set").header(header::CONTENT_TYPE, "text/plain").body("\"html\"");
    refused(form, 415, "unsupported_media_type").await;

    for bad in
        ["", "{", "\"htm\"", "{\"status\":{\"code\":500,\"body\":\"x\"}}", "{\"huge\":{\"bytes\":-1}}", "\"html\"x"]
    {
        let sentence = refused(json(bad), 400, "unreadable_body").await;
        assert!(sentence.starts_with("the body is not what this path takes: "), "{sentence}");
    }
    for (path, bad) in [
        ("/clock", json!({})),
        ("/clock", json!({ "offset_s": 1.5 })),
        ("/clock", json!({ "offset_s": 1, "more": 1 })),
        ("/cache-control", json!({})),
        ("/cache-control", json!({ "value": 1 })),
        ("/cache-control", json!({ "value": "x", "more": 1 })),
    ] {
        refused(to(path).json(&bad), 400, "unreadable_body").await;
    }
    let rotate = request(&server, Method::POST, "/keys/rotate");
    refused(rotate.json(&json!({ "overlap": 1 })), 400, "unreadable_body").await;

    let mut whole = format!("\"html\"{}", " ".repeat(64 * 1024 - 6));
    let sized =
        |text: String| to("/faults/jwk_set").header(header::CONTENT_TYPE, "application/json; charset=utf-8").body(text);
    accepted(sized(whole.clone())).await;
    whole.push(' ');
    let sentence = "the body is too large, or breaks off; send at most 65536 bytes";
    assert_eq!(refused(sized(whole), 413, "body_too_large").await, sentence);
    assert_eq!(server.fault(Endpoint::JwkSet), Some(Fault::Html));
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_a_remedy() {
    let server = with_admin().await;
    refused(request(&server, Method::GET, "/nothing"), 404, "no_such_path").await;

    let names: Vec<_> = Endpoint::ALL.iter().map(|endpoint| format!("`{}`", endpoint.name())).collect();
    let sentence = format!("there is no such endpoint; there are {}", names.join(", "));
    for (method, path) in
        [(Method::GET, "/faults/jwks"), (Method::DELETE, "/faults/jwks"), (Method::GET, "/faults/%ff")]
    {
        assert_eq!(refused(request(&server, method, path), 404, "no_such_endpoint").await, sentence);
    }
    let put = request(&server, Method::PUT, "/faults/jwks").json("html");
    assert_eq!(refused(put, 404, "no_such_endpoint").await, sentence);

    let put = request(&server, Method::PUT, "/faults/token").json("empty_set");
    let sentence = "this fault means nothing at the endpoint `token`; set it at `jwk_set`";
    assert_eq!(refused(put, 400, "unusable_fault").await, sentence);

    let get = request(&server, Method::GET, "/stop").send().await.unwrap();
    assert_eq!(get.headers()[header::ALLOW], "POST");
    refused(request(&server, Method::GET, "/stop"), 405, "method_not_allowed").await;
    assert_eq!(self::get(&server, "/").await["running"], true);
}

#[tokio::test]
async fn what_was_sent_as_a_token_does_not_come_back() {
    let server = with_admin().await;
    let to = || request(&server, Method::POST, "/tokens/revoke");
    for bad in [
        json!("canary"),
        json!({}),
        json!({ "canary": 1 }),
        json!({ "token": "x", "canary": 1 }),
        json!({ "token": { "canary": 1 } }),
        json!({ "token": 20_260_718 }),
        json!({ "token": "canary", "number": 1 }),
        json!({ "number": "canary" }),
        json!({ "number": -20_260_718 }),
        json!({ "subject": ["canary"] }),
        json!({ "subject": "canary", "number": 1 }),
    ] {
        let sentence = refused(to().json(&bad), 400, "unreadable_body").await;
        assert!(!sentence.contains("canary") && !sentence.contains("20260718"), "{sentence}");
    }
    refused(to().body("canary"), 415, "unsupported_media_type").await;
}
