//! An axum API the way it is meant: a public route outside of the layer, scopes per route, and the traps avoided.
//!
//! `cargo run --example axum_api` stays up; with `-- --once` it sends itself a few requests and exits.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use tower_bearer::{
    ClaimMarker, Issuer, Refusal, RequireScopes, RequireToken, ResourceServer, SpeaksFor, ValidatedToken,
};
use tower_bearer_authorization_server::{AuthorizationServer, Client};
use tower_http::cors::{Any, CorsLayer};

const AUDIENCE: &str = "https://api.example.com";

pub(crate) fn app(api: &ResourceServer) -> Router {
    let leads = get(list_leads).route_layer(RequireScopes::any(["read:leads", "admin"]));
    let add_lead = post(add_lead).route_layer(RequireScopes::all(["write:leads"]));
    let for_users = RequireToken::that("speaks for a user", |token| token.speaks_for() == SpeaksFor::User);
    Router::new()
        .route("/leads", leads.merge(add_lead))
        .route("/profile", get(async || "profile").route_layer(for_users))
        .route("/whoami", get(whoami))
        // `route_layer`, after the routes: what comes later is not covered, and unknown paths stay 404.
        .route_layer(api.layer())
        // Public routes come after the layer.
        .route("/health", get(async || "ok"))
        // CORS outside: preflights have no token, and scripts have to be able to read refusals.
        .layer(cors())
}

/// What scripts in web pages may send and read.
fn cors() -> CorsLayer {
    CorsLayer::new()
        // A token is not a cookie: a page from another origin has none to send.
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        // By name, since `*` does not cover `Authorization`. Without `Content-Type`, browsers send no JSON.
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        // Why a request was refused, and when to try again.
        .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER])
}

async fn list_leads() -> Json<[&'static str; 2]> {
    Json(["Ada", "Grace"])
}

async fn add_lead() -> StatusCode {
    StatusCode::CREATED
}

/// A handler can ask for more itself; the answer is the same 403 as a layer's.
async fn whoami(token: ValidatedToken) -> Result<String, Refusal> {
    token.require("read:leads")?;
    Ok(format!("{} until {}", token.subject().unwrap_or("nobody"), token.expires_at()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new("reader", "reader-secret").scopes(["read:leads"]).audience(AUDIENCE);
    let server = AuthorizationServer::builder().client(client).start().await?;
    // No token speaks for a user unless it says so: Microsoft Entra does so in `idtyp`.
    let issuer = Issuer::new(server.issuer()).user_marker(ClaimMarker::equals("idtyp", "user"));
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build()?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(axum::serve(listener, app(&api)).into_future());
    println!("API {url}, authorization server {}", server.issuer());
    if !std::env::args().any(|argument| argument == "--once") {
        println!("client reader:reader-secret; Ctrl-C ends it");
        return Ok(serving.await??);
    }

    let http = reqwest::Client::builder().no_proxy().build()?;
    let token = server.token().sign();
    let users = server.token().subject("alice").claim("idtyp", "user").sign();
    for (method, path, authorization, expected) in [
        ("GET", "/health", None, 200),
        ("GET", "/nowhere", None, 404),
        ("GET", "/leads", None, 400),
        ("GET", "/leads", Some(&token), 200),
        ("POST", "/leads", Some(&token), 403),
        ("GET", "/profile", Some(&token), 403),
        ("GET", "/profile", Some(&users), 200),
        ("GET", "/whoami", Some(&token), 200),
    ] {
        let request = http.request(method.parse()?, format!("{url}{path}"));
        let request = authorization.iter().fold(request, |request, token| request.bearer_auth(token));
        let status = request.send().await?.status();
        println!("{method:<4} {path:<9} {:<7} {status}", if authorization.is_some() { "token" } else { "none" });
        assert_eq!(status, expected);
    }
    Ok(())
}
