//! What several of these tests need.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use reqwest::{RequestBuilder, Response, header};
use serde_json::Value;
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Client};

pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// A secret with every kind of character that some encoding on the way could spoil.
pub(crate) const SECRET: &str = "p%41 +:&=/é";

/// A client for all tests, since making one reads the machine's certificates. No connection is kept: it would belong to
/// the runtime of the test that opened it. No proxy: all servers are on loopback.
pub(crate) fn client() -> &'static reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> =
        LazyLock::new(|| reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build().unwrap());
    &CLIENT
}

/// A server with one client, `app`, and an ECDSA key, which is fast to make.
pub(crate) async fn server() -> AuthorizationServer {
    builder().start().await.unwrap()
}

pub(crate) fn builder() -> AuthorizationServerBuilder {
    let client = Client::new("app", SECRET).scopes(["read:leads", "write:leads"]).audience(AUDIENCE);
    AuthorizationServer::builder().client(client).signing_algorithm(Algorithm::ES256)
}

/// A token request with good Basic authentication and these parameters.
pub(crate) fn token_request(server: &AuthorizationServer, parameters: &[(&str, &str)]) -> RequestBuilder {
    unauthenticated(server, parameters).header(header::AUTHORIZATION, basic("app", SECRET))
}

pub(crate) fn unauthenticated(server: &AuthorizationServer, parameters: &[(&str, &str)]) -> RequestBuilder {
    client().post(server.token_endpoint()).form(parameters)
}

/// `Basic` credentials as RFC 6749 §2.3.1 wants them: form-urlencoded, then base64.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    raw_basic(&format!("{}:{}", encode(id), encode(secret)))
}

pub(crate) fn raw_basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

pub(crate) async fn issue(server: &AuthorizationServer) -> String {
    let answer = token_request(server, &[("grant_type", "client_credentials")]).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Checks an error answer as RFC 6749 §5.2 describes it.
pub(crate) async fn assert_refused(request: RequestBuilder, status: u16, error: &str) {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), status);
    assert_not_stored(&response);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let challenge = response.headers().get(header::WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(challenge.as_deref(), (status == 401).then_some("Basic realm=\"token endpoint\""));

    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], error);
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["error", "error_description"]);
}

pub(crate) fn assert_not_stored(response: &Response) {
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[header::PRAGMA], "no-cache");
}

pub(crate) async fn get_json(url: &str) -> Value {
    client().get(url).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

/// Verifies a token strictly with the JWK Set that the server serves, and returns its claims.
pub(crate) async fn verify(server: &AuthorizationServer, token: &str) -> Result<Value, String> {
    let set: JwkSet = serde_json::from_value(get_json(server.jwks_uri()).await).unwrap();
    let header = decode_header(token).map_err(|error| error.to_string())?;
    let jwk = set.find(header.kid.as_deref().unwrap()).ok_or("no such key")?;

    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[server.issuer()]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    decode::<Value>(token, &key, &validation).map(|data| data.claims).map_err(|error| error.to_string())
}

pub(crate) fn header_of(token: &str) -> Value {
    segment(token, 0)
}

pub(crate) fn claims_of(token: &str) -> Value {
    segment(token, 1)
}

fn segment(token: &str, index: usize) -> Value {
    let json = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap();
    serde_json::from_slice(&json).unwrap()
}
