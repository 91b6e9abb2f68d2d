//! A user has lost a device, then logs out everywhere: the API refuses the tokens at once, although they are JWTs that
//! have not expired. The authorization server feeds the API's revocation list.
//!
//! `cargo run --example revocation` prints every request and response and keeps running; with `-- --once` it exits.

#[path = "walkthrough/mod.rs"]
mod walkthrough;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tower_bearer::time::{Clock, ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer, Revocation, RevocationList, ValidatedToken};
use tower_bearer_authorization_server::{AuthorizationServer, Client, DevicePoll, IssuedTokenSummary, User};

use walkthrough::{Failure, client, end, send, serve, step};

const AUDIENCE: &str = "https://recordings.example.com";
/// The longest lifetime of an access token. Older ones are refused, so no entry has to last longer.
const TOKEN_LIFETIME: Duration = Duration::from_secs(600);

fn app(api: &ResourceServer) -> Router {
    Router::new().route("/recordings", get(recordings)).route_layer(api.layer())
}

async fn recordings(token: ValidatedToken) -> String {
    format!("the recordings of {}", token.subject().unwrap_or("nobody"))
}

/// One token was revoked at the authorization server. A list that is full must be noticed: the token is still good then.
fn revoke(list: &RevocationList, issuer: &str, token: &IssuedTokenSummary) {
    let Some(token_id) = &token.token_id else { return };
    let entry = Revocation::token_id(issuer, token_id).until(UnixTime::from_secs(token.expires_at));
    if let Err(error) = list.revoke(&entry) {
        eprintln!("a token was not revoked: {error}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Time passes when the walkthrough says so.
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let list = RevocationList::builder(TOKEN_LIFETIME).clock(clock.clone()).build()?;

    // Here, both are one process. Elsewhere, revocations arrive as messages of the authorization server.
    let issuer = "http://as.localhost:9000";
    let device = Client::public("player").scopes(["recordings:read"]).audience(AUDIENCE).device();
    let fed = list.clone();
    let server = AuthorizationServer::builder()
        .client(device)
        .user(User::new("alice", "wonderland"))
        .on_revocation(move |token| revoke(&fed, issuer, token))
        .issuer(issuer)
        .clock(clock.clone())
        .start()
        .await?;
    let local = format!("http://{}", server.address());

    let keys = Issuer::new(issuer).jwk_set_url(format!("{local}/jwks"));
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(keys);
    let api = api.revocation(list.clone()).clock(clock.clone()).build()?;
    let url = serve(app(&api)).await?;
    let http = client()?;
    let call = |token: &str| http.get(format!("{url}/recordings")).bearer_auth(token);
    let connect = async || {
        server.script_device([DevicePoll::Approve { username: "alice".into() }])?;
        let form = [("client_id", "player"), ("scope", "recordings:read")];
        let codes = send(&http, http.post(format!("{local}/device_authorization")).form(&form), 200).await?;
        let device_code = codes.text("device_code")?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &*device_code),
            ("client_id", "player"),
        ];
        send(&http, http.post(format!("{local}/token")).form(&form), 200).await?.text("access_token")
    };

    step("1. alice connects her phone and her tablet. Each gets a JWT, which the API checks by itself");
    let (phone, tablet): (String, String) = (connect().await?, connect().await?);
    for token in [&phone, &tablet] {
        assert!(send(&http, call(token), 200).await?.shows("the recordings of alice"));
    }

    step("2. The tablet is lost. Its token is revoked at the authorization server, and the API refuses it at once");
    let revocation = http.post(format!("{local}/revoke")).form(&[("client_id", "player"), ("token", &tablet)]);
    send(&http, revocation, 200).await?;
    let refused = send(&http, call(&tablet), 401).await?;
    assert!(refused.header("www-authenticate").contains("the token is not active"));
    send(&http, call(&phone), 200).await?;

    step("3. alice logs out everywhere: one entry for all that was issued for her until now");
    let held = api.validate(&phone).await?;
    let connection = tokio::spawn(api.until_refused(&held));
    server.revoke_subject("alice");
    // By the clock of the issuer, so that a login from now on is not affected.
    let now = clock.now().ok_or("the clock is before 1970")?;
    list.revoke(&Revocation::subject(issuer, "alice", now))?;
    send(&http, call(&phone), 401).await?;
    println!("\nthe connection of the phone was closed: {}", connection.await?.reason());
    println!("the log says: {}", api.revalidate(&held).err().ok_or("it is still good")?);

    step("4. She logs in again, a second later");
    clock.advance(Duration::from_secs(1));
    let again = connect().await?;
    assert!(send(&http, call(&again), 200).await?.shows("the recordings of alice"));

    step("5. Entries end with the tokens that they revoke. The list is part of the API's health");
    println!("\n{}", serde_json::to_string(&api.readiness())?);
    assert_eq!(list.len(), 3);
    clock.advance(TOKEN_LIFETIME + Duration::from_secs(2 * 30 + 1));
    assert!(list.is_empty());

    end(&format!("API {url}, authorization server {local}")).await
}
