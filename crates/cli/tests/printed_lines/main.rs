//! What `tower-bearer authorization-server` prints for a shell does what it says. Needs curl and a POSIX shell, which
//! `cargo test` must not need: `.ci/run` calls `cargo test --package tower-bearer-cli --test printed_lines`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]
#![allow(dead_code, reason = "the tests of the command use the rest of the shared files")]

#[path = "../cli/running.rs"]
mod running;
#[path = "../cli/support.rs"]
mod support;
#[path = "../../../../examples/walkthrough/mod.rs"]
mod walkthrough;

use std::process::Command;

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::running::{FLOWS, Running, headings, lines_of};
use crate::support::*;

/// Each flow as a user goes through it: its lines in a shell with curl, its addresses in a browser.
#[tokio::test]
async fn the_lines_of_every_flow_do_what_they_say() {
    let directory = Directory::new();
    let config =
        directory.write("as.toml", "dangerously_enable_legacy_grants = true\nkeys = [{ algorithm = \"ES256\" }]\n");
    let running = Running::start(&["--config", &config, "--port", "0", "--admin-port", "0"], "Ctrl-C");
    let lines = |heading: &str| lines_of(&running.text, heading);
    assert_eq!(headings(&running.text), FLOWS);
    // What the API behind the layer says, which each flow ends with.
    let called = |printed: &[Value], client: &str, subject: &str| {
        let last = printed.last().unwrap();
        assert_eq!((&last["client"], &last["accepted_for"]), (&client.into(), &subject.into()), "{printed:?}");
    };
    let is_token = |answer: &Value| answer["token_type"] == "Bearer";

    let code = lines("A token for a user (");
    assert!(code.iter().any(|line| line.contains("The code lives 60 seconds and is good for one use")), "{code:?}");
    let back = allow(&address_in(&code)).await;
    let printed = objects(&shell(&code, &[("CODE", &parameter(back.query(), "code"))]));
    assert!(is_token(&printed[0]) && is_token(&printed[1]) && printed[0] != printed[1]);
    assert_eq!(printed[2]["sub"], "alice");
    called(&printed, "demo-web", "alice");

    let pushed = lines("The same, with the request sent ahead");
    assert!(pushed.iter().any(|line| line.contains("It lives 10 minutes")), "{pushed:?}");
    let (before, after) = split(&pushed, "# It is then sent");
    let printed = shell(before, &[]);
    let back = allow(printed.lines().find(|line| line.starts_with("http")).unwrap()).await;
    let printed = objects(&shell(after, &[("CODE", &parameter(back.query(), "code"))]));
    assert!(is_token(&printed[0]));
    called(&printed, "demo-web", "alice");

    let admin = running.text.lines().find_map(|line| line.strip_prefix("admin API")).unwrap();
    let admin = format!("{}/devices/next", admin.trim().split(',').next().unwrap());
    let polls = json!({ "polls": [{ "approve": { "username": "alice" } }] });
    assert_eq!(http().post(admin).json(&polls).send().await.unwrap().status(), 204);
    let device = lines("A token for a user of a device");
    assert!(device.iter().any(|line| line.contains("The codes live 10 minutes")), "{device:?}");
    let printed = objects(&shell(&device, &[]));
    assert!(printed[0]["user_code"].is_string() && printed[0]["verification_uri"].is_string());
    assert!(is_token(&printed[1]));
    called(&printed, "demo-tv", "alice");

    let printed = objects(&shell(&lines("a token for a user's password"), &[]));
    assert!(is_token(&printed[0]));
    called(&printed, "demo-ci", "alice");

    let implicit = lines("a token in an address");
    let back = allow(&address_in(&implicit)).await;
    let printed = objects(&shell(&implicit, &[("TOKEN", &parameter(back.fragment(), "access_token"))]));
    called(&printed, "demo-web", "alice");

    let printed = objects(&shell(&lines("A token for the client itself"), &[]));
    assert!(is_token(&printed[0]));
    called(&printed, "demo-ci", "demo-ci");

    // Revoked by the client that owns it; the API, which checks the JWT alone, still accepts it.
    let about = lines("Whether a token is good");
    let printed = objects(&shell(&about, &[]));
    assert!(is_token(&printed[0]));
    assert_eq!((&printed[1]["active"], &printed[1]["client_id"]), (&true.into(), &"demo-ci".into()));
    assert_eq!(printed[2], json!({ "active": false }));
    called(&printed, "demo-ci", "demo-ci");

    // For tokens of the others, the comment has their own lines.
    for (heading, owner) in [("A token for a user (", "demo-web"), ("A token for a user of a device", "demo-tv")] {
        let revoke = about.iter().find(|line| line.starts_with("#   ") && line.contains(owner)).unwrap();
        let revoke = revoke.trim_start_matches(['#', ' ']).to_owned();
        let introspect = about.iter().find(|line| line.contains("/introspect")).unwrap().clone();
        let lines = lines_of(&running.text, heading);
        let filled_in = if owner == "demo-tv" {
            let admin = running.text.lines().find_map(|line| line.strip_prefix("admin API")).unwrap();
            let admin = format!("{}/devices/next", admin.trim().split(',').next().unwrap());
            assert_eq!(http().post(admin).json(&polls).send().await.unwrap().status(), 204);
            String::new()
        } else {
            parameter(allow(&address_in(&lines)).await.query(), "code")
        };
        let with_its_end = [lines, vec![revoke, introspect]].concat();
        let printed = objects(&shell(&with_its_end, &[("CODE", &filled_in)]));
        assert_eq!(printed.last(), Some(&json!({ "active": false })), "{owner}");
    }
}

