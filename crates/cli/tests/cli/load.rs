//! `tower-bearer load`: short runs with real processes and sockets, whose answers are asserted and never their speed.

use std::fs;
use std::future::IntoFuture as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::get;
use axum::{Router, extract::Request, middleware, middleware::Next};
use serde_json::Value;
use tokio::sync::Notify;
use tower_bearer::jose::Algorithm;
use tower_bearer::{Issuer, RequireScopes, ResourceServer};
use tower_bearer_authorization_server::{AuthorizationServer, Certificate, Client, Endpoint};
use tower_bearer_test::Defect;

use crate::support::*;

const AUDIENCE: &str = "https://api.example.com";
const SECRET: &str = "a-secret-that-nobody-may-see";
const BRIEF: [&str; 8] = ["--duration", "300ms", "--warm-up", "100ms", "--connections", "4", "--json", "-"];

/// Runs `load` while servers of this test answer.
async fn load(arguments: &[&str]) -> Output {
    let command = tower_bearer(&[&["load"], arguments].concat());
    output(command).await
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

/// A provider with one client, and an API that asks for the scope `read`.
struct Servers {
    provider: AuthorizationServer,
    url: String,
    requests: Arc<AtomicUsize>,
    /// Tells of the first request.
    first: Arc<Notify>,
}

impl Servers {
    async fn start() -> Self {
        let client = Client::new("load", SECRET).scopes(["read", "other"]).audience(AUDIENCE);
        let provider = AuthorizationServer::builder().client(client).signing_algorithm(Algorithm::ES256);
        let provider = provider.start().await.unwrap();
        let server =
            ResourceServer::builder().audience(AUDIENCE).issuer(Issuer::new(provider.issuer())).build().unwrap();
        let (requests, first) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counter, notify) = (Arc::clone(&requests), Arc::clone(&first));
        let count = move |request: Request, next: Next| {
            if counter.fetch_add(1, Ordering::Relaxed) == 0 {
                notify.notify_one();
            }
            next.run(request)
        };
        let app = Router::new()
            .route("/leads", get(async || "leads"))
            .route_layer(RequireScopes::all(["read"]))
            .route_layer(server.layer())
            .layer(middleware::from_fn(count));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/leads", listener.local_addr().unwrap().port());
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { provider, url, requests, first }
    }
}

/// What the profile must show, whatever the machine.
fn check(measured: &Value) {
    let name = measured["profile"].as_str().unwrap();
    assert_eq!(measured["wrong_answers"], 0, "{measured:#}");
    assert!(measured["requests"].as_u64().unwrap() > 0, "{name}");
    assert!(measured["requests_per_second"].as_f64().unwrap() > 0.0, "{name}");
    let is_flood = matches!(name, "bad-signature" | "random-kid");
    assert_eq!(measured["bad"].is_object(), is_flood, "{name}");
    for class in if is_flood { &["good", "bad"][..] } else { &["good"] } {
        let latency =
            ["p50", "p90", "p99", "p99_9", "max"].map(|name| measured[class]["latency_us"][name].as_f64().unwrap());
        assert!(latency[0] > 0.0 && latency.is_sorted(), "{name} {class}: {latency:?}");
    }
    let mut counted = 0;
    for answer in measured["answers"].as_array().unwrap() {
        let status = if answer["to"] == "good" { 200 } else { 401 };
        assert_eq!(answer["status"], status, "{name}");
        let over_time = answer["over_time"].as_array().unwrap();
        let count = answer["count"].as_u64().unwrap();
        assert_eq!(over_time.iter().map(|part| part.as_u64().unwrap()).sum::<u64>(), count, "{name}");
        counted += count;
    }
    assert_eq!(measured["requests"], counted, "{name}");
}

#[tokio::test]
async fn every_profile_runs_against_the_embedded_servers_without_a_wrong_answer() {
    let directory = Directory::new();
    let (json, report) = (directory.path("out.json"), directory.path("out.html"));
    let arguments = ["--profile", "all", "--duration", "500ms", "--warm-up", "100ms", "--pool", "500"];
    let done = load(&[&arguments[..], &["--algorithm", "ES256", "--json", &json, "--report", &report]].concat()).await;
    assert_eq!(done.status.code(), Some(0), "{}{}", stdout(&done), stderr(&done));
    assert_eq!(stderr(&done), "", "no progress where no terminal is");
    assert!(stdout(&done).contains("no wrong answers") && !stdout(&done).contains('\u{1b}'), "{}", stdout(&done));

    let results: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!((&results["wrong_answers"], &results["interrupted"]), (&0.into(), &false.into()));
    let profiles = results["profiles"].as_array().unwrap();
    let names: Vec<_> = profiles.iter().map(|measured| measured["profile"].as_str().unwrap()).collect();
    assert_eq!(names, ["reused", "unique", "bad-signature", "random-kid", "rotation", "outage"]);
    profiles.iter().for_each(check);

    let fetches = |name: &str| {
        let measured = profiles.iter().find(|measured| measured["profile"] == name).unwrap();
        measured["provider_fetches"]["jwk_set"].as_u64().unwrap()
    };
    assert_eq!(fetches("reused"), 1);
    assert!((2..=3).contains(&fetches("random-kid")), "the first one, and the budget of unknown `kid`s");
    assert_eq!(fetches("rotation"), 2, "the new key is found with one fetch");
    assert!(fetches("outage") >= 2, "the keys got old");
    for measured in profiles {
        let server = &measured["server"];
        for figure in ["cpu_us_per_request", "cores", "peak_memory_bytes"] {
            assert_eq!(
                server[figure].as_f64().is_some_and(|figure| figure > 0.0),
                cfg!(target_os = "linux"),
                "{figure}"
            );
        }
    }

    let report = fs::read_to_string(report).unwrap();
    // The comparison, and each profile over time.
    assert!(report.matches("<svg").count() > 6, "{report}");
    for foreign in ["<script", "src=", "@import", "url("] {
        assert!(!report.contains(foreign), "{foreign}");
    }
    assert!(!report.contains("eyJ"), "a token is in the report");
}

