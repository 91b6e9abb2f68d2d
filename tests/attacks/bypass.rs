//! H08 to H13: what in a request, beside the credential, could decide about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::{Request, Response};
use axum::Router;
use axum::routing::{any, get};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

use crate::http::{request, status_of};
use crate::support::*;

#[tokio::test]
async fn h08_headers_of_proxies_decide_nothing() {
    let trial = Trial::start().await;
    let expired = format!("Bearer {}", token().claim("exp", 1).sign());
    let good = format!("Bearer {}", token().sign());
    for (name, value) in [
        ("X-User", "admin"),
        ("X_User", "admin"),
        ("X-Forwarded-User", "admin"),
        ("X-Auth-Request-Email", "admin@x"),
        ("X-Original-URI", "/health"),
        ("X-Forwarded-Uri", "/health"),
        ("X-Rewrite-URL", "/health"),
        ("X-Original-Method", "OPTIONS"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Envoy-Internal", "true"),
        ("User-Agent", "kube-probe/1.30"),
        ("User-Agent", "ELB-HealthChecker/2.0"),
        ("Host", "localhost"),
    ] {
        let extra = (name, value.as_bytes());
        trial.absent(&[extra]).await;
        let response = trial.default.get(&[extra, ("authorization", expired.as_bytes())]).await;
        assert_eq!((response.status().as_u16(), reason_of(&response)), (401, "expired"), "{name}");
        let response = trial.default.get(&[extra, ("authorization", good.as_bytes())]).await;
        assert_eq!(response.text().await.unwrap(), "alice", "the identity is that of the token");
    }
}

#[tokio::test]
async fn h09_path_tricks_do_not_make_a_route_public() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let secret = async move || {
        counter.fetch_add(1, Ordering::SeqCst);
        "secret"
    };
    let layer = server().layer().public_when(|method, uri| method == "GET" && uri.path() == "/health");
    let app = Router::new()
        .route("/health", any(async || "fine"))
        .route("/leads", any(secret.clone()))
        .route("/health/{*rest}", any(secret))
        .layer(layer);
    let api = Api::serve(app, Arc::clone(&runs)).await;
    assert_eq!(status_of(&api.raw(request("GET /health", b"")).await), 200);
    assert_eq!(status_of(&api.raw(request("GET http://anything/health?x=/leads#f", b"")).await), 200);
    for target in [
        "/leads",
        "//health",
        "/health/",
        "/health/..",
        "/health/../leads",
        "/health/%2e%2e/leads",
        "/health%2f",
        "/health%2F..%2Fleads",
        "/leads/../health",
        "/leads/..%2fhealth",
        "/%68ealth",
        "/Health",
        "/HEALTH",
        "/health;x",
        "/health;/../leads",
        "/health%00",
        "/health%20",
        "/health%3f",
        "/health%23",
        "/leads?/health",
        "/leads?public=/health",
        "/leads#/health",
        "/leads;/health",
        "/./health",
        "/x/../health",
        "\\health",
        "/health\\..\\leads",
        "/health:80",
        "http://api/leads",
        "http://api//health",
        "http://health/leads",
        "http://api/leads?http://api/health",
        "/health.",
        "/health,",
        "/healt\u{ff48}",
        "*",
        "/leads/%c0%ae",
    ] {
        let answer = api.raw(request(&format!("GET {target}"), b"")).await;
        assert!(status_of(&answer) == 400, "{target}: {answer}");
        assert!(!answer.contains("secret") && !answer.ends_with("fine"), "{target}: {answer}");
    }
    for method in ["POST", "HEAD", "OPTIONS", "get", "GETX", "TRACE", "PUT"] {
        assert_eq!(status_of(&api.raw(request(&format!("{method} /health"), b"")).await), 400, "{method}");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn h10_no_method_is_exempt() {
    let trial = Trial::start().await;
    let good = format!("authorization: Bearer {}\r\n", token().sign());
    let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW", "get", "!"];
    for method in methods {
        for headers in
            ["", "user-agent: GoogleHC/1.0\r\n", "access-control-request-method: GET\r\norigin: https://x\r\n"]
        {
            let answer = trial.rfc6750.raw(request(&format!("{method} /leads"), headers.as_bytes())).await;
            assert!(status_of(&answer) == 401 && answer.contains("x-reason: token_absent"), "{method}: {answer}");
        }
        let runs = trial.rfc6750.runs();
        let answer = trial.rfc6750.raw(request(&format!("{method} /leads"), good.as_bytes())).await;
        assert_eq!((status_of(&answer), trial.rfc6750.runs()), (200, runs + 1), "{method}");
    }
    let answer = trial.rfc6750.raw(request("CONNECT api:443", b"")).await;
    assert!(status_of(&answer) == 401, "{answer}");
    assert_eq!(status_of(&trial.rfc6750.raw(request("OPTIONS *", b"")).await), 401);
}

#[tokio::test]
async fn h11_nothing_of_the_token_is_echoed() {
    let trial = Trial::start().await;
    let hostile = [
        "x\r\nset-cookie: hacked=1",
        "x\", error=\"hacked",
        "x\\",
        "\" hacked=\"",
        "\u{2028}hacked",
        "<script>hacked</script>",
        "%0d%0ahacked: 1",
        "hacked\0",
    ];
    for text in hostile {
        let tokens = [
            token().header("kid", text).sign(),
            token().header("alg", text).sign(),
            token().header("typ", text).sign(),
            token().claim("iss", text).sign(),
            token().claim("aud", text).sign(),
            token().claim("sub", json_of(text)).sign(),
            token().claim(text, 1).claim("exp", 1).sign(),
            token().header(text, 1).header("crit", text).sign(),
            token().claim("scope", text).claim("exp", text).sign(),
        ];
        for token in tokens {
            for api in [&trial.default, &trial.rfc6750] {
                let headers = format!("authorization: Bearer {token}\r\n");
                let answer = api.raw(request("GET /leads", headers.as_bytes())).await;
                assert!(!answer.contains("hacked") && status_of(&answer) == 401, "{answer}");
                let head = answer.split("\r\n\r\n").next().unwrap();
                assert!(head.is_ascii() && !head.contains('\\') && !head.contains("set-cookie"), "{head}");
            }
        }
    }
    // Where no token is read, the request's own text is not repeated either.
    for header in ["authorization: Bearer hacked\"\r\n", "authorization: hacked hacked, Bearer x\r\n"] {
        assert!(!trial.default.raw(request("GET /leads?hacked", header.as_bytes())).await.contains("hacked"));
    }
}

/// A `sub` that is refused for its type.
fn json_of(text: &str) -> serde_json::Value {
    serde_json::json!([text])
}

/// HTTP/2 floods are for hyper and h2 to stop: RUSTSEC-2026-0258 is fixed in 0.4.16.
/// Preflights have no token: CORS answers them outside of the layer, around axum routes and around any other service.
#[tokio::test]
async fn h10_preflights_are_answered_outside_of_the_layer() {
    let service = ServiceBuilder::new().layer(CorsLayer::permissive()).layer(server().layer()).service(service_fn(
        async |_: Request<String>| Ok::<_, std::convert::Infallible>(Response::new("leads".to_owned())),
    ));
    let preflight = Request::options("/leads").header("origin", "https://app.example.com");
    let preflight = preflight.header("access-control-request-method", "GET").body(String::new()).unwrap();
    let answer = service.clone().oneshot(preflight).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    let answer = service.oneshot(Request::get("/leads").body(String::new()).unwrap()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["access-control-allow-origin"].as_bytes()),
        (400, &b"*"[..])
    );
}

#[test]
fn h13_h2_is_new_enough() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    let versions: Vec<_> = lock
        .split("[[package]]")
        .filter(|package| package.contains("name = \"h2\"\n"))
        .map(|package| package.split("version = \"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    assert!(!versions.is_empty());
    for version in versions {
        let numbers: Vec<u64> = version.split('.').map(|number| number.parse().unwrap()).collect();
        assert!(numbers >= vec![0, 4, 16], "h2 {version}");
    }
}

#[tokio::test]
async fn h13_the_rules_hold_over_http2() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let handler = async move || counter.fetch_add(1, Ordering::SeqCst).to_string();
    let app = Router::new().route("/leads", get(handler)).layer(server().layer());
    let api = Api::serve(app, Arc::clone(&runs)).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let (url, good) = (format!("http://{}/leads", api.address), token().sign());
    let send = async |values: &[&str]| {
        let request = values.iter().fold(client.get(&url), |request, value| request.header("authorization", *value));
        let response = request.send().await.unwrap();
        assert_eq!(response.version(), ::http::Version::HTTP_2);
        (response.status().as_u16(), reason_of(&response).to_owned())
    };
    let (bearer, spaced) = (format!("Bearer {good}"), format!(" Bearer {good}"));
    for (values, status, reason) in [
        (vec![], 400, "token_absent"),
        (vec![&bearer[..], &bearer], 400, "credentials_repeated"),
        (vec!["Bearer x"], 400, "opaque_token"),
        // Nobody trims a value here as HTTP/1 servers do.
        (vec![&spaced[..]], 400, "token_illegal_characters"),
    ] {
        assert_eq!(send(&values).await, (status, reason.to_owned()));
    }
    let expired = format!("Bearer {}", token().claim("exp", 1).sign());
    assert_eq!(send(&[&expired]).await, (401, "expired".to_owned()));
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert_eq!(send(&[&bearer]).await.0, 200);
}
