//! CORS: browser-based clients can call and read what is for them, errors included, and nothing else.

use std::time::Duration;

use http::Method;
use reqwest::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HeaderName, ORIGIN, VARY,
};
use reqwest::{RequestBuilder, Response};
use tower_bearer_authorization_server::{AuthorizationServer, Client, Endpoint, Fault};

use crate::browser::{user_builder, without_redirects};
use crate::support::AUDIENCE;

const PAGE: &str = "https://app.example.com";

async fn server() -> AuthorizationServer {
    let television = Client::public("tv").scopes(["read:leads"]).audience(AUDIENCE).device();
    user_builder().client(television).admin().start().await.unwrap()
}

/// Every endpoint with its URL, the method of its clients, and whether those are scripts.
fn endpoints(server: &AuthorizationServer) -> Vec<(Endpoint, String, Method, bool)> {
    let at = |path: &str| format!("{}{path}", server.issuer());
    vec![
        (Endpoint::Metadata, at("/.well-known/openid-configuration"), Method::GET, true),
        (Endpoint::Metadata, at("/.well-known/oauth-authorization-server"), Method::GET, true),
        (Endpoint::JwkSet, at("/jwks"), Method::GET, true),
        (Endpoint::Token, at("/token"), Method::POST, true),
        (Endpoint::Userinfo, at("/userinfo"), Method::GET, true),
        (Endpoint::Userinfo, at("/userinfo"), Method::POST, true),
        (Endpoint::Revocation, at("/revoke"), Method::POST, true),
        (Endpoint::PushedAuthorization, at("/par"), Method::POST, true),
        (Endpoint::Authorization, at("/authorize"), Method::GET, false),
        (Endpoint::Authorization, at("/authorize"), Method::POST, false),
        (Endpoint::Login, at("/login"), Method::POST, false),
        (Endpoint::Consent, at("/consent"), Method::POST, false),
        (Endpoint::DeviceAuthorization, at("/device_authorization"), Method::POST, false),
        (Endpoint::Device, at("/device"), Method::GET, false),
        (Endpoint::Device, at("/device"), Method::POST, false),
        (Endpoint::Introspection, at("/introspect"), Method::POST, false),
    ]
}

fn from_page(method: &Method, url: &str) -> RequestBuilder {
    without_redirects().request(method.clone(), url).header(ORIGIN, PAGE)
}

fn preflight(url: &str, method: &str, headers: &str) -> RequestBuilder {
    let request = from_page(&Method::OPTIONS, url).header(ACCESS_CONTROL_REQUEST_METHOD, method);
    request.header(ACCESS_CONTROL_REQUEST_HEADERS, headers)
}

fn header(response: &Response, name: HeaderName) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_ascii_lowercase())
}

/// Scripts of any page read the response and the headers that say what to do next, or none of it.
fn assert_readable(response: &Response, is_readable: bool, what: &str) {
    let expected = is_readable.then(|| "*".to_owned());
    assert_eq!(header(response, ACCESS_CONTROL_ALLOW_ORIGIN), expected, "{what}");
    let exposed = is_readable.then(|| "www-authenticate,retry-after".to_owned());
    assert_eq!(header(response, ACCESS_CONTROL_EXPOSE_HEADERS), exposed, "{what}");
    // No cookie counts, and no cache has to tell origins apart.
    assert_eq!(header(response, ACCESS_CONTROL_ALLOW_CREDENTIALS), None, "{what}");
    assert_eq!(header(response, VARY), None, "{what}");
}