#[tokio::test]
async fn open_loop_http_2_and_several_threads() {
    for how in [
        &["--rate", "200"][..],
        &["--http2", "--streams", "4"],
        &["--http2", "--rate", "200", "--threads", "2"],
        &["--busy-wait", "--rate", "200", "--threads", "2"],
        &["--threads", "2", "--server-threads", "2", "--profile", "bad-signature", "--bad-share", "20"],
    ] {
        let done = load(&[&BRIEF[..], &["--algorithm", "EdDSA"], how].concat()).await;
        assert_eq!(done.status.code(), Some(0), "{how:?} {}", stderr(&done));
        let results = json(&done);
        results["profiles"].as_array().unwrap().iter().for_each(check);
        if how.contains(&"--rate") {
            let measured = &results["profiles"][0];
            let due = measured["requests"].as_u64().unwrap() + measured["not_sent"].as_u64().unwrap();
            // What was not sent may have been due in the warm-up already.
            assert!((58..=82).contains(&due), "300 ms of 200 a second: {due}");
        }
    }
}

#[tokio::test]
async fn the_baseline_has_no_layer() {
    let done = load(&[&BRIEF[..], &["--without-layer", "--profile", "all", "--pool", "10"]].concat()).await;
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let results = json(&done);
    let profiles = results["profiles"].as_array().unwrap();
    profiles.iter().for_each(check);
    assert_eq!(profiles.len(), 2, "nothing is refused, and no keys are used");
    assert!(profiles.iter().all(|measured| measured["provider_fetches"].is_null()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_tested_with_client_credentials() {
    let servers = Servers::start().await;
    let directory = Directory::new();
    let arguments =
        ["--url", &servers.url, "--issuer", servers.provider.issuer(), "--client-id", "load", "--scope", "read"];
    let mut from_variable =
        tower_bearer(&[&["load", "--profile", "all", "--pool", "20"], &BRIEF[..], &arguments].concat());
    from_variable.env("TOWER_BEARER_CLIENT_SECRET", SECRET);
    let done = output(from_variable).await;
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let results = json(&done);
    let profiles = results["profiles"].as_array().unwrap();
    assert_eq!(profiles.len(), 4, "those that need no say over the issuer");
    profiles.iter().for_each(check);
    assert!(profiles.iter().all(|measured| measured["server"].is_null()));
    assert_eq!(servers.provider.requests(Endpoint::Token), 20);
    assert!(servers.requests.load(Ordering::Relaxed) > 0);

    let file = directory.write("secret", &format!("{SECRET}\n"));
    let done = load(&[&BRIEF[..], &arguments, &["--client-secret", &file]].concat()).await;
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));

    // A wrong secret, none, and a scope that the client may not have.
    let wrong = directory.write("wrong", "a-wrong-secret");
    for (more, code) in [(&["--client-secret", &*wrong][..], 3), (&[], 2), (&["--client-secret", "/no/such"], 3)] {
        let refused = load(&[&BRIEF[..], &arguments, more].concat()).await;
        assert_eq!(refused.status.code(), Some(code), "{more:?}");
        assert!(!stderr(&refused).contains("a-wrong-secret"), "{}", stderr(&refused));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_answers_are_counted_and_shown_and_no_token_is() {
    let servers = Servers::start().await;
    let directory = Directory::new();
    let (good, expired) = (servers.provider.token().sign(), servers.provider.defective_token(Defect::Expired));
    let tokens = directory.write("tokens", &format!("{good}\n\n{expired}\n"));
    let (report, json) = (directory.path("out.html"), directory.path("out.json"));
    let target = ["--url", &servers.url, "--tokens", &tokens, "--duration", "300ms", "--connections", "2"];
    let done = load(&[&target[..], &["--report", &report, "--json", &json]].concat()).await;
    assert_eq!(done.status.code(), Some(1), "{}", stderr(&done));
    let kept = fs::read_to_string(json).unwrap();
    let results: Value = serde_json::from_str(&kept).unwrap();
    let (wrong, all) =
        (results["wrong_answers"].as_u64().unwrap(), results["profiles"][0]["requests"].as_u64().unwrap());
    assert!(wrong > 0 && wrong.abs_diff(all - wrong) <= 1, "half of {all} are wrong: {wrong}");
    let report = fs::read_to_string(report).unwrap();
    for shown in [&stdout(&done), &report, &kept] {
        assert!(shown.contains("invalid_token: the token has expired"), "{shown}");
        assert!(!shown.contains(&good) && !shown.contains(&expired) && !shown.contains("eyJ"), "{shown}");
    }

    // Other wrong answers: none at all, and 404.
    for url in ["http://127.0.0.1:1/leads", &format!("{}-not-there", servers.url)] {
        let tokens = directory.write("tokens", &good);
        let done = load(&[&BRIEF[..], &["--url", url, "--tokens", &tokens]].concat()).await;
        assert_eq!(done.status.code(), Some(1), "{url} {}", stderr(&done));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_the_roots_of_the_system_only() {
    let provider = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).tls(Certificate::Valid);
    let provider = provider.start().await.unwrap();
    let directory = Directory::new();
    let roots = directory.write("roots.pem", provider.root_certificate().unwrap());
    let tokens = directory.write("tokens", &provider.token().sign());
    let arguments = [&["load"], &BRIEF[..], &["--url", provider.jwks_uri(), "--tokens", &tokens]].concat();
    let mut trusting = tower_bearer(&arguments);
    trusting.env("SSL_CERT_FILE", &roots);
    let done = output(trusting).await;
    // Where the system has its own store, that one decides.
    assert_eq!(done.status.code(), Some(if cfg!(target_os = "linux") { 0 } else { 1 }), "{}", stderr(&done));
    assert_eq!(output(tower_bearer(&arguments)).await.status.code(), Some(1));
}

#[tokio::test]
async fn targets_that_are_not_this_machine_are_refused() {
    let directory = Directory::new();
    let tokens = directory.write("tokens", "a.b.c");
    for url in ["http://192.0.2.1/", "https://192.0.2.1/", "http://[2001:db8::1]/", "http://0.0.0.0:80/"] {
        let refused = load(&["--url", url, "--tokens", &tokens]).await;
        assert_eq!(refused.status.code(), Some(2), "{url}");
        assert!(stderr(&refused).contains("--i-own-this-server"), "{}", stderr(&refused));
    }
}

#[tokio::test]
async fn command_lines_that_make_no_sense_exit_2() {
    let directory = Directory::new();
    let tokens = directory.write("tokens", "opaque-token");
    let (bad, empty) = (directory.write("bad", "a b\r\nx: y"), directory.write("empty", "\n"));
    let url = ["--url", "http://127.0.0.1:1/"];
    for wrong in [
        &["--profile", "no-such"][..],
        &["--duration", "0s"],
        &["--rate", "0"],
        &["--threads", "3", "--connections", "2"],
        &["--pin", "--server-threads", "100000"],
        &["--streams", "2"],
        &["--without-layer", "--profile", "outage"],
        &["--tokens", &tokens],
        &url,
        &[url[0], url[1], "--issuer", "https://as.example.com"],
        &[url[0], url[1], "--tokens", &tokens, "--profile", "rotation"],
        &[url[0], url[1], "--tokens", &tokens, "--profile", "bad-signature"],
        &[url[0], url[1], "--tokens", &bad],
        &[url[0], url[1], "--tokens", &empty],
        &["--url", "ftp://127.0.0.1/", "--tokens", &tokens],
    ] {
        let refused = load(wrong).await;
        assert_eq!(refused.status.code(), Some(2), "{wrong:?} {}", stderr(&refused));
        assert!(stdout(&refused).is_empty() && !stderr(&refused).is_empty(), "{wrong:?}");
        assert!(!stderr(&refused).contains("opaque-token"), "{}", stderr(&refused));
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_it_with_the_figures_so_far() {
    let servers = Servers::start().await;
    let directory = Directory::new();
    let tokens = directory.write("tokens", &servers.provider.token().sign());
    let arguments = ["load", "--url", &servers.url, "--tokens", &tokens, "--profile", "reused", "--profile", "unique"];
    let mut command = tower_bearer(&[&arguments[..], &["--duration", "1h", "--warm-up", "0s", "--json", "-"]].concat());
    let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    servers.first.notified().await;
    let interrupted = Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let done = tokio::task::spawn_blocking(move || process.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(done.status.code(), Some(130), "{}", stderr(&done));
    let results = json(&done);
    assert_eq!(results["interrupted"], true);
    assert_eq!(results["profiles"].as_array().unwrap().len(), 1, "the second never began");
    check(&results["profiles"][0]);
}
