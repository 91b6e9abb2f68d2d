//! One replica of a service: what `tests/replicas/run` starts several times, with real servers. To read how a service
//! uses the crate, see `two_replicas`.
//!
//! It prints its address, and listens until its standard input ends. Its settings are environment variables.

use std::error::Error;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tower_bearer::{Issuer, ResourceServer, Revocation, RevocationCheck as _};
use tower_bearer_redis::{RedisRevocations, RedisServer, RevokeError};

type Failure = (StatusCode, String);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut server = RedisServer::at(&setting("REDIS_URL").ok_or("REDIS_URL is not set")?);
    if let Some(file) = setting("REDIS_PASSWORD_FILE") {
        server = server.password_file(file);
    }
    if let Some(file) = setting("REDIS_AUTHORITIES_FILE") {
        server = server.certificate_authorities_file(file);
    }
    if let (Some(certificate), Some(key)) = (setting("REDIS_CERTIFICATE_FILE"), setting("REDIS_KEY_FILE")) {
        server = server.client_certificate_files(certificate, key);
    }
    let started = Instant::now();
    let revocations = RedisRevocations::builder(server, Duration::from_secs(3_600))
        .tolerate_outage(Duration::from_secs(5))
        .start()?;
    let secret = setting("TOKEN_SECRET").ok_or("TOKEN_SECRET is not set")?;
    let api = ResourceServer::builder()
        .audience("https://api.example.com")
        .issuer(Issuer::new("https://as.example.com").shared_secret(secret))
        .revocation(revocations.clone())
        .build()?;
    let (became_ready, waits) = (tokio::sync::watch::Sender::new(None), revocations.clone());
    let ready_after = became_ready.subscribe();
    tokio::spawn(async move {
        waits.ready().await;
        became_ready.send_replace(Some(started.elapsed().as_secs_f64()));
    });

    let app = Router::new()
        .route("/leads", get(async || "leads"))
        .route_layer(api.layer())
        // Administration. In a real service it is on another port, or behind a scope.
        .route("/revoke", post(revoke))
        .route("/fill/{count}", post(fill))
        .route("/initialize", post(initialize))
        .route(
            "/status",
            get(async move |State(revocations): State<RedisRevocations>| {
                let ready_after_s = *ready_after.borrow();
                Json(json!({
                    "revocation": revocations.status(), "resident_kib": resident_kib(), "ready_after_s": ready_after_s,
                }))
            }),
        )
        .with_state(revocations);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    let input_ends = async {
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    Ok(axum::serve(listener, app).with_graceful_shutdown(input_ends).await?)
}

async fn revoke(State(revocations): State<RedisRevocations>, Json(entry): Json<Revocation>) -> Result<(), Failure> {
    revocations.revoke(&entry).await.map(drop).map_err(unavailable)
}

/// Revokes so many token ids, some at a time, and says how long that took.
async fn fill(State(revocations): State<RedisRevocations>, Path(count): Path<u32>) -> Result<Json<Value>, Failure> {
    let began = Instant::now();
    let mut revoking: JoinSet<Result<Revocation, RevokeError>> = JoinSet::new();
    for number in 0..count {
        if revoking.len() >= 64
            && let Some(done) = revoking.join_next().await
        {
            done.map_err(unavailable)?.map_err(unavailable)?;
        }
        let (revocations, name) = (revocations.clone(), format!("0b1f8a36-7f3c-4c1e-9d2a-{number:012}"));
        let entry = Revocation::token_id("https://as.example.com", &name);
        revoking.spawn(async move { revocations.revoke(&entry).await });
    }
    while let Some(done) = revoking.join_next().await {
        done.map_err(unavailable)?.map_err(unavailable)?;
    }
    Ok(Json(json!({ "seconds": began.elapsed().as_secs_f64() })))
}

async fn initialize(State(revocations): State<RedisRevocations>) -> Result<(), Failure> {
    revocations.initialize().await.map_err(unavailable)
}

fn unavailable(error: impl Error) -> Failure {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

/// The memory of this process that is in use.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
