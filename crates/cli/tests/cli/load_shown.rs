//! How `tower-bearer load` shows figures: on a terminal, and in the report.

use std::fs;
use std::future::IntoFuture as _;

use axum::http::StatusCode;
use axum::{Router, routing::get};
use serde_json::Value;
use tower_bearer_test::TestIssuer;

use crate::support::*;

const BRIEF: [&str; 6] = ["--duration", "300ms", "--warm-up", "100ms", "--connections", "2"];

/// Another server's API, with this response.
async fn foreign(status: StatusCode, body: &'static str) -> String {
    let app = Router::new().route("/", get(move || async move { (status, body) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    url
}

/// What it prints, its report, and its figures.
async fn load(arguments: &[&str]) -> (String, String, Value) {
    let directory = Directory::new();
    let (report, json) = (directory.path("out.html"), directory.path("out.json"));
    let mut command =
        tower_bearer(&[&["load"], &BRIEF[..], arguments, &["--report", &report, "--json", &json]].concat());
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(matches!(done.status.code(), Some(0 | 1)), "{}", stderr(&done));
    let json = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    (stdout(&done), fs::read_to_string(report).unwrap(), json)
}

fn tokens(directory: &Directory) -> String {
    let issuer = TestIssuer::new("https://as.example.com").unwrap();
    directory.write("tokens", &format!("{}\n{}\n", issuer.token().sign(), issuer.token().sign()))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_claimed_about_another_server() {
    let directory = Directory::new();
    let (url, tokens) = (foreign(StatusCode::OK, "ok").await, tokens(&directory));
    let arguments = ["--url", &*url, "--tokens", &tokens, "--profile", "unique", "--profile", "reused"];
    let (printed, report, _) = load(&arguments).await;
    for shown in [&printed, &report] {
        assert!(!shown.contains("not measured"), "{shown}");
        assert!(!shown.contains("CPU µs/request") && !shown.contains("key fetches"), "{shown}");
        assert!(!shown.contains("anew") && !shown.contains("cache is off"), "{shown}");
    }
    assert!(report.contains("The server may cache them."), "{report}");
    assert_eq!(printed.contains("The load generator is a debug build"), cfg!(debug_assertions), "{printed}");
}

/// The text of the layer's own response for an unproven key decides nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_503_of_another_server_is_unclear() {
    let directory = Directory::new();
    let body = r#"{"error_description":"whether the token's key exists cannot be checked at the moment"}"#;
    let (url, tokens) = (foreign(StatusCode::SERVICE_UNAVAILABLE, body).await, tokens(&directory));
    let (printed, report, json) = load(&["--url", &url, "--tokens", &tokens, "--profile", "random-kid"]).await;
    let answers = json["profiles"][0]["answers"].as_array().unwrap();
    let of_bad = answers.iter().find(|answer| answer["to"] == "bad").unwrap();
    assert_eq!((&of_bad["verdict"], &of_bad["is_wrong"]), (&"unclear".into(), &false.into()), "{of_bad}");
    assert!(answers.iter().any(|answer| answer["to"] == "good" && answer["verdict"] == "wrong"), "{answers:?}");
    assert!(printed.contains("unclear: another server's 503 does not tell"), "{printed}");
    assert!(report.contains("unclear</td>"), "{report}");
}

/// Our own API gives the reason in a field, so that the 503 for an unproven key counts as right.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_api_gives_its_reasons() {
    let (printed, _, json) = load(&["--profile", "random-kid", "--algorithm", "ES256"]).await;
    assert_eq!(json["wrong_answers"], 0, "{json:#}");
    assert!(!printed.contains("unclear"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_curve_of_the_report_is_drawn_twice() {
    let several = ["--profile", "reused", "--profile", "bad-signature"];
    // Latency and answers; for a flood the statuses as well, unless as many of each came all the time.
    for (profiles, figures) in [(&several[..2], 2..=2), (&several[2..], 2..=3), (&several, 3..=4)] {
        let (printed, report, _) = load(&[profiles, &["--algorithm", "ES256"]].concat()).await;
        assert!(figures.contains(&report.matches("<svg").count()), "{profiles:?}");
        let captions: Vec<_> = report.split("<figcaption>").skip(1).filter_map(|it| it.split('<').next()).collect();
        let latencies = captions.iter().filter(|caption| caption.contains("Latency")).count();
        assert_eq!(latencies, 1, "{captions:?}");
        assert_eq!(printed.contains("The server is a debug build"), cfg!(debug_assertions), "{printed}");
        assert_eq!(report.contains("The server is a debug build"), cfg!(debug_assertions));
    }
}

/// Plots are drawn for a narrow page, and a row of a table becomes a block in which each figure has its heading.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_suits_a_phone() {
    let (_, report, _) = load(&["--profile", "bad-signature", "--algorithm", "ES256"]).await;
    for svg in report.split("<svg").skip(1) {
        let width: u32 = svg.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(width <= 400, "{width}");
    }
    for row in report.split("<tr>").skip(1) {
        let row = row.split("</tr>").next().unwrap();
        assert_eq!(row.matches("<td").count(), 1 + row.matches("data-label=\"").count(), "{row}");
    }
    assert!(report.contains("td[data-label]::before") && report.contains("name=\"viewport\""));
}