#[tokio::test]
async fn every_endpoint_is_for_scripts_or_not_at_all() {
    let server = server().await;
    let endpoints = endpoints(&server);
    for endpoint in Endpoint::ALL {
        assert!(endpoints.iter().any(|(other, ..)| other == endpoint), "{endpoint}");
    }
    for (endpoint, url, method, is_readable) in endpoints {
        let what = |case: &str| format!("{endpoint} {method}: {case}");
        assert_readable(&from_page(&method, &url).send().await.unwrap(), is_readable, &what("as it is"));
        let form = from_page(&method, &url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let oversize = form.body("x=".repeat(100_000)).send().await.unwrap();
        assert_readable(&oversize, is_readable, &what("a body that is too large"));
        let other_method = from_page(&Method::PUT, &url).send().await.unwrap();
        assert_eq!(other_method.status(), 405, "{endpoint}");
        assert!(other_method.headers().contains_key("allow"), "{endpoint}");
        assert_readable(&other_method, is_readable, &what("another method"));

        let seen = server.requests(endpoint);
        let answer = preflight(&url, method.as_str(), "authorization,content-type,traceparent").send().await.unwrap();
        assert_eq!(server.requests(endpoint), seen, "{}", what("a preflight is no request"));
        if is_readable {
            assert!(answer.status().is_success(), "{}", what("preflight"));
            assert_eq!(header(&answer, ACCESS_CONTROL_ALLOW_ORIGIN).as_deref(), Some("*"));
            let allowed = header(&answer, ACCESS_CONTROL_ALLOW_HEADERS);
            assert_eq!(allowed.as_deref(), Some("authorization,content-type,traceparent"));
            assert_eq!(header(&answer, ACCESS_CONTROL_ALLOW_METHODS).as_deref(), Some("get,post"));
        } else {
            assert_eq!(answer.status(), 405, "{}", what("preflight"));
            assert_readable(&answer, false, &what("preflight"));
        }
    }
}

#[tokio::test]
async fn scripts_read_what_a_fault_made_of_a_response_too() {
    let server = server().await;
    let faults = [
        Fault::status(500),
        Fault::Status { code: 429, retry_after: Some(Duration::from_secs(7)) },
        Fault::status(401),
        Fault::RedirectTo { url: "https://elsewhere.example".to_owned() },
        Fault::SlowHeaders { delay: Duration::ZERO },
        Fault::SlowBody { pause: Duration::ZERO },
        Fault::Html,
        Fault::Truncated,
        Fault::WrongTypes,
        Fault::Huge { bytes: 100_000 },
        Fault::Flapping { good: 1, bad: 1, fault: Box::new(Fault::status(503)) },
    ];
    for (endpoint, url, method, is_readable) in endpoints(&server) {
        for fault in &faults {
            server.misbehave(endpoint, fault.clone()).unwrap();
            for _ in 0..2 {
                let response = from_page(&method, &url).send().await.unwrap();
                assert_readable(&response, is_readable, &format!("{endpoint} {fault:?}"));
            }
        }
        // A preflight succeeds even then: it is the browser's, and uses up no turn of the fault.
        server.misbehave(endpoint, Fault::Hang).unwrap();
        let answer = preflight(&url, method.as_str(), "content-type").send().await.unwrap();
        assert_eq!(answer.status().is_success(), is_readable, "{endpoint}");
        server.behave(endpoint);
    }
}

#[tokio::test]
async fn what_is_not_there_can_be_read_and_the_admin_api_cannot() {
    let server = server().await;
    for path in ["/", "/nowhere", "/token/", "/.well-known/other"] {
        let response = from_page(&Method::GET, &format!("{}{path}", server.issuer())).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_readable(&response, true, path);
    }
    for path in ["/", "/tokens", "/faults/jwk_set", "/nowhere"] {
        let url = format!("{}{path}", server.admin_url().unwrap());
        for request in [from_page(&Method::GET, &url), preflight(&url, "PUT", "content-type")] {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 403, "{path}");
            assert_readable(&response, false, path);
        }
    }
}

#[tokio::test]
async fn refusals_tell_scripts_what_to_do_next() {
    let server = server().await;
    let refused = from_page(&Method::GET, &format!("{}/userinfo", server.issuer())).bearer_auth("x.y.z");
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));
    assert_readable(&refused, true, "userinfo");
    let grant = from_page(&Method::POST, server.token_endpoint()).form(&[("grant_type", "authorization_code")]);
    let refused = grant.send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_readable(&refused, true, "token");
}
