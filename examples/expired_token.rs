//! 2:14 a.m.: a nightly export stops in the middle, because its token has expired. How that shows in the answer, in the
//! log, in the figures and in `tower-bearer check`; and how a refresh heals it before anybody wakes up.
//!
//! `cargo run --example expired_token` prints every request and response and keeps running; with `-- --once` it exits.

#[path = "walkthrough/mod.rs"]
mod walkthrough;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower_bearer::time::{ManualClock, UnixTime};
use tower_bearer::{Issuer, ResourceServer, Step, StepListener};
use tower_bearer_authorization_server::{AuthorizationServer, Client, DevicePoll, User};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use walkthrough::{Failure, client, end, send, serve, step};

const AUDIENCE: &str = "https://api.example.com";

/// 2026-11-21, 2:09 a.m.
const BEGIN: UnixTime = UnixTime::from_secs(1_795_226_940);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // What the API's operators have: the crate's log at debug, and its figures.
    let log = Log::default();
    let lines = tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer({
        let log = log.clone();
        move || log.clone()
    });
    let api_only = Targets::new()
        .with_target("tower_bearer", LevelFilter::DEBUG)
        .with_target("tower_bearer_authorization_server", LevelFilter::OFF);
    tracing_subscriber::registry().with(api_only).with(lines).init();
    let figures = PrometheusBuilder::new().install_recorder()?;

    let clock = ManualClock::at(BEGIN);
    let export = Client::public("export").scopes(["read:leads"]).audience(AUDIENCE).device();
    let builder = AuthorizationServer::builder().client(export).user(User::new("alice", "wonderland"));
    let server = builder.clock(clock.clone()).start().await?;
    let issuer = Issuer::new(server.issuer());
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(issuer).clock(clock.clone()).build()?;
    let url = serve(Router::new().route("/leads", get(async || "a page of leads")).route_layer(api.layer())).await?;
    let http = client()?;

    step("2:09  The export gets its tokens: Alice has allowed it (see the example `device`; here it is scripted)");
    server.script_device([DevicePoll::Approve { username: "alice".to_owned() }])?;
    let ask = http.post(format!("{}/device_authorization", server.issuer())).form(&[("client_id", "export")]);
    let device_code = send(&http, ask, 200).await?.text("device_code")?;
    let grant = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", &*device_code),
        ("client_id", "export"),
    ];
    let tokens = send(&http, http.post(server.token_endpoint()).form(&grant), 200).await?;
    let (token, refresh_token) = (tokens.text("access_token")?, tokens.text("refresh_token")?);

    step("2:10  It works");
    let page = |token: &str| http.get(format!("{url}/leads")).bearer_auth(token);
    clock.advance(Duration::from_secs(60));
    send(&http, page(&token), 200).await?;

    step("2:14  The token ends. For 30 seconds more the API takes it, since clocks differ");
    clock.advance(Duration::from_secs(4 * 60 + 29));
    send(&http, page(&token), 200).await?;
    log.take();

    step("2:14:31  What breaks. The answer: 401, and `error=\"invalid_token\"` says that another token helps");
    clock.advance(Duration::from_secs(2));
    let refused = send(&http, page(&token), 401).await?;
    assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""));
    assert_eq!(refused.text("error_description")?, "the token has expired");

    step("         The API's log, at debug, has the reason and never the token");
    let lines = log.take();
    print!("{lines}");
    assert!(lines.contains("reason=\"expired\""));
    assert!(!lines.contains(&token));

    step("         Its figures count it: a rise of this one by itself means that clients do not refresh");
    let scrape = figures.render();
    let counted = "tower_bearer_decisions_total{outcome=\"refused\",reason=\"expired\"} 1";
    scrape.lines().filter(|line| line.starts_with("tower_bearer_decisions_total")).for_each(|line| println!("{line}"));
    assert!(scrape.lines().any(|line| line == counted));

    step(
        "         And whoever is woken up asks what is wrong with the token: `pbpaste | tower-bearer check …`\n         \
         has the same steps as this",
    );
    let mut steps = Steps;
    assert!(api.validate_explained(&token, &mut steps).await.is_err());

    step("What heals it: on such a 401 the export uses its refresh token, once, and repeats the request");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token), ("client_id", "export")];
    let refreshed = send(&http, http.post(server.token_endpoint()).form(&refresh), 200).await?;
    send(&http, page(&refreshed.text("access_token")?), 200).await?;

    step("Better still: it refreshes when `expires_in` is nearly over, and nothing breaks at all");
    assert_eq!(refreshed.json()?.get("expires_in"), Some(&300.into()));
    clock.advance(Duration::from_secs(270));
    let again = refreshed.text("refresh_token")?;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*again), ("client_id", "export")];
    let before_its_end = send(&http, http.post(server.token_endpoint()).form(&refresh), 200).await?;
    clock.advance(Duration::from_secs(60));
    send(&http, page(&before_its_end.text("access_token")?), 200).await?;
    assert!(figures.render().lines().any(|line| line == counted), "it stayed the only one");

    end(&format!("API {url}, authorization server {}", server.issuer())).await
}

/// Prints each check of a token.
struct Steps;

impl StepListener for Steps {
    fn step(&mut self, step: Step<'_>) {
        let mark = if step.passed { '✓' } else { '✗' };
        println!("    {mark} {:<17} {}  (expected: {})", step.check.name(), step.found, step.expected);
    }
}

/// Log lines, kept to be looked at.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
