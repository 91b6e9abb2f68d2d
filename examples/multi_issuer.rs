//! Two authorization servers for one API: each with its own keys, audience and algorithms.
//!
//! `cargo run --example multi_issuer` stays up; with `-- --once` it sends itself a few requests and exits.

use axum::{Router, routing::get};
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, ResourceServer, ValidatedToken};
use tower_bearer_authorization_server::{AuthorizationServer, Client};

const STAFF_AUDIENCE: &str = "https://api.example.com";
const PARTNER_AUDIENCE: &str = "urn:example:partners";

/// `sub` means something only within its issuer: show both.
async fn whoami(token: ValidatedToken) -> String {
    format!("{} of {}", token.subject().unwrap_or_default(), token.issuer())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let staff = AuthorizationServer::builder()
        .client(Client::new("staff-app", "staff-secret").audience(STAFF_AUDIENCE))
        .start()
        .await?;
    let partners = AuthorizationServer::builder()
        .client(Client::new("partner-app", "partner-secret").audience(PARTNER_AUDIENCE))
        .signing_algorithm(Algorithm::ES256)
        .start()
        .await?;

    let api = ResourceServer::builder()
        .audience(STAFF_AUDIENCE)
        .issuer(Issuer::new(staff.issuer()).algorithms([Algorithm::RS256]))
        .issuer(Issuer::new(partners.issuer()).audience(PARTNER_AUDIENCE).algorithms([Algorithm::ES256]))
        .build()?;
    let app = Router::new().route("/whoami", get(whoami)).route_layer(api.layer());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/whoami", listener.local_addr()?);
    let serving = tokio::spawn(axum::serve(listener, app).into_future());
    println!("API {url}\nstaff    {}\npartners {}\n", staff.issuer(), partners.issuer());
    if !std::env::args().any(|argument| argument == "--once") {
        println!("clients staff-app:staff-secret and partner-app:partner-secret; Ctrl-C ends it");
        return Ok(serving.await??);
    }

    let http = reqwest::Client::builder().no_proxy().build()?;
    for (sent, token, expected) in [
        ("a token of staff", staff.token().sign(), 200),
        ("a token of a partner", partners.token().sign(), 200),
        ("a partner's token for staff", partners.token().audience(STAFF_AUDIENCE).sign(), 401),
        ("staff's keys, partner's name", staff.token().claim("iss", partners.issuer()).sign(), 401),
        ("somebody else's token", staff.token().claim("iss", "https://elsewhere.example").sign(), 401),
    ] {
        let answer = http.get(&url).bearer_auth(token).send().await?;
        let status = answer.status();
        println!("{sent:<29} {status} {}", answer.text().await?);
        assert_eq!(status, expected);
    }
    Ok(())
}
