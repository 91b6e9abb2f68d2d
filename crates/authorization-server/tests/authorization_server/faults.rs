//! What the server does wrong on command, as a client sees it.

use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault};

use crate::support::{client, get_json, issue, server, token_request, verify};

const HOUR: Duration = Duration::from_secs(3600);

/// A server with this fault at its JWK Set.
async fn faulty(fault: Fault) -> AuthorizationServer {
    let server = server().await;
    server.misbehave(Endpoint::JwkSet, fault).unwrap();
    server
}

async fn get(url: &str) -> Response {
    client().get(url).send().await.unwrap()
}

fn metadata_urls(server: &AuthorizationServer) -> [String; 2] {
    ["oauth-authorization-server", "openid-configuration"]
        .map(|document| format!("{}/.well-known/{document}", server.issuer()))
}

#[tokio::test]
async fn a_fault_stays_at_its_endpoint_until_it_is_taken_back() {
    let server = server().await;
    let status = Fault::status(500);
    server.misbehave(Endpoint::Metadata, status.clone()).unwrap();
    assert_eq!(server.fault(Endpoint::Metadata), Some(status));
    assert_eq!(server.fault(Endpoint::JwkSet), None);

    for url in metadata_urls(&server) {
        assert_eq!(get(&url).await.status(), 500, "{url}");
    }
    verify(&server, &issue(&server).await).await.unwrap();

    server.behave(Endpoint::Metadata);
    assert_eq!(server.fault(Endpoint::Metadata), None);
    for url in metadata_urls(&server) {
        assert_eq!(get_json(&url).await["issuer"], server.issuer(), "{url}");
    }
    assert_eq!(server.requests(Endpoint::Metadata), 4, "faulty answers count too");
}

#[tokio::test]
async fn a_status_comes_alone_or_with_retry_after() {
    for code in [200, 204, 404, 500, 503, 599] {
        let server = faulty(Fault::status(code)).await;
        let response = get(server.jwks_uri()).await;
        assert_eq!(response.status(), code);
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(response.text().await.unwrap(), "");
    }
    let server = faulty(Fault::Status { code: 503, retry_after: Some(Duration::from_secs(120)) }).await;
    assert_eq!(get(server.jwks_uri()).await.headers()[header::RETRY_AFTER], "120");
}

#[tokio::test]
async fn slow_headers_come_after_their_delay() {
    let delay = Duration::from_millis(200);
    let server = faulty(Fault::SlowHeaders { delay }).await;
    let began = Instant::now();
    let keys = get_json(server.jwks_uri()).await;
    assert!(began.elapsed() >= delay);
    assert_eq!(keys, server.test_issuer().jwk_set());
}

