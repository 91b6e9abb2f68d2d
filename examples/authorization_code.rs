//! A web application reads a user's leads: authorize, log in, consent, code, token, API call, refresh (authorization
//! code with PKCE, RFC 6749 §4.1, RFC 7636, RFC 9207).
//!
//! `cargo run --example authorization_code` prints every request and response and keeps running; with `-- --once` it
//! exits.

#[path = "walkthrough/mod.rs"]
mod walkthrough;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, RequireScopes, ResourceServer, ValidatedToken};
use tower_bearer_authorization_server::{AuthorizationServer, Client, User};

use walkthrough::{Browser, Failure, Pkce, client, end, print_claims, random, send, serve, step};

const AUDIENCE: &str = "https://api.example.com";
const CALLBACK: &str = "https://leads.example.com/callback";

fn app(api: &ResourceServer) -> Router {
    let leads = get(leads).route_layer(RequireScopes::all(["read:leads"]));
    Router::new().route("/leads", leads).route_layer(api.layer())
}

async fn leads(token: ValidatedToken) -> String {
    format!("the leads of {}", token.subject().unwrap_or("nobody"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Time passes when the walkthrough says so.
    let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    let web = Client::new("leads-web", "leads-web-secret")
        .name("Lead reports")
        .scopes(["read:leads", "write:leads"])
        .audience(AUDIENCE)
        .redirect_uri(CALLBACK);
    let builder = AuthorizationServer::builder().client(web).user(User::new("alice", "wonderland"));
    let builder = builder.scope_description("read:leads", "Read your leads");
    let server = builder.scope_description("write:leads", "Add and change leads").clock(clock.clone()).start().await?;
    let issuer = Issuer::new(server.issuer());
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build()?;
    let url = serve(app(&api)).await?;
    let http = client()?;
    let mut browser = Browser::new(&http);

    step("1. Authorize: the application sends the browser to the authorization server, which asks who the user is");
    let (pkce, state) = (Pkce::new()?, random()?);
    let mut authorize = url::Url::parse(server.authorization_endpoint())?;
    authorize.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "leads-web"),
        ("redirect_uri", CALLBACK),
        ("scope", "read:leads write:leads"),
        ("state", &state),
        ("code_challenge", &pkce.challenge),
        ("code_challenge_method", "S256"),
    ]);
    let login = browser.open(authorize.as_str()).await?;

    step("2. Log in: the password goes to the authorization server alone");
    let fields = [("username", "alice"), ("password", "wonderland")];
    let logged_in = browser.submit(&format!("{}/login", server.issuer()), &login, &fields, 303).await?;
    let next = url::Url::parse(server.issuer())?.join(logged_in.header("location"))?;
    let consent = browser.open(next.as_str()).await?;
    assert!(consent.shows("Lead reports") && consent.shows("Add and change leads"));

    step("3. Consent: the user allows to read, and not to write. The browser goes back with a code");
    let fields = [("allow.read:leads", "yes"), ("decision", "approve")];
    let decided = browser.submit(&format!("{}/consent", server.issuer()), &consent, &fields, 303).await?;
    let back = decided.redirect()?;
    assert!(decided.header("location").starts_with(CALLBACK));
    // What the application has to check: that it asked for this, and that its server answered (RFC 9207).
    assert_eq!((back.get("state"), back.get("iss").map(String::as_str)), (Some(&state), Some(server.issuer())));
    let code = back.get("code").ok_or("no code came back")?;

    step("4. Code for token: the application proves who it is, and that it is the one that began (PKCE)");
    let ask = |form: &[(&str, &str)]| {
        http.post(server.token_endpoint()).basic_auth("leads-web", Some("leads-web-secret")).form(form)
    };
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &pkce.verifier),
    ];
    let tokens = send(&http, ask(&exchange), 200).await?;
    let (token, refresh_token) = (tokens.text("access_token")?, tokens.text("refresh_token")?);
    assert_eq!(tokens.text("scope")?, "read:leads");
    print_claims(&token)?;

    step("5. API call: the API checks the token by itself");
    let leads = |token: &str| http.get(format!("{url}/leads")).bearer_auth(token);
    assert!(send(&http, leads(&token), 200).await?.shows("the leads of alice"));

    step("6. Refresh: ten minutes later the token has expired, and the application gets another without the user");
    clock.advance(Duration::from_secs(600));
    assert!(send(&http, leads(&token), 401).await?.header("www-authenticate").contains("the token has expired"));
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token)];
    let refreshed = send(&http, ask(&refresh), 200).await?;
    assert_ne!(refreshed.text("refresh_token")?, refresh_token, "each use gives a new one");
    send(&http, leads(&refreshed.text("access_token")?), 200).await?;

    end(&format!("API {url}, authorization server {}", server.issuer())).await
}
