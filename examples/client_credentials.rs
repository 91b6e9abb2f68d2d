//! A pipeline deploys: a program without a user gets a token for itself (client credentials, RFC 6749 §4.4) and calls
//! an API with it.
//!
//! `cargo run --example client_credentials` prints every request and response and keeps running; with `-- --once` it
//! exits.

#[path = "walkthrough/mod.rs"]
mod walkthrough;

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tower_bearer::{Issuer, RequireScopes, ResourceServer, ValidatedToken};
use tower_bearer_authorization_server::{AuthorizationServer, Client};

use walkthrough::{Failure, client, end, print_claims, send, serve, step};

const AUDIENCE: &str = "https://deploy.example.com";

fn app(api: &ResourceServer) -> Router {
    let deploy = post(deploy).route_layer(RequireScopes::all(["deploy"]));
    let secrets = get(async || "all of them").route_layer(RequireScopes::all(["secrets:read"]));
    Router::new().route("/releases", deploy).route("/secrets", secrets).route_layer(api.layer())
}

/// Without a user, `sub` is the client itself (RFC 9068 §2.2).
async fn deploy(token: ValidatedToken) -> (StatusCode, String) {
    (StatusCode::CREATED, format!("deployed by {}", token.subject().unwrap_or("nobody")))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // The secret is one of the pipeline's own, in the CI system's store of secrets.
    let pipeline = Client::new("pipeline", "pipeline-secret")
        .scopes(["deploy", "status:read"])
        .audience(AUDIENCE)
        .token_lifetime(Duration::from_secs(600));
    let server = AuthorizationServer::builder().client(pipeline).start().await?;
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build()?;
    let url = serve(app(&api)).await?;
    let http = client()?;

    step("1. The pipeline finds out where tokens are to be had (RFC 8414)");
    let metadata = http.get(format!("{}/.well-known/oauth-authorization-server", server.issuer()));
    let token_endpoint = send(&http, metadata, 200).await?.text("token_endpoint")?;
    assert_eq!(token_endpoint, server.token_endpoint());

    step("2. It proves who it is, and asks for no more than it needs");
    let ask = |secret: &'static str, scope: &'static str| {
        let request = http.post(&token_endpoint).basic_auth("pipeline", Some(secret));
        request.form(&[("grant_type", "client_credentials"), ("scope", scope)])
    };
    let answer = send(&http, ask("pipeline-secret", "deploy"), 200).await?;
    let token = answer.text("access_token")?;
    assert_eq!(answer.json()?.get("expires_in"), Some(&600.into()));
    print_claims(&token)?;

    step("3. It deploys. The API checks signature, issuer, audience, time and scope, and asks nobody");
    let release = send(&http, http.post(format!("{url}/releases")).bearer_auth(&token), 201).await?;
    assert!(release.shows("deployed by pipeline"));

    step("4. What this token is not for, it does not open: 403, and the challenge names the scope");
    let refused = send(&http, http.get(format!("{url}/secrets")).bearer_auth(&token), 403).await?;
    assert!(refused.header("www-authenticate").contains("scope=\"secrets:read\""));

    step("5. A scope that the pipeline is not registered for, it does not get");
    assert_eq!(send(&http, ask("pipeline-secret", "secrets:read"), 400).await?.text("error")?, "invalid_scope");

    step("6. With a wrong secret there is no token at all");
    assert_eq!(send(&http, ask("guessed", "deploy"), 401).await?.text("error")?, "invalid_client");

    end(&format!("API {url}, token endpoint {token_endpoint}, client pipeline:pipeline-secret")).await
}
