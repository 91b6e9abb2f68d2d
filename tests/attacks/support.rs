//! What the attacks share beyond the fixtures: tokens to spoil further, and one API twice, under each status policy.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_bearer::jose::Algorithm;
use tower_bearer::{
    BearerLayer, Issuer, ResourceServer, ResourceServerBuilder, StatusPolicy, TokenError, ValidatedToken,
};
use tower_bearer_test::{SigningKey, TestIssuer, TokenBuilder};

pub(crate) use crate::fixtures::*;

/// A key that no issuer of ours has.
pub(crate) fn attackers_key(algorithm: Algorithm) -> SigningKey {
    const ALGORITHMS: &[Algorithm] = &[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    static KEYS: LazyLock<Vec<SigningKey>> =
        LazyLock::new(|| ALGORITHMS.iter().map(|algorithm| SigningKey::generate(*algorithm).unwrap()).collect());
    KEYS.iter().find(|key| key.algorithm() == algorithm).unwrap().clone()
}

/// Another issuer with keys of its own: with two, the claims are looked at before the signature, to choose one.
pub(crate) fn second_issuer() -> Issuer {
    TestIssuer::with_key("https://b.example.com", key(Algorithm::ES256)).trusted()
}

/// The issuer with these keys.
pub(crate) fn jwk_set(keys: &[Value]) -> Issuer {
    Issuer::new(ISSUER).jwk_set(json!({ "keys": keys }).to_string())
}

/// [`reason`] for servers with fixed keys, which never wait, on a thread without a runtime.
pub(crate) fn reason_at_once(server: &ResourceServer, token: &str) -> &'static str {
    let mut verdict = std::pin::pin!(reason(server, token));
    match verdict.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(reason) => reason,
        std::task::Poll::Pending => panic!("fixed keys need no waiting"),
    }
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The three parts of a token.
pub(crate) fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().unwrap()
}

/// The token with another signature.
pub(crate) fn with_signature(token: &str, signature: impl AsRef<[u8]>) -> String {
    let (signing_input, _) = token.rsplit_once('.').unwrap();
    format!("{signing_input}.{}", encode(signature))
}

/// A token whose `alg` says one of the HMAC algorithms, with that HMAC over it.
pub(crate) fn hmac_token(token: TokenBuilder, algorithm: &str, secret: &[u8]) -> String {
    let hash = match algorithm {
        "HS256" => aws_lc_rs::hmac::HMAC_SHA256,
        "HS384" => aws_lc_rs::hmac::HMAC_SHA384,
        _ => aws_lc_rs::hmac::HMAC_SHA512,
    };
    let signed = token.header("alg", algorithm).sign();
    let (signing_input, _) = signed.rsplit_once('.').unwrap();
    let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(hash, secret), signing_input.as_bytes());
    with_signature(&signed, tag)
}

/// The good claims with this raw JSON text in the place of one of them.
pub(crate) fn with_raw(name: &str, json_text: &str) -> String {
    let key = key(Algorithm::RS256);
    let claims = token().without_claim(name).sign();
    let claims = String::from_utf8(decode(parts(&claims)[1])).unwrap();
    let claims = format!("{},\"{name}\":{json_text}}}", claims.strip_suffix('}').unwrap());
    key.sign_compact(json!({ "alg": "RS256", "kid": key.key_id() }).to_string(), claims)
}

/// One API behind each of the two status policies.
pub(crate) struct Trial {
    pub(crate) server: ResourceServer,
    pub(crate) default: Api,
    pub(crate) rfc6750: Api,
}

impl Trial {
    /// Trusts the issuer's RS256 key.
    pub(crate) async fn start() -> Self {
        Self::of(issuer_with(Algorithm::RS256).trusted()).await
    }

    pub(crate) async fn of(issuer: Issuer) -> Self {
        Self::with(builder().issuer(issuer)).await
    }

    pub(crate) async fn with(builder: ResourceServerBuilder) -> Self {
        let server = builder.clone().build().unwrap();
        let strict = builder.status_policy(StatusPolicy::rfc6750()).build().unwrap();
        Self { default: Api::start(server.layer()).await, rfc6750: Api::start(strict.layer()).await, server }
    }

    /// The proof that the tests' tokens fail for the one thing that was broken.
    pub(crate) async fn accepts(&self, token: &str) {
        for api in [&self.default, &self.rfc6750] {
            let runs = api.runs();
            let response = api.send(token).await;
            assert_eq!((response.status().as_u16(), reason_of(&response)), (200, ""), "{}", shown(token));
            assert_eq!(api.runs(), runs + 1);
        }
    }

    /// A token that a check refused: 401 `invalid_token` under both policies.
    pub(crate) async fn invalid(&self, token: &str, reason: &str) {
        let expected = Expected { status: 401, error: "invalid_token", reason };
        for api in [&self.default, &self.rfc6750] {
            api.refuses(token, &expected).await;
        }
    }

