//! A provider that answers what a test tells it to, and a resource server that asks it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::sync::watch;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, KeyPolicy, ResourceServer};
use tower_bearer_test::{SigningKey, TestIssuer};

pub(crate) const AUDIENCE: &str = "https://api.example.com";
pub(crate) const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
pub(crate) const OPENID_METADATA: &str = "/.well-known/openid-configuration";
pub(crate) const JWK_SET: &str = "/jwks";

/// An answer of the provider.
#[derive(Clone)]
pub(crate) enum Answer {
    Json(String),
    Status(u16),
    RedirectTo(String),
    /// A status, headers and a body.
    Full(u16, Vec<(&'static str, String)>, String),
    /// A body with a validator: 304 to whoever has it already.
    Validated(&'static str, String),
    /// A body for requests whose headers pass, 403 for others.
    OnlyTo(fn(&HeaderMap) -> bool, String),
    /// The head and then nothing.
    Silence,
}

pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    pub(crate) clock: ManualClock,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    log: watch::Receiver<Vec<String>>,
}

impl Provider {
    /// A provider that answers 404 to everything.
    pub(crate) async fn start() -> Self {
        let answers: Arc<Mutex<HashMap<String, Answer>>> = Arc::default();
        let (requests, log) = watch::channel(Vec::new());
        let script = Arc::clone(&answers);
        let app = axum::Router::new().fallback(async move |request: Request| {
            let path = request.uri().path().to_owned();
            requests.send_modify(|log: &mut Vec<String>| log.push(path.clone()));
            let answer = script.lock().unwrap().get(&path).cloned().unwrap_or(Answer::Status(404));
            let (status, headers, body) = match answer {
                Answer::Json(json) => (200, vec![], json),
                Answer::Status(status) => (status, vec![], String::new()),
                Answer::RedirectTo(url) => (302, vec![("location", url)], String::new()),
                Answer::Full(status, headers, body) => (status, headers, body),
                Answer::Validated(etag, body) => {
                    let has_it = request.headers().get("if-none-match").is_some_and(|sent| sent == etag);
                    let (status, body) = if has_it { (304, String::new()) } else { (200, body) };
                    (status, vec![("etag", etag.to_owned())], body)
                }
                Answer::OnlyTo(pass, body) if pass(request.headers()) => (200, vec![], body),
                Answer::OnlyTo(..) => (403, vec![], String::new()),
                Answer::Silence => std::future::pending().await,
            };
            let response = headers
                .into_iter()
                .fold(Response::builder().status(status), |response, (name, value)| response.header(name, value));
            response.body(Body::from(body)).unwrap()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        Self { address, clock, answers, log }
    }

    /// A provider with RFC 8414 metadata and the keys of its issuer.
    pub(crate) async fn with_keys() -> (Self, TestIssuer) {
        let provider = Self::start().await;
        provider.answer(OAUTH_METADATA, provider.metadata(&provider.url("")));
        let issuer = provider.issuer(key(0));
        provider.publish(&issuer);
        (provider, issuer)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    pub(crate) fn metadata(&self, issuer: &str) -> Answer {
        Answer::Json(serde_json::json!({ "issuer": issuer, "jwks_uri": self.url(JWK_SET) }).to_string())
    }

    pub(crate) fn publish(&self, issuer: &TestIssuer) {
        self.answer(JWK_SET, Answer::Json(issuer.jwk_set().to_string()));
    }

    /// The issuer of this provider, signing with `key`.
    pub(crate) fn issuer(&self, key: SigningKey) -> TestIssuer {
        TestIssuer::with_key(self.url(""), key).with_clock(self.clock.clone())
    }

    /// A resource server that finds the keys by discovery.
    pub(crate) fn resource_server(&self) -> ResourceServer {
        self.resource_server_trusting(Issuer::new(self.url("")))
    }

    pub(crate) fn resource_server_trusting(&self, issuer: Issuer) -> ResourceServer {
        ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(self.clock.clone()).build().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// How often the key set was asked for.
    pub(crate) fn key_fetches(&self) -> usize {
        self.requests().iter().filter(|path| *path == JWK_SET).count()
    }

    /// Waits until the key set was asked for so many times.
    pub(crate) async fn key_fetches_reach(&self, count: usize) {
        let mut log = self.log.clone();
        log.wait_for(|log| log.iter().filter(|path| *path == JWK_SET).count() >= count).await.unwrap();
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Timeouts short enough to wait for.
pub(crate) fn impatient() -> KeyPolicy {
    let short = Duration::from_millis(200);
    KeyPolicy::default().connect_timeout(short).fetch_timeout(short).request_wait(Duration::from_secs(5))
}

/// Ed25519 keys, made once.
pub(crate) fn key(n: usize) -> SigningKey {
    static KEYS: LazyLock<Vec<SigningKey>> =
        LazyLock::new(|| (0..3).map(|_| SigningKey::generate(Algorithm::EdDSA).unwrap()).collect());
    KEYS[n].clone()
}

/// A token that lives for a day, so that the tests can let hours pass.
pub(crate) fn token(issuer: &TestIssuer) -> String {
    issuer.token().audience(AUDIENCE).expires_in(Duration::from_secs(86_400)).sign()
}

/// The reason code of a refusal, or "accepted".
pub(crate) async fn reason(server: &ResourceServer, token: &str) -> &'static str {
    server.validate(token).await.map_or_else(|error| error.reason(), |_| "accepted")
}
