//! An API whose figures Prometheus scrapes, and what an outage looks like in them.
//!
//! `cargo run --example prometheus` stays up; with `-- --once` it sends itself some requests, prints the scrape, and
//! exits: 0 when the figures were as expected.

use std::process::ExitCode;

use axum::{Router, routing::get};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tower_bearer::{Issuer, RequireScopes, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, Client};
use tower_bearer_test::Defect;

const AUDIENCE: &str = "https://api.example.com";

/// Buckets, because figures of several replicas can be added up only then.
fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for (name, buckets) in tower_bearer::metrics::BUCKETS {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)?;
    }
    builder.install_recorder()
}

fn app(api: &ResourceServer, dark: &ResourceServer, recorder: PrometheusHandle) -> Router {
    let unavailable = Router::new().route("/unavailable", get(async || "never")).route_layer(dark.layer());
    let feed = Router::new().route("/feed", get(async || "for everybody")).route_layer(api.layer().optional());
    Router::new()
        .route("/leads", get(async || "leads").route_layer(RequireScopes::all(["read:leads"])))
        .route("/admin", get(async || "admin").route_layer(RequireScopes::all(["admin"])))
        .route_layer(api.layer())
        .merge(unavailable)
        .merge(feed)
        // Outside of the layer. A real service has it on a port of its own: the figures are not for clients.
        .route("/metrics", get(async move || recorder.render()))
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let recorder = install_recorder()?;
    let client = Client::new("reader", "reader-secret").scopes(["read:leads"]).audience(AUDIENCE);
    let server = AuthorizationServer::builder().client(client).start().await?;
    let api = ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(server.issuer())).build()?;
    // Its provider has no keys at this address.
    let nowhere = Issuer::new(server.issuer()).jwk_set_url(format!("{}/nowhere", server.issuer()));
    let dark = ResourceServer::builder().audience(AUDIENCE).issuer(nowhere).build()?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(axum::serve(listener, app(&api, &dark, recorder)).into_future());
    println!("API {url}, figures {url}/metrics, authorization server {}\n", server.issuer());
    if !std::env::args().any(|argument| argument == "--once") {
        println!("a token for you, good for some minutes:\n{}\nCtrl-C ends it", server.token().sign());
        return Ok(serving.await?.map(|()| ExitCode::SUCCESS)?);
    }

    let http = reqwest::Client::builder().no_proxy().build()?;
    let good = server.token().sign();
    for (times, path, token) in [
        (5, "/leads", Some(&good)),
        (2, "/leads", None),
        (3, "/leads", Some(&server.defective_token(Defect::Expired))),
        (1, "/leads", Some(&server.defective_token(Defect::UnknownKid))),
        (2, "/admin", Some(&good)),
        (4, "/feed", None),
        (1, "/unavailable", Some(&good)),
    ] {
        for _ in 0..times {
            let request = http.get(format!("{url}{path}"));
            let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
            request.send().await?;
        }
    }

    let scrape = http.get(format!("{url}/metrics")).send().await?.text().await?;
    let issuer = server.issuer();
    println!("{scrape}");
    let mut is_as_expected = true;
    for expected in [
        r#"tower_bearer_decisions_total{outcome="accepted",reason="none"} 7"#,
        r#"tower_bearer_decisions_total{outcome="anonymous",reason="none"} 4"#,
        r#"tower_bearer_decisions_total{outcome="refused",reason="token_absent"} 2"#,
        r#"tower_bearer_decisions_total{outcome="refused",reason="expired"} 3"#,
        r#"tower_bearer_decisions_total{outcome="refused",reason="no_matching_key"} 1"#,
        r#"tower_bearer_decisions_total{outcome="unavailable",reason="keys_unavailable"} 1"#,
        r#"tower_bearer_route_refusals_total{reason="insufficient_scope"} 2"#,
        "tower_bearer_token_life_left_seconds_count 7",
        r#"tower_bearer_token_cache_lookups_total{result="hit"} 6"#,
        "tower_bearer_token_cache_tokens 1",
        &format!(r#"tower_bearer_key_fetches_total{{issuer="{issuer}",result="success"}} 1"#),
        &format!(r#"tower_bearer_key_fetches_total{{issuer="{issuer}",result="unchanged"}} 1"#),
        &format!(r#"tower_bearer_key_fetches_total{{issuer="{issuer}",result="status"}} 1"#),
        &format!(r#"tower_bearer_unknown_kids_total{{issuer="{issuer}",answer="refused"}} 1"#),
        &format!(r#"tower_bearer_key_set_keys{{issuer="{issuer}"}} 1"#),
    ] {
        if !scrape.lines().any(|line| line == expected) {
            println!("expected, and not there: {expected}");
            is_as_expected = false;
        }
    }
    Ok(if is_as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
