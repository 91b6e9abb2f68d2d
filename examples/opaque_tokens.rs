//! An API whose clients send opaque tokens: it introspects them at the authorization server (RFC 7662), caches the
//! answers for a minute, and keeps using them while the server is down.
//!
//! `cargo run --example opaque_tokens` prints every request and response and keeps running; with `-- --once` it exits.

#[path = "walkthrough/mod.rs"]
mod walkthrough;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{ClientSecretBasic, Introspection, Issuer, RequireScopes, ResourceServer, ValidatedToken};
use tower_bearer_authorization_server::{AuthorizationServer, Client, Endpoint, Fault};

use walkthrough::{Failure, client, end, send, serve, step};

const AUDIENCE: &str = "https://leads.example.com";

fn app(api: &ResourceServer) -> Router {
    let leads = get(leads).route_layer(RequireScopes::all(["leads:read"]));
    Router::new().route("/leads", leads).route_layer(api.layer())
}

/// The claims of the token are those that the server returned for it.
async fn leads(token: ValidatedToken) -> String {
    format!("leads for {}", token.client_id().unwrap_or("nobody"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // A manual clock, so that a minute passes at once.
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let reports = Client::new("reports", "reports-secret").scopes(["leads:read"]).audience(AUDIENCE).opaque_tokens();
    // The API is a client, too: only authenticated clients may introspect tokens.
    let server = AuthorizationServer::builder().client(reports);
    let server = server.client(Client::new("leads-api", "api-secret").audience(AUDIENCE));
    let server = server.clock(clock.clone()).start().await?;

    let introspection = Introspection::discovered()
        .client(ClientSecretBasic::new("leads-api", "api-secret"))
        .serve_stale(Duration::from_secs(300));
    let issuer = Issuer::new(server.issuer()).introspection(introspection);
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build()?;
    let url = serve(app(&api)).await?;
    let http = client()?;
    let call = |token: &str| http.get(format!("{url}/leads")).bearer_auth(token);

    step("1. A client gets a token that nobody but the server can read");
    let form = [("grant_type", "client_credentials"), ("scope", "leads:read")];
    let request = http.post(server.token_endpoint()).basic_auth("reports", Some("reports-secret")).form(&form);
    let token = send(&http, request, 200).await?.text("access_token")?;
    assert!(!token.contains('.'));

    step("2. The API asks the server about it, once: the second request needs no call");
    for _ in 0..2 {
        assert!(send(&http, call(&token), 200).await?.shows("leads for reports"));
    }
    assert_eq!(server.requests(Endpoint::Introspection), 1);

    step("3. A token that was never issued is refused: 401");
    assert_eq!(send(&http, call("made-up"), 401).await?.text("error")?, "invalid_token");

    step("4. The server fails, and the answer is too old. The API keeps using it for five minutes");
    server.misbehave(Endpoint::Introspection, Fault::status(500))?;
    clock.advance(Duration::from_secs(60));
    assert!(send(&http, call(&token), 200).await?.shows("leads for reports"));

    step("5. It cannot decide about a token that it has never seen: 503, and not `invalid_token`");
    let unknown = send(&http, call("never-seen"), 503).await?;
    assert!(!unknown.header("retry-after").is_empty() && !unknown.shows("invalid_token"));

    step("6. The server is back, and the token is revoked: the API notices when the answer is a minute old");
    server.behave(Endpoint::Introspection);
    clock.advance(Duration::from_secs(60));
    let revocation = http.post(format!("{}/revoke", server.issuer())).basic_auth("reports", Some("reports-secret"));
    send(&http, revocation.form(&[("token", token.as_str())]), 200).await?;
    assert_eq!(send(&http, call(&token), 401).await?.text("error")?, "invalid_token");

    end(&format!("API {url}, client reports:reports-secret at {}", server.token_endpoint())).await
}