#[tokio::test]
async fn a_secret_is_sent_as_it_was_filled_in() {
    let directory = Directory::new();
    let config = directory.write(
        "as.toml",
        "issuer_path = \"/t\"\n[[clients]]\nid = \"ci\"\nsecret = \"canary-secret+&%41 é\"\naudiences = [\"https://a\"]\n",
    );
    let running = Running::start(&["--config", &config, "--port", "0"], "Ctrl-C");
    let lines = lines_of(&running.text, "A token for the client itself");
    let printed = objects(&shell(&lines, &[("CLIENT_SECRET", "canary-secret+&%41 é")]));
    assert_eq!((&printed[0]["expires_in"], &printed[1]["client"]), (&300.into(), &"ci".into()));
}

#[tokio::test]
async fn the_demo_prints_a_token_and_its_keys() {
    let running = Running::start(&["--port", "0"], "Ctrl-C");
    let printed = objects(&shell(&lines_of(&running.text, "A token for the client itself"), &[]));
    assert_eq!((&printed[0]["token_type"], &printed[0]["expires_in"]), (&"Bearer".into(), &300.into()));
    let keys = objects(&shell(&lines_of(&running.text, "The keys that verify tokens"), &[]));
    assert_eq!(keys[0]["keys"].as_array().unwrap().len(), 1);
}

/// Runs the lines of a flow in a shell, as a user who has filled in these variables; what they print, without prose.
fn shell(lines: &[String], filled_in: &[(&str, &str)]) -> String {
    let fill_in = |line: &String| {
        let known = filled_in.iter().find(|(variable, _)| line.starts_with(&format!("{variable}=")));
        known
            .filter(|_| line.contains("='PUT "))
            .map_or_else(|| line.clone(), |(variable, value)| format!("{variable}='{value}'"))
    };
    let script: Vec<_> = lines.iter().map(fill_in).collect();
    let script = script.join("\n");
    assert!(!script.contains("PUT "), "{script}");
    // Nothing that a line needs may come from elsewhere: `-u` ends the shell at a variable that no line has set.
    let mut command = Command::new("sh");
    command.args(["-euc", &script]).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("no_proxy", "*");
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{script}\n{output:?}");
    stdout(&output)
}

/// The JSON objects that lines have printed.
fn objects(printed: &str) -> Vec<Value> {
    printed.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The address that a comment says to open in a browser.
fn address_in(lines: &[String]) -> String {
    lines.iter().find_map(|line| line.strip_prefix("#   http")).map(|rest| format!("http{rest}")).unwrap()
}

/// Opens an address in a browser, in which Alice logs in and allows access to her profile and her leads. Returns where
/// she is sent back to.
async fn allow(address: &str) -> Url {
    let address = Url::parse(address).unwrap();
    let at = |path: &str| address.join(path).unwrap();
    let http = walkthrough::client().unwrap();
    let mut browser = walkthrough::Browser::new(&http);

    let login = browser.open(address.as_str()).await.unwrap();
    let fields = [("username", "alice"), ("password", "wonderland")];
    let logged_in = browser.submit(at("/login").as_str(), &login, &fields, 303).await.unwrap();
    let consent = browser.open(at(logged_in.header("location")).as_str()).await.unwrap();
    let fields = [("allow.openid", "yes"), ("allow.read:leads", "yes"), ("decision", "approve")];
    let decided = browser.submit(at("/consent").as_str(), &consent, &fields, 303).await.unwrap();
    Url::parse(decided.header("location")).unwrap()
}

/// A parameter of a query or a fragment.
fn parameter(text: Option<&str>, name: &str) -> String {
    let parameters = form_urlencoded::parse(text.unwrap().as_bytes());
    parameters.into_owned().find(|(other, _)| other == name).unwrap().1
}

/// Up to the first line that begins so, and from there on.
fn split<'a>(lines: &'a [String], beginning: &str) -> (&'a [String], &'a [String]) {
    lines.split_at(lines.iter().position(|line| line.starts_with(beginning)).unwrap())
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
