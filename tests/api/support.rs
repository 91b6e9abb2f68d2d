//! What the tests share: one issuer, one audience, a clock that stands, and requests over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tower_bearer::jose::Algorithm;
use tower_bearer::test_util::{SigningKey, TestIssuer, TokenBuilder};
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer, ResourceServerBuilder, TokenError};

pub(crate) const ISSUER: &str = "https://as.example.com";
pub(crate) const AUDIENCE: &str = "https://api.example.com";
/// When the tests take place.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Keys are made once: an RSA key takes time.
pub(crate) fn key(algorithm: Algorithm) -> SigningKey {
    static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
        Algorithm::PUBLIC_KEY.iter().map(|algorithm| SigningKey::generate(*algorithm).unwrap()).collect()
    });
    KEYS.iter().find(|key| key.algorithm() == algorithm).unwrap().clone()
}

/// The clock of all tests; it stands at [`NOW`].
pub(crate) fn clock() -> ManualClock {
    ManualClock::at(NOW)
}

/// An issuer with an RS256 key.
pub(crate) fn issuer() -> TestIssuer {
    issuer_with(Algorithm::RS256)
}

pub(crate) fn issuer_with(algorithm: Algorithm) -> TestIssuer {
    TestIssuer::with_key(ISSUER, key(algorithm)).with_clock(clock())
}

/// A good token, to be spoiled.
pub(crate) fn token() -> TokenBuilder {
    issuer().token().audience(AUDIENCE).subject("alice").client_id("app").scope("read:leads")
}

pub(crate) fn builder() -> ResourceServerBuilder {
    ResourceServer::builder().audience(AUDIENCE).clock(clock())
}

/// A resource server that trusts [`issuer`].
pub(crate) fn server() -> ResourceServer {
    builder().issuer(issuer().trusted()).build().unwrap()
}

/// One with this issuer only.
pub(crate) fn server_trusting(issuer: Issuer) -> ResourceServer {
    builder().issuer(issuer).build().unwrap()
}

/// The verdict without a network.
pub(crate) async fn refusal(server: &ResourceServer, token: &str) -> Option<TokenError> {
    server.validate(token).await.err()
}

/// The reason code of a refusal, or "accepted".
pub(crate) async fn reason(server: &ResourceServer, token: &str) -> &'static str {
    refusal(server, token).await.map_or("accepted", |error| error.reason())
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

    pub(crate) async fn start_layer(layer: tower_bearer::BearerLayer) -> Self {
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

/// Serves an axum application on a random loopback port until the test ends.
pub(crate) async fn serve(app: axum::Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The challenge of a response.
pub(crate) fn challenge(response: &reqwest::Response) -> String {
    let mut values = response.headers().get_all("www-authenticate").iter();
    let challenge = values.next().map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    assert!(values.next().is_none(), "more than one challenge header");
    challenge
}
