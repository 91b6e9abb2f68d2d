//! A television shows a user's recordings: it has no keyboard, so the user allows it on a phone (RFC 8628).
//!
//! `cargo run --example device` prints every request and response and keeps running; with `-- --once` it exits.

#[path = "walkthrough/mod.rs"]
mod walkthrough;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::Value;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, RequireScopes, ResourceServer, ValidatedToken};
use tower_bearer_authorization_server::{AuthorizationServer, Client, User};

use walkthrough::{Browser, Failure, client, end, send, serve, step};

const AUDIENCE: &str = "https://recordings.example.com";

fn app(api: &ResourceServer) -> Router {
    let recordings = get(recordings).route_layer(RequireScopes::all(["recordings:read"]));
    Router::new().route("/recordings", recordings).route_layer(api.layer())
}

async fn recordings(token: ValidatedToken) -> String {
    format!("the recordings of {}", token.subject().unwrap_or("nobody"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Time passes when the walkthrough says so: a real device waits between its polls.
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let television = Client::public("television")
        .name("Television in the living room")
        .scopes(["recordings:read"])
        .audience(AUDIENCE)
        .device();
    let builder = AuthorizationServer::builder().client(television).user(User::new("alice", "wonderland"));
    let builder = builder.scope_description("recordings:read", "See your recordings");
    let server = builder.clock(clock.clone()).start().await?;
    let issuer = Issuer::new(server.issuer());
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build()?;
    let url = serve(app(&api)).await?;
    let http = client()?;

    step("1. The television asks for two codes: one for itself, and one to show");
    let metadata = server.metadata();
    let endpoint =
        metadata.get("device_authorization_endpoint").and_then(Value::as_str).ok_or("no device flow there")?;
    let ask = http.post(endpoint).form(&[("client_id", "television"), ("scope", "recordings:read")]);
    let answer = send(&http, ask, 200).await?;
    let (device_code, user_code) = (answer.text("device_code")?, answer.text("user_code")?);
    let page = answer.text("verification_uri")?;
    println!("\nthe television shows:  go to {page} and enter {user_code}");

    step("2. While it waits it asks whether the user has decided. Who asks too often is told to slow down");
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", &*device_code),
        ("client_id", "television"),
    ];
    let poll = || http.post(server.token_endpoint()).form(&form);
    assert_eq!(send(&http, poll(), 400).await?.text("error")?, "authorization_pending");
    clock.advance(Duration::from_secs(1));
    assert_eq!(send(&http, poll(), 400).await?.text("error")?, "slow_down");

    step("3. On a phone, the user enters the code, in small letters and without the dash");
    let mut phone = Browser::new(&http);
    let shown = phone.open(&page).await?;
    let typed = user_code.to_lowercase().replace('-', "");
    let login = phone.submit(&page, &shown, &[("user_code", &typed)], 200).await?;

    step("4. logs in, and compares what the page says with what the television shows");
    let fields = [("username", "alice"), ("password", "wonderland")];
    let consent = phone.submit(&page, &login, &fields, 200).await?;
    assert!(consent.shows(&user_code) && consent.shows("See your recordings"));

    step("5. and allows it");
    let fields = [("allow.recordings:read", "yes"), ("decision", "approve")];
    assert!(phone.submit(&page, &consent, &fields, 200).await?.shows("Your device is connected"));

    step("6. The next time it asks, the television gets its tokens");
    clock.advance(Duration::from_secs(10));
    let tokens = send(&http, poll(), 200).await?;
    let recordings = http.get(format!("{url}/recordings")).bearer_auth(tokens.text("access_token")?);
    assert!(send(&http, recordings, 200).await?.shows("the recordings of alice"));

    step("7. Its code was good once. Who comes with it again has stolen it, and ends what it brought");
    assert_eq!(send(&http, poll(), 400).await?.text("error")?, "invalid_grant");
    let refresh_token = tokens.text("refresh_token")?;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token), ("client_id", "television")];
    let refresh = http.post(server.token_endpoint()).form(&form);
    assert_eq!(send(&http, refresh, 400).await?.text("error")?, "invalid_grant");

    end(&format!("API {url}, page for codes {page}")).await
}
