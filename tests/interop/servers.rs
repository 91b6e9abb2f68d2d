//! What the clients of `tests/interop/` talk to: the bundled authorization server, an API behind the layer, and services
//! that nginx queries.
//!
//! `tests/interop/run` starts it. It prints where both are as one line of JSON, and stays up until it is ended.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use serde_json::{Value, json};
use tower_bearer::{
    ClientSecretBasic, Introspection, Issuer, RefusalKind, RequireScopes, ResourceServer, StatusPolicy, ValidatedToken,
};
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Client, User};

const AUDIENCE: &str = "https://api.example.com";
/// On loopback, so at any port (RFC 8252 §7.3).
const CALLBACK: &str = "http://127.0.0.1/callback";

fn authorization_server() -> AuthorizationServerBuilder {
    let web = Client::new("web", "web-secret")
        .name("Lead reports")
        .scopes(["openid", "read:leads", "write:leads"])
        .audience(AUDIENCE)
        .redirect_uri(CALLBACK);
    let desktop = Client::public("desktop").scopes(["read:leads"]).audience(AUDIENCE).redirect_uri(CALLBACK);
    let television = Client::public("television").name("Television").scopes(["read:leads"]).audience(AUDIENCE);
    let opaque = Client::new("opaque", "opaque-secret").scopes(["read:leads"]).audience(AUDIENCE).opaque_tokens();
    // The key of RFC 7515 appendix A.3, of which everybody has the private one.
    let job = Client::with_jwks(
        "job",
        json!({
            "kty": "EC",
            "crv": "P-256",
            "kid": "job-1",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }),
    );
    let job = job.scopes(["read:leads"]).audience(AUDIENCE).redirect_uri(CALLBACK);
    AuthorizationServer::builder()
        .client(web)
        .client(job)
        .client(desktop)
        .client(television.device())
        .client(opaque)
        .user(User::new("alice", "wonderland").subject("user-1").claim("name", "Alice Liddell"))
        .scope_description("read:leads", "Read your leads")
        .scope_description("write:leads", "Add and change leads")
        .device_poll_interval(Duration::from_secs(1))
}

fn app(api: &ResourceServer) -> Router {
    let read = get(leads).route_layer(RequireScopes::all(["read:leads"]));
    let write = post(leads).route_layer(RequireScopes::all(["write:leads"]));
    Router::new().route("/leads", read.merge(write)).route_layer(api.layer())
}

async fn leads(token: ValidatedToken) -> String {
    format!("the leads of {}", token.subject().unwrap_or("nobody"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = authorization_server().start().await?;
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!(
        "{}",
        json!({
            "issuer": server.issuer(),
            "api": format!("http://{}/leads", listener.local_addr()?),
            "auth": auth_services(server.issuer()).await?,
            "opaque": introspecting_apis(&std::env::var("OIDC_PROVIDER")?).await?,
        })
    );
    Ok(axum::serve(listener, app(&api)).await?)
}

/// APIs that introspect the tokens of another authorization server: one as configured by default, one that keeps nothing.
async fn introspecting_apis(issuer: &str) -> Result<Value, Box<dyn std::error::Error>> {
    async fn show(token: ValidatedToken) -> String {
        format!("{}, {}", token.client_id().unwrap_or("nobody"), token.scope().as_str())
    }
    let introspection = || Introspection::discovered().client(ClientSecretBasic::new("api", "api-secret"));
    let kept_for = |time| introspection().cache(time).inactive_cache(time);
    let mut urls = serde_json::Map::new();
    for (name, introspection) in [("cached", introspection()), ("uncached", kept_for(Duration::ZERO))] {
        let trusted = Issuer::new(issuer).introspection(introspection);
        let api = ResourceServer::builder().audience(AUDIENCE).issuer(trusted).build()?;
        let show = get(show).route_layer(RequireScopes::all(["read:leads"]));
        let app = Router::new().route("/", show).route_layer(api.layer());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        urls.insert(name.to_owned(), json!(format!("http://{}/", listener.local_addr()?)));
        tokio::spawn(axum::serve(listener, app).into_future());
    }
    Ok(urls.into())
}

/// The addresses of services for nginx's `auth_request`, keyed by what is special about each.
async fn auth_services(issuer: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let good = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(issuer));
    let for_nginx = StatusPolicy::auth_request;
    // Nothing listens on port 1, so there are no keys.
    let without_keys = Issuer::new(issuer).jwk_set_url("http://127.0.0.1:1/keys");
    let without_keys = ResourceServer::builder().audience(AUDIENCE).issuer(without_keys);
    // A path that is not listed needs every scope: the API may read it differently.
    let answer = || {
        let yes = || any(async || StatusCode::NO_CONTENT);
        let rest = yes().layer(RequireScopes::all(["read:leads", "write:leads"]));
        Router::new().route("/leads", yes()).fallback_service(rest)
    };
    let hiding = for_nginx().with(RefusalKind::Forbidden, StatusCode::NOT_FOUND)?;
    let services = [
        ("good", answer().layer(good.clone().status_policy(for_nginx()).build()?.layer())),
        ("hiding", answer().layer(good.clone().status_policy(hiding).build()?.layer())),
        ("rfc6750", answer().layer(good.status_policy(StatusPolicy::rfc6750()).build()?.layer())),
        ("without_keys", answer().layer(without_keys.status_policy(for_nginx()).build()?.layer())),
        ("without_layer", answer().layer(RequireScopes::all(["read:leads"]))),
    ];
    let mut addresses = serde_json::Map::new();
    for (name, service) in services {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        addresses.insert(name.to_owned(), json!(listener.local_addr()?));
        tokio::spawn(axum::serve(listener, service).into_future());
    }
    Ok(addresses.into())
}
