//! Two replicas of an API that share a revocation list: a token that one of them revokes is refused by the other, and a
//! user is logged out everywhere.
//!
//! Start a server, for example with `docker run --rm --publish 6379:6379 valkey/valkey`, then
//!
//! ```sh
//! cargo run --package tower-bearer-redis --example two_replicas
//! ```
//!
//! prints what it does and ends; `-- --once` is the same. Another server is given by its URL:
//! `-- rediss://:password@redis.example.com`. Without a server it says how to start one, and ends with 2.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use tower::ServiceExt as _;
use tower_bearer::{ResourceServer, RevocationCheck as _};
use tower_bearer_redis::{RedisRevocations, RedisServer};
use tower_bearer_test::TestIssuer;

const AUDIENCE: &str = "https://api.example.com";
const DEFAULT_SERVER: &str = "redis://127.0.0.1:6379";
/// The longest lifetime that the issuer gives an access token.
const LIFETIME: Duration = Duration::from_secs(600);

/// In reality each is a process, on a machine of its own.
struct Replica {
    app: Router,
    revocations: RedisRevocations,
}

impl Replica {
    fn start(server: RedisServer, issuer: &TestIssuer) -> Result<Self, Box<dyn Error>> {
        // A list of its own, so that the example changes nothing of yours.
        let revocations = RedisRevocations::builder(server, LIFETIME).key_prefix("tower-bearer-example").start()?;
        let api = ResourceServer::builder()
            .audience(AUDIENCE)
            .issuer(issuer.trusted())
            .revocation(revocations.clone())
            .build()?;
        let app = Router::new().route("/leads", get(async || "leads")).route_layer(api.layer());
        Ok(Self { app, revocations })
    }

    async fn status(&self, token: &str) -> StatusCode {
        let request = Request::get("/leads").header(header::AUTHORIZATION, format!("Bearer {token}"));
        match request.body(Body::empty()) {
            Ok(request) => self.app.clone().oneshot(request).await.map_or_else(|never| match never {}, |r| r.status()),
            Err(_) => StatusCode::BAD_REQUEST,
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let url = std::env::args().skip(1).find(|argument| argument != "--once");
    let server = RedisServer::at(url.as_deref().unwrap_or(DEFAULT_SERVER));
    let issuer = TestIssuer::new("https://as.example.com")?;
    let [first, second] = [Replica::start(server.clone(), &issuer)?, Replica::start(server, &issuer)?];

    // The server has never had this list: an operator says so, once.
    if let Err(failure) = first.revocations.initialize().await {
        eprintln!(
            "no server: {failure}\nstart one: docker run --rm --publish 6379:6379 valkey/valkey, or name another by its URL"
        );
        return Ok(ExitCode::from(2));
    }
    let both_ready = async { tokio::join!(first.revocations.ready(), second.revocations.ready()) };
    if tokio::time::timeout(Duration::from_secs(10), both_ready).await.is_err() {
        eprintln!("not ready: {:?}", first.revocations.status().last_error);
        return Ok(ExitCode::FAILURE);
    }
    println!("both replicas have the list");

    let token = |subject: &str, id: &str| issuer.token().audience(AUDIENCE).subject(subject).claim("jti", id).sign();
    let [laptop, phone, bob] = [token("alice", "a-1"), token("alice", "a-2"), token("bob", "b-1")];
    println!(
        "alice's tokens on the second replica: {} and {}",
        second.status(&laptop).await,
        second.status(&phone).await
    );

    let began = Instant::now();
    first.revocations.revoke(&tower_bearer::Revocation::token_id("https://as.example.com", "a-1")).await?;
    while second.status(&laptop).await == StatusCode::OK && began.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!(
        "the first replica revoked one; the second answers {} after {:?}, and {} to the other",
        second.status(&laptop).await,
        began.elapsed(),
        second.status(&phone).await
    );

    first.revocations.revoke_subject("https://as.example.com", "alice").await?;
    let began = Instant::now();
    while second.status(&phone).await == StatusCode::OK && began.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!(
        "alice was logged out everywhere: {}; bob was not: {}",
        second.status(&phone).await,
        second.status(&bob).await
    );

    let as_expected = [second.status(&laptop).await, second.status(&phone).await] == [StatusCode::UNAUTHORIZED; 2]
        && second.status(&bob).await == StatusCode::OK;
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