#[tokio::test]
async fn a_slow_body_comes_byte_by_byte() {
    let pause = Duration::from_millis(1);
    let server = faulty(Fault::SlowBody { pause }).await;
    let began = Instant::now();
    let response = get(server.jwks_uri()).await;
    let body = response.text().await.unwrap();
    assert!(began.elapsed() >= pause * u32::try_from(body.len() - 1).unwrap());
    assert_eq!(body, server.test_issuer().jwk_set().to_string());

    server.misbehave(Endpoint::JwkSet, Fault::SlowBody { pause: HOUR }).unwrap();
    let mut response = get(server.jwks_uri()).await;
    assert_eq!(response.content_length(), Some(u64::try_from(body.len()).unwrap()));
    assert_eq!(response.chunk().await.unwrap().unwrap(), "{");
    drop(server);
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn a_hanging_endpoint_counts_the_request_and_ends_with_the_server() {
    let mut server = faulty(Fault::Hang).await;
    let request = tokio::spawn(client().get(server.jwks_uri()).send());
    reached(&server, 1).await;

    tokio::time::timeout(Duration::from_secs(10), server.stop()).await.unwrap();
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_slow_body() {
    let mut server = faulty(Fault::SlowBody { pause: HOUR }).await;
    let mut response = get(server.jwks_uri()).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "{");

    tokio::time::timeout(Duration::from_secs(10), server.stop()).await.unwrap();
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn a_stalled_answer_stops_in_the_middle() {
    let server = faulty(Fault::Stall).await;
    let whole = server.test_issuer().jwk_set().to_string();
    let mut response = get(server.jwks_uri()).await;
    let mut body = Vec::new();
    while body.len() < whole.len() / 2 {
        body.extend(response.chunk().await.unwrap().unwrap());
    }
    assert_eq!(body, &whole.as_bytes()[..whole.len() / 2]);
    drop(server);
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn a_disconnect_comes_before_the_promised_end() {
    let server = faulty(Fault::Disconnect).await;
    let whole = server.test_issuer().jwk_set().to_string();
    let response = get(server.jwks_uri()).await;
    assert_eq!(response.content_length(), Some(u64::try_from(whole.len()).unwrap()));
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn a_truncated_answer_is_whole_for_http() {
    let server = faulty(Fault::Truncated).await;
    let whole = server.test_issuer().jwk_set().to_string();
    let response = get(server.jwks_uri()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.text().await.unwrap(), whole[..whole.len() / 2]);
}

#[tokio::test]
async fn a_web_page_comes_instead() {
    let server = faulty(Fault::Html).await;
    let response = get(server.jwks_uri()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(response.text().await.unwrap().starts_with("<!doctype html>"));
}

#[tokio::test]
async fn a_redirect_goes_where_it_is_told() {
    let server = faulty(Fault::RedirectTo { url: "http://elsewhere.example/jwks".to_owned() }).await;
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = client.get(server.jwks_uri()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.headers()[header::LOCATION], "http://elsewhere.example/jwks");
}

#[tokio::test]
async fn flapping_endpoints_take_turns() {
    let server = faulty(Fault::Flapping { good: 2, bad: 1, fault: Box::new(Fault::status(500)) }).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(get(server.jwks_uri()).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500]);
}

#[tokio::test]
async fn members_have_the_wrong_types() {
    let server = server().await;
    for endpoint in Endpoint::ALL {
        server.misbehave(*endpoint, Fault::WrongTypes).unwrap();
    }
    assert_eq!(get_json(server.jwks_uri()).await, json!({ "keys": "none" }));
    for url in metadata_urls(&server) {
        let metadata = get_json(&url).await;
        assert!(metadata["issuer"].is_array() && metadata["jwks_uri"].is_number(), "{metadata}");
    }
    let response = token_request(&server, &[("grant_type", "client_credentials")]).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    assert!(answer["access_token"].is_number() && answer["expires_in"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_huge_answer_has_its_size_and_is_still_good() {
    let server = faulty(Fault::Huge { bytes: 100 << 20 }).await;
    let mut response = get(server.jwks_uri()).await;
    assert_eq!(response.content_length(), None);
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        bytes += chunk.len();
    }
    assert_eq!(bytes, 100 << 20);

    let good = server.test_issuer().jwk_set();
    for bytes in [1_000, 16_384, 40_000] {
        server.misbehave(Endpoint::JwkSet, Fault::Huge { bytes }).unwrap();
        let body = get(server.jwks_uri()).await.text().await.unwrap();
        assert_eq!(u64::try_from(body.len()).unwrap(), bytes);
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["keys"], good["keys"]);
    }
    server.misbehave(Endpoint::JwkSet, Fault::Huge { bytes: 1 }).unwrap();
    assert_eq!(get_json(server.jwks_uri()).await, json!({ "padding": "", "keys": good["keys"] }));
}

#[tokio::test]
async fn an_empty_set_has_no_keys() {
    let server = faulty(Fault::EmptySet).await;
    assert_eq!(get_json(server.jwks_uri()).await, json!({ "keys": [] }));
}

#[tokio::test]
async fn one_key_is_bad_and_the_others_are_good() {
    let server = faulty(Fault::OneBadKey).await;
    let set = get_json(server.jwks_uri()).await;
    assert_eq!(set["keys"][0]["x"], "AQ");
    assert_eq!(set["keys"][1], server.test_issuer().jwk_set()["keys"][0]);
    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    verify(&server, &issue(&server).await).await.unwrap();
}

#[tokio::test]
async fn another_key_has_the_same_id() {
    let algorithms = [Algorithm::ES256, Algorithm::RS256, Algorithm::PS512, Algorithm::EdDSA];
    let server = algorithms.into_iter().fold(AuthorizationServer::builder(), |b, a| b.signing_algorithm(a));
    let server = server.start().await.unwrap();
    server.misbehave(Endpoint::JwkSet, Fault::DuplicateKeyIds).unwrap();

    let (set, good) = (get_json(server.jwks_uri()).await, server.test_issuer().jwk_set());
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2 * algorithms.len());
    for (pair, good) in keys.chunks(2).zip(good["keys"].as_array().unwrap()) {
        let [other, same] = pair else { panic!("not in pairs") };
        assert_eq!(same, good);
        for member in ["kid", "alg", "kty"] {
            assert_eq!(other[member], good[member]);
        }
        assert_ne!(other, good);
        let jwk: Jwk = serde_json::from_value(other.clone()).unwrap();
        DecodingKey::from_jwk(&jwk).unwrap();
    }
}

#[tokio::test]
async fn many_keys_stand_before_the_good_one() {
    let server = faulty(Fault::ManyKeys { count: 10_000 }).await;
    let set = get_json(server.jwks_uri()).await;
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 10_001);
    assert_eq!(keys.last(), server.test_issuer().jwk_set()["keys"].get(0));
    let mut ids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10_001);

    server.misbehave(Endpoint::JwkSet, Fault::ManyKeys { count: 0 }).unwrap();
    assert_eq!(get_json(server.jwks_uri()).await, server.test_issuer().jwk_set());
}

#[tokio::test]
async fn metadata_names_another_issuer() {
    let server = server().await;
    server.misbehave(Endpoint::Metadata, Fault::WrongIssuer { issuer: "https://evil.example".to_owned() }).unwrap();
    for url in metadata_urls(&server) {
        let metadata = get_json(&url).await;
        assert_eq!(metadata["issuer"], "https://evil.example");
        assert_eq!(metadata["jwks_uri"], server.jwks_uri());
    }
}

#[tokio::test]
async fn the_token_endpoint_fails_too() {
    let server = server().await;
    let ask = || token_request(&server, &[("grant_type", "client_credentials")]).send();
    server.misbehave(Endpoint::Token, Fault::status(503)).unwrap();
    assert_eq!(ask().await.unwrap().status(), 503);
    server.misbehave(Endpoint::Token, Fault::Disconnect).unwrap();
    assert!(ask().await.unwrap().bytes().await.is_err());
    server.misbehave(Endpoint::Token, Fault::SlowHeaders { delay: Duration::from_millis(1) }).unwrap();
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.requests(Endpoint::Token), 3);
}

/// Waits until the JWK Set was asked for so many times.
async fn reached(server: &AuthorizationServer, requests: u64) {
    let reached = async {
        while server.requests(Endpoint::JwkSet) < requests {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap();
}
