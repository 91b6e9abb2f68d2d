//! Start, health and end of a service: keys before the first request, probes that heal, a copy of the keys for the next
//! start, and a switch for emergencies.
//!
//! `cargo run --example health` stays up; with `-- --once` it starts twice, each time with the provider down, and
//! exits.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use tower_bearer::{Issuer, Readiness, RequireScopes, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, Client};

const AUDIENCE: &str = "https://api.example.com";

fn app(api: &ResourceServer) -> Router {
    let (probed, administered) = (api.clone(), api.clone());
    Router::new()
        .route("/leads", get(async || "leads"))
        .route(
            "/admin/disable",
            post(async move |issuer: String| disable(&administered, &issuer))
                .route_layer(RequireScopes::all(["admin"])),
        )
        .route_layer(api.layer())
        // Public here. A real service has these on a port of its own, for probes only.
        .route("/health/live", get(async || "alive"))
        .route("/health/ready", get(async move || ready(&probed)))
}

/// A service that is not ready gets no requests: asking for its readiness starts the fetch of keys that it lacks.
fn ready(api: &ResourceServer) -> (StatusCode, Json<Readiness>) {
    let readiness = api.readiness();
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// In this process only: call it on every replica. With one issuer the administrators lock themselves out as well.
fn disable(api: &ResourceServer, issuer: &str) -> StatusCode {
    if api.disable_issuer(issuer) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// One life of the service, until `end`.
async fn live(
    issuer: &str,
    copy: &Path,
    listener: tokio::net::TcpListener,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(issuer)).build()?;
    // No copy, or an unreadable one, is no reason not to start.
    if let Ok(json) = std::fs::read(copy) {
        let taken = serde_json::from_slice(&json).map_or(0, |copy| api.import_key_sets(&copy));
        println!("took {taken} key set from {}", copy.display());
    }
    // The other policy is to end here.
    if let Err(error) = api.warm_up(Duration::from_secs(1)).await {
        println!("starting without keys: {error}");
        for status in api.key_sets() {
            // Codes and URLs are for programs, as in the JSON of `/health/ready`; the text is for people.
            if let Some(failure) = status.last_error {
                println!("{} at {}", failure.reason, failure.url.as_deref().unwrap_or("several places"));
            }
        }
    }
    axum::serve(listener, app(&api)).with_graceful_shutdown(end).await?;
    Ok(std::fs::write(copy, serde_json::to_vec(&api.export_key_sets())?)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let client = Client::new("reader", "reader-secret").scopes(["read:leads"]).audience(AUDIENCE);
    let mut provider = AuthorizationServer::builder().client(client).start().await?;
    let (issuer, token) = (provider.issuer().to_owned(), provider.token().scope("admin").sign());
    // A real service has it where nobody else may write: who writes the copy can sign tokens.
    let copy = std::env::temp_dir().join(format!("tower-bearer-health-{}.json", std::process::id()));
    if !std::env::args().any(|argument| argument == "--once") {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("API http://{}, Ctrl-C ends it; a token for you:\n{token}", listener.local_addr()?);
        return live(&issuer, &copy, listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    }

    let http = reqwest::Client::builder().no_proxy().build()?;
    for has_copy in [false, true] {
        provider.stop().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let life = {
            let (issuer, copy) = (issuer.clone(), copy.clone());
            tokio::spawn(async move { live(&issuer, &copy, listener, async { drop(ended.await) }).await })
        };
        let send = async |request: reqwest::RequestBuilder, expected: u16| {
            let response = request.send().await?;
            let status = response.status();
            println!("{:<15} {status}", response.url().path());
            assert_eq!(status, expected);
            Ok::<(), reqwest::Error>(())
        };
        send(http.get(format!("{url}/health/live")), 200).await?;
        if !has_copy {
            send(http.get(format!("{url}/health/ready")), 503).await?;
            send(http.get(format!("{url}/leads")).bearer_auth(&token), 503).await?;
            provider.restart().await?;
            // Nobody sends requests now; the probe alone heals it.
            while !http.get(format!("{url}/health/ready")).send().await?.status().is_success() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        println!("{}", http.get(format!("{url}/health/ready")).send().await?.text().await?);
        send(http.get(format!("{url}/leads")).bearer_auth(&token), 200).await?;
        send(http.post(format!("{url}/admin/disable")).bearer_auth(&token).body(issuer.clone()), 204).await?;
        send(http.get(format!("{url}/leads")).bearer_auth(&token), 401).await?;
        drop(end);
        life.await??;
    }
    Ok(std::fs::remove_file(copy)?)
}
