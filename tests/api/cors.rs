//! What browsers let a page send to the example's API, and read from its responses.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION,
    CONTENT_TYPE, HeaderName, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Request, Response};
use tower::ServiceExt;
use tower_bearer::{Issuer, ResourceServer};

use crate::axum_api::app;
use crate::support::*;

/// The page whose scripts call the API.
const PAGE: &str = "https://app.example.com";

/// Whether a header of the response lists this name.
fn lists(response: &Response<Body>, header: HeaderName, name: &str) -> bool {
    let values = response.headers().get_all(header);
    let mut names = values.iter().flat_map(|value| value.to_str().unwrap().split(','));
    names.any(|listed| listed.trim().eq_ignore_ascii_case(name))
}

/// Whether a script may read the response: the decision of the browser (Fetch standard §4.9).
fn is_readable(response: &Response<Body>) -> bool {
    let allowed = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
    allowed.is_some_and(|origin| origin == "*" || origin == PAGE)
}

/// Whether a script may send this (Fetch standard §4.8). `*` covers neither credentials nor `Authorization`.
async fn may_send(server: &ResourceServer, method: &str, headers: &[&str]) -> bool {
    let preflight = Request::options("/leads").header(ORIGIN, PAGE).header(ACCESS_CONTROL_REQUEST_METHOD, method);
    let preflight = preflight.header(ACCESS_CONTROL_REQUEST_HEADERS, headers.join(","));
    let answer = app(server).oneshot(preflight.body(Body::empty()).unwrap()).await.unwrap();
    let is_simple = matches!(method, "GET" | "HEAD" | "POST");
    let has_method = is_simple || lists(&answer, ACCESS_CONTROL_ALLOW_METHODS, method);
    let has_headers = headers.iter().all(|header| lists(&answer, ACCESS_CONTROL_ALLOW_HEADERS, header));
    answer.status().is_success() && is_readable(&answer) && has_method && has_headers
}

#[tokio::test]
async fn h10_the_examples_cors_lets_json_through() {
    let server = server();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(may_send(&server, method, &["authorization"]).await, "{method}");
        assert!(may_send(&server, method, &["authorization", "content-type"]).await, "{method} with JSON");
    }
    assert!(!may_send(&server, "POST", &["x-other"]).await);

    let json = Request::post("/leads").header(ORIGIN, PAGE).header(CONTENT_TYPE, "application/json");
    let token = token().scope("write:leads").sign();
    let json = json.header(AUTHORIZATION, format!("Bearer {token}")).body(Body::from("{}")).unwrap();
    let created = app(&server).oneshot(json).await.unwrap();
    assert_eq!(created.status(), 201);
    assert!(is_readable(&created));
}

#[tokio::test]
async fn h10_pages_read_why_a_request_was_refused_and_when_to_try_again() {
    let without_keys = builder().issuer(Issuer::new("http://127.0.0.1:1")).build().unwrap();
    let elsewhere = token().claim("iss", "http://127.0.0.1:1").sign();
    let expired = token().claim("exp", 1).sign();
    let good = token().sign();
    for (server, path, token, status) in [
        (&server(), "/leads", None, 400),
        (&server(), "/leads", Some(&expired), 401),
        (&server(), "/profile", Some(&good), 403),
        (&without_keys, "/leads", Some(&elsewhere), 503),
        (&server(), "/nowhere", Some(&good), 404),
    ] {
        let request = Request::get(path).header(ORIGIN, PAGE);
        let request =
            token.into_iter().fold(request, |request, token| request.header(AUTHORIZATION, format!("Bearer {token}")));
        let response = app(server).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert!(is_readable(&response), "{status}");
        assert!(lists(&response, ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate"), "{status}");
        assert!(lists(&response, ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after"), "{status}");
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), (400..404).contains(&status), "{status}");
        assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503, "{status}");
    }
}
