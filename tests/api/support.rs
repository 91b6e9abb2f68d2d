//! What the tests share beyond the fixtures: requests over a real socket and in memory, a provider.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::jose::Algorithm;
use tower_bearer::{BearerLayer, Issuer, KeyPolicy, RefusalKind, ResourceServer, StatusPolicy, TokenError};
use tower_bearer_test::TestIssuer;

pub(crate) use crate::fixtures::*;
pub(crate) use crate::log;

/// An issuer with an RS256 key.
pub(crate) fn issuer() -> TestIssuer {
    issuer_with(Algorithm::RS256)
}

/// The verdict without a network.
pub(crate) async fn refusal(server: &ResourceServer, token: &str) -> Option<TokenError> {
    server.validate(token).await.err()
}

/// An API behind the layer on a loopback socket; its handler counts its runs.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    runs: Arc<AtomicUsize>,
}

impl Api {
    /// `GET /leads` behind the layer, answering 200 with the subject.
    pub(crate) async fn start(server: &ResourceServer) -> Self {
        Self::start_layer(server.layer()).await
    }

    pub(crate) async fn start_layer(layer: BearerLayer) -> Self {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let handler = async move |token: Option<tower_bearer::ValidatedToken>| {
            counter.fetch_add(1, Ordering::SeqCst);
            token.and_then(|token| token.subject().map(str::to_owned)).unwrap_or_default()
        };
        let app = axum::Router::new().route("/leads", axum::routing::any(handler)).route_layer(layer);
        let address = serve(app).await;
        Self { address, runs }
    }

    /// How often the handler ran.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// `GET /leads` with these headers.
    pub(crate) async fn get(&self, headers: &[(&str, &[u8])]) -> reqwest::Response {
        let mut request = client().get(format!("http://{}/leads", self.address));
        for (name, value) in headers {
            request = request.header(*name, reqwest::header::HeaderValue::from_bytes(value).unwrap());
        }
        request.send().await.unwrap()
    }

    /// `GET /leads` with `Authorization: Bearer <token>`.
    pub(crate) async fn get_with(&self, token: &str) -> reqwest::Response {
        self.get(&[("authorization", format!("Bearer {token}").as_bytes())]).await
    }
}

/// The challenge of a response.
pub(crate) fn challenge(response: &reqwest::Response) -> String {
    let mut values = response.headers().get_all("www-authenticate").iter();
    let challenge = values.next().map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    assert!(values.next().is_none(), "more than one challenge header");
    challenge
}

/// A resource server that trusts [`issuer`] and answers as RFC 6750 §3.1 says.
pub(crate) fn rfc6750_server() -> ResourceServer {
    builder().issuer(issuer().trusted()).status_policy(StatusPolicy::rfc6750()).build().unwrap()
}

/// A resource server that answers 404 if a good token does not permit the request.
pub(crate) fn hiding_server() -> ResourceServer {
    let hiding = StatusPolicy::default().with(RefusalKind::Forbidden, StatusCode::NOT_FOUND).unwrap();
    builder().issuer(issuer().trusted()).status_policy(hiding).build().unwrap()
}

/// What a service in memory answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Why the request was refused, from the response's extensions.
    pub(crate) error: Option<TokenError>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn reason(&self) -> &'static str {
        self.error.as_ref().map_or("accepted", TokenError::reason)
    }

    /// The value of a header that is there at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "`{name}` is there twice");
        value
    }

    pub(crate) fn challenge(&self) -> &str {
        self.header("www-authenticate").expect("a challenge")
    }
}

/// The end of a stack in memory: answers 200.
pub(crate) async fn ok(_: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::default())
}

/// Sends a request through the layer to [`ok`], in memory.
pub(crate) async fn ask(layer: &BearerLayer, request: http::request::Builder) -> Answer {
    ask_service(layer.layer(service_fn(ok)), request).await
}

/// Sends a request to a service in memory.
pub(crate) async fn ask_service<S, B>(service: S, request: http::request::Builder) -> Answer
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let error = parts.extensions.get::<TokenError>().cloned();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, error, body }
}

/// [`ask`] with this `Authorization` header.
pub(crate) async fn ask_with(server: &ResourceServer, authorization: &[u8]) -> Answer {
    ask(&server.layer(), Request::get("/leads").header("authorization", authorization)).await
}

/// [`ask`] with this bearer token.
pub(crate) async fn ask_with_token(server: &ResourceServer, token: &str) -> Answer {
    ask_with(server, format!("Bearer {token}").as_bytes()).await
}

/// The auth-params of a challenge that must be one `Bearer` challenge in the strict form of RFC 6750 §3: quoted values
/// of the allowed characters, commas between them.
pub(crate) fn auth_params(challenge: &str) -> Vec<(&str, &str)> {
    let mut rest = challenge.strip_prefix("Bearer ").expect("the scheme, one space, and a parameter");
    let mut params = Vec::new();
    loop {
        let (name, quoted) = rest.split_once("=\"").expect("name=\"value\"");
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name:?}");
        let (value, behind) = quoted.split_once('"').expect("a closing quote");
        assert!(value.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{value:?}");
        assert!(params.iter().all(|(other, _)| *other != name), "{name} is there twice");
        params.push((name, value));
        match behind {
            "" => return params,
            _ => rest = behind.strip_prefix(", ").expect("a comma between parameters"),
        }
    }
}

pub(crate) fn auth_param<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    auth_params(challenge).into_iter().find(|(other, _)| *other == name).map(|(_, value)| value)
}

/// The header parameters of a good RS256 token as JSON text without the braces, for what no JSON library would write.
pub(crate) fn header_members() -> String {
    format!(r#""typ":"at+jwt","alg":"RS256","kid":"{}""#, key(Algorithm::RS256).key_id())
}

/// The claims of a good token as JSON text without the braces.
pub(crate) fn claim_members() -> String {
    let (now, end) = (NOW.as_secs(), NOW.as_secs() + 300);
    format!(r#""iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"alice","client_id":"app","jti":"1","iat":{now},"exp":{end}"#)
}

pub(crate) fn object(members: &str) -> String {
    format!("{{{members}}}")
}

/// Signs exactly these bytes with the key of [`issuer`].
pub(crate) fn sign_raw(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    key(Algorithm::RS256).sign_compact(header, claims)
}

/// A resource server that trusts an issuer with these JWKs.
pub(crate) fn server_with_jwks(jwks: &[Value]) -> ResourceServer {
    server_trusting(Issuer::new(ISSUER).jwk_set(serde_json::json!({ "keys": jwks }).to_string()))
}

/// A loopback address at which nobody listens.
pub(crate) fn closed_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// `Retry-After` and timeouts must not depend on how busy the machine is.
pub(crate) fn patient() -> KeyPolicy {
    let minute = std::time::Duration::from_secs(60);
    KeyPolicy::default().request_wait(minute).connect_timeout(minute).fetch_timeout(minute)
}

/// A provider on loopback: answers each path with a JSON document made from its own base URL, else 404. Counts
/// requests.
pub(crate) struct Provider {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl Provider {
    pub(crate) async fn start(answer: impl Fn(&str, &str) -> Option<Value> + Clone + Send + Sync + 'static) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let app = axum::Router::new().fallback(move |request: axum::extract::Request| {
            counter.fetch_add(1, Ordering::SeqCst);
            let base = format!("http://{}", request.headers()["host"].to_str().unwrap());
            let answer = answer(&base, request.uri().path()).map(axum::Json).ok_or(StatusCode::NOT_FOUND);
            async { answer }
        });
        Self { url: format!("http://{}", serve(app).await), requests }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}