    /// A token that is bad before any key is used: 400 `invalid_request`, or 401 `invalid_token` by RFC 6750.
    pub(crate) async fn malformed(&self, token: &str, reason: &str) {
        self.default.refuses(token, &Expected { status: 400, error: "invalid_request", reason }).await;
        self.rfc6750.refuses(token, &Expected { status: 401, error: "invalid_token", reason }).await;
    }

    /// Credentials that are not one token: 400 under both policies.
    pub(crate) async fn broken(&self, headers: &[(&str, &[u8])], reason: &str) {
        let expected = Expected { status: 400, error: "invalid_request", reason };
        for api in [&self.default, &self.rfc6750] {
            api.refuses_request(headers, &expected).await;
        }
    }

    /// No token: 400, or by RFC 6750 401 without any error information.
    pub(crate) async fn absent(&self, headers: &[(&str, &[u8])]) {
        let reason = "token_absent";
        let expected = Expected { status: 400, error: "invalid_request", reason };
        self.default.refuses_request(headers, &expected).await;
        self.rfc6750.refuses_request(headers, &Expected { status: 401, error: "", reason }).await;
    }
}

struct Expected<'a> {
    status: u16,
    /// The `error` of challenge and body; empty for none.
    error: &'a str,
    reason: &'a str,
}

/// An API on a loopback socket. Its handlers count their runs; `x-reason` tells why a request was refused.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    runs: Arc<AtomicUsize>,
    client: reqwest::Client,
}

impl Api {
    /// `/leads` behind the layer, for any method, answering with the subject; unknown paths too are behind it.
    pub(crate) async fn start(layer: BearerLayer) -> Self {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let handler = async move |token: Option<ValidatedToken>| {
            counter.fetch_add(1, Ordering::SeqCst);
            token.and_then(|token| token.subject().map(str::to_owned)).unwrap_or_default()
        };
        Self::serve(Router::new().route("/leads", any(handler)).layer(layer), runs).await
    }

    /// Any application that counts the runs of its handlers.
    pub(crate) async fn serve(app: Router, runs: Arc<AtomicUsize>) -> Self {
        let address = serve(app.layer(axum::middleware::map_response(show_reason))).await;
        Self { address, runs, client: client() }
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub(crate) async fn get(&self, headers: &[(&str, &[u8])]) -> reqwest::Response {
        self.get_with_query(headers, "").await
    }

    pub(crate) async fn get_with_query(&self, headers: &[(&str, &[u8])], query: &str) -> reqwest::Response {
        let mut request = self.client.get(format!("http://{}/leads{query}", self.address));
        for (name, value) in headers {
            request = request.header(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap());
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn send(&self, token: &str) -> reqwest::Response {
        self.get(&[("authorization", format!("Bearer {token}").as_bytes())]).await
    }

    /// Writes these bytes and returns all that comes back until the server closes.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        // A server that closes with unread bytes resets the connection: what came before that counts.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn refuses(&self, token: &str, expected: &Expected<'_>) {
        self.refuses_request(&[("authorization", format!("Bearer {token}").as_bytes())], expected).await;
    }

    async fn refuses_request(&self, headers: &[(&str, &[u8])], expected: &Expected<'_>) {
        let runs = self.runs();
        let response = self.get(headers).await;
        let case = headers.iter().fold(String::new(), |mut case, (name, value)| {
            let _ = write!(case, "{name}: {} ", shown(&String::from_utf8_lossy(value)));
            case
        });
        let seen = (response.status().as_u16(), error_of(&response), reason_of(&response).to_owned());
        assert_eq!(seen, (expected.status, expected.error.to_owned(), expected.reason.to_owned()), "{case}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{case}");
        assert_eq!(self.runs(), runs, "the handler ran: {case}");
        let body = response.text().await.unwrap();
        let told = serde_json::from_str::<Value>(&body).map(|body| body["error"].as_str().unwrap().to_owned());
        assert_eq!(told.unwrap_or_default(), expected.error, "{case}");
    }
}

/// The `error` of the one challenge that a refusal has.
pub(crate) fn error_of(response: &reqwest::Response) -> String {
    let mut challenges = response.headers().get_all("www-authenticate").iter();
    let Some(challenge) = challenges.next() else { return String::new() };
    assert!(challenges.next().is_none(), "more than one challenge");
    let challenge = challenge.to_str().unwrap();
    assert!(challenge.starts_with("Bearer realm=\"https://api.example.com\""), "{challenge}");
    let error = challenge.split_once(" error=\"").and_then(|(_, rest)| rest.split('"').next());
    error.unwrap_or_default().to_owned()
}

pub(crate) fn reason_of(response: &reqwest::Response) -> &str {
    response.headers().get("x-reason").map_or("", |reason| reason.to_str().unwrap())
}

async fn show_reason(mut response: axum::response::Response) -> axum::response::Response {
    if let Some(error) = response.extensions().get::<TokenError>() {
        let reason = error.reason().parse().unwrap();
        response.headers_mut().insert("x-reason", reason);
    }
    response
}

/// What to show of a token when a test fails: its header, and not too much of the rest.
fn shown(token: &str) -> String {
    let header = token.trim_start_matches("Bearer ").split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    format!("{:.400} {:.80}", String::from_utf8_lossy(&header), token)
}
