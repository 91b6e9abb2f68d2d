//! A provider, an API behind the layer, and clients that keep their connections.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, KeySetStatus, ResourceServer};
use tower_bearer_authorization_server::AuthorizationServer;

pub(crate) const AUDIENCE: &str = "https://api.example.com";
pub(crate) const CONNECTIONS: usize = 64;
pub(crate) const A_DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct Fixture {
    pub(crate) provider: AuthorizationServer,
    pub(crate) clock: ManualClock,
    pub(crate) api: ResourceServer,
    pub(crate) address: SocketAddr,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        let provider = AuthorizationServer::builder().signing_algorithm(Algorithm::EdDSA).clock(clock.clone());
        let provider = provider.start().await.unwrap();
        let api = ResourceServer::builder()
            .audience(AUDIENCE)
            .issuer(Issuer::new(provider.issuer()))
            .clock(clock.clone())
            .build()
            .unwrap();
        let app = Router::new().route("/", get(async || "leads")).route_layer(api.layer());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { provider, clock, api, address }
    }

    /// A token by the provider's signing key, that lives for a day.
    pub(crate) fn token(&self) -> String {
        self.provider.token().audience(AUDIENCE).expires_in(A_DAY).sign()
    }

    pub(crate) fn status(&self) -> KeySetStatus {
        self.api.key_sets().remove(0)
    }

    pub(crate) fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    pub(crate) async fn clients(&self) -> Vec<Client> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Client::connect(self.address).await);
        }
        clients
    }
}

/// One connection.
pub(crate) struct Client(SendRequest<Empty<Bytes>>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let (sender, connection) = handshake(TokioIo::new(TcpStream::connect(address).await.unwrap())).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn get(&mut self, token: &str) -> Response<Incoming> {
        let request = Request::get("/").header("host", "api").header("authorization", format!("Bearer {token}"));
        self.0.ready().await.unwrap();
        self.0.send_request(request.body(Empty::new()).unwrap()).await.unwrap()
    }
}

/// Sends `each` requests over every connection; a request is one of `requests`, with the status that it must get.
/// Returns the connections, and how many answers were wrong.
pub(crate) async fn send(
    clients: Vec<Client>,
    each: usize,
    requests: impl IntoIterator<Item = (String, u16)>,
) -> (Vec<Client>, usize) {
    let requests: Vec<_> = requests.into_iter().collect();
    let mut running = JoinSet::new();
    for (offset, mut client) in clients.into_iter().enumerate() {
        let requests = requests.clone();
        running.spawn(async move {
            let mut wrong = 0;
            for n in 0..each {
                let (token, expected) = &requests[(offset + n) % requests.len()];
                wrong += usize::from(client.get(token).await.status() != *expected);
            }
            (client, wrong)
        });
    }
    let ended = running.join_all().await;
    let wrong = ended.iter().map(|(_, wrong)| wrong).sum();
    (ended.into_iter().map(|(client, _)| client).collect(), wrong)
}
