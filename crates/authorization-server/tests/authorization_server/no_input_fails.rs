//! Whatever is sent, the server's answer is not that the server failed.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use reqwest::{RequestBuilder, StatusCode};
use tokio::runtime::Runtime;
use tower_bearer_authorization_server::{AuthorizationServer, Client};

use crate::browser::{REQUEST, as_web, user_builder, without_redirects};
use crate::support::{AUDIENCE, client};

/// One for all cases: what they send is meant to change nothing.
static SERVER: LazyLock<(Runtime, AuthorizationServer)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let tv = Client::public("tv").scopes(["read:leads"]).audience(AUDIENCE).device();
    let server = runtime.block_on(user_builder().client(tv).start()).unwrap();
    (runtime, server)
});

const NAMES: [&str; 34] = [
    "client_assertion",
    "client_assertion_type",
    "user_code",
    "device_code",
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "prompt",
    "max_age",
    "login_hint",
    "resource",
    "response_mode",
    "request",
    "request_uri",
    "grant_type",
    "code",
    "code_verifier",
    "refresh_token",
    "client_secret",
    "token",
    "token_type_hint",
    "csrf",
    "decision",
    "username",
    "password",
    "allow.read:leads",
    "audience",
    "",
    "\u{e9}",
];

const VALUES: [&str; 27] = [
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ3ZWIiLCJzdWIiOiJ3ZWIifQ.AAAA",
    "tv",
    "BCDF-GHJK",
    "urn:ietf:params:oauth:grant-type:device_code",
    "",
    "code",
    "token",
    "web",
    "phone",
    "app",
    "https://app.example.com/callback",
    "com.example.app:/cb",
    "read:leads",
    "openid email",
    "S256",
    "plain",
    "none",
    "login",
    "0",
    "-1",
    "99999999999999999999",
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:request_uri:x",
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(&VALUES[..]).prop_map(str::to_owned), 1 => any::<String>()]
}

fn parameters() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((select(&NAMES[..]).prop_map(str::to_owned), value()), 0..8)
}

/// A good request with some of it changed gets further than one of chance.
fn nearly_good() -> impl Strategy<Value = Vec<(String, String)>> {
    parameters().prop_map(|changes| {
        let good = REQUEST.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let good: Vec<_> = good.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        [good, changes].concat()
    })
}

fn status(request: RequestBuilder) -> StatusCode {
    SERVER.0.block_on(request.send()).unwrap().status()
}

fn at(path: &str) -> String {
    format!("{}{path}", SERVER.1.issuer())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_authorization_request_gives_a_5xx(request in nearly_good()) {
        let url = url::Url::parse_with_params(&at("/authorize"), &request).unwrap();
        let status = status(without_redirects().get(url));
        prop_assert!(status < StatusCode::INTERNAL_SERVER_ERROR, "{status}");
    }

    #[test]
    fn no_form_gives_a_5xx(
        path in select(&["/token", "/introspect", "/revoke", "/par", "/login", "/consent", "/device", "/device_authorization"][..]),
        form in parameters(),
        authenticated: bool,
    ) {
        let request = client().post(at(path)).form(&form);
        let status = status(if authenticated { as_web(request) } else { request });
        prop_assert!(status < StatusCode::INTERNAL_SERVER_ERROR, "{path} {status}");
    }

    #[test]
    fn no_bytes_give_a_5xx(
        path in select(&["/authorize", "/token", "/introspect", "/revoke", "/par", "/login", "/consent", "/device"][..]),
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let request = client().post(at(path)).header("content-type", "application/x-www-form-urlencoded").body(body);
        let status = status(request);
        prop_assert!(status < StatusCode::INTERNAL_SERVER_ERROR, "{path} {status}");
    }
}
