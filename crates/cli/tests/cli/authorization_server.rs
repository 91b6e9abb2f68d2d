//! `tower-bearer authorization-server`: what it prints works, and Ctrl-C ends it.

use std::fs;
use std::io::Read;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::running::{FLOWS, Running, headings, lines_of};
use crate::support::*;

const WARNING: &str = "NOT FOR PRODUCTION: this server is for tests. Its secrets and its keys guard nothing.\n";

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn it_prints_what_there_is_and_ends_with_ctrl_c() {
    let running = Running::start(&["--port", "0", "--admin-port", "0"], "Ctrl-C");
    let text = running.text.clone();
    for part in
        ["demo-ci", "demo-ci-secret", "alice", "wonderland", "none (public)", "open to every program on this machine"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
    let expected: Vec<_> = FLOWS.into_iter().filter(|flow| !flow.starts_with("DANGEROUS")).collect();
    assert_eq!(headings(&text), expected);
    let (status, stderr) = running.interrupt();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), WARNING));
}

#[tokio::test]
async fn json_is_one_line_for_programs() {
    let (_running, line) = Running::json(&["--port", "0", "--admin-port", "0"]);
    let issuer = line["issuer"].as_str().unwrap();
    assert_eq!((&line["metadata"]["issuer"], &line["production"]), (&issuer.into(), &false.into()));
    let published = http().get(format!("{issuer}/.well-known/openid-configuration")).send().await.unwrap();
    assert_eq!(published.json::<Value>().await.unwrap(), line["metadata"]);
    let admin = http().get(line["admin_url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(admin.json::<Value>().await.unwrap()["issuer"], issuer);
    let api = http().get(line["api_url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(api.status(), 400);
    assert_eq!(line["clients"][0]["demo_secret"], "demo-ci-secret");
    assert_eq!(line["users"][0]["demo_password"], "wonderland");
}

#[tokio::test]
async fn a_configuration_of_ones_own_has_no_demo_clients_and_no_secret_comes_out() {
    let directory = Directory::new();
    let config = directory.write(
        "as.toml",
        "issuer_path = \"/t\"\nkeys = [{ algorithm = \"ES256\" }]\n[[clients]]\nid = \"ci\"\nsecret = \"canary-secret+&%41 é\"\n\
         audiences = [\"https://a\"]\n[[users]]\nusername = \"carol\"\npassword = \"canary-password\"\n",
    );
    let mut running = Running::start(&["--config", &config, "--port", "0"], "Ctrl-C");
    let text = running.text.clone();
    let lines = lines_of(&text, "A token for the client itself");
    assert_eq!(lines[0], "CLIENT_SECRET='PUT THE SECRET OF ci HERE'");
    assert!(lines[1].contains("/t/token -d client_id=ci "), "{lines:?}");
    assert!(text.contains("carol") && text.contains("none; --admin-port opens it"), "{text}");
    running.process.kill().unwrap();
    let mut stderr = String::new();
    running.process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();

    let (_running, line) = Running::json(&["--config", &config, "--port", "0"]);
    for shown in [text, stderr, line.to_string()] {
        assert!(!shown.contains("demo") || shown.contains("\"demo_secret\":null"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn what_is_wrong_is_told_with_an_exit_code() {
    let directory = Directory::new();
    let bad = directory.write("bad.toml", "[[clients]]\nid = \"ci\"\nsecrt = \"canary\"\n");
    let refused = run(&["authorization-server", "--config", &bad]);
    assert_eq!(refused.status.code(), Some(2));
    let expected = format!("error: {bad}:3:1: clients[0].secrt: unknown field `secrt`, expected one of ");
    assert!(stderr(&refused).starts_with(&expected), "{}", stderr(&refused));
    assert!(stdout(&refused).is_empty() && !stderr(&refused).contains("canary"));

    let refused = run(&["authorization-server", "--config", &directory.path("no.toml")]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr(&refused).contains("no.toml cannot be read: "), "{}", stderr(&refused));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = run(&["authorization-server", "--port", &address.port().to_string()]);
    assert_eq!(refused.status.code(), Some(3));
    let expected = format!("error: cannot listen on {address}; set `port` to a free one, or to 0 for any: ");
    assert!(stderr(&refused).starts_with(&expected), "{}", stderr(&refused));

    let two_ports = &["--listen", "127.0.0.1:1", "--port", "2"][..];
    for wrong in
        [&["--port", "70000"][..], &["--admin-port", "x"], &["--listen", "localhost"], two_ports, &["--no-such"]]
    {
        assert_eq!(run(&[&["authorization-server"], wrong].concat()).status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn other_machines_reach_it_only_where_the_command_line_allows_it() {
    for (wrong, setting) in [
        (&["--listen", "0.0.0.0", "--issuer", "http://as:9000"][..], "`--listen` is 0.0.0.0,"),
        (&["--listen", "[::]:0"], "`--listen` is ::,"),
        (&["--issuer", "http://as:9000"], "`--issuer` is http://as:9000,"),
    ] {
        let refused = run(&[&["authorization-server", "--port", "0"], wrong].concat());
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
        let expected = format!(
            "error: {setting} which is not loopback: everyone who reaches this server can get any token from it; if that \
             is what you want, allow it with `--dangerously-allow-non-loopback`\n"
        );
        assert_eq!(stderr(&refused), expected);
        assert!(stdout(&refused).is_empty());
    }
    let admitted = ["--listen", "0.0.0.0:0", "--issuer", "http://as:9000/t", "--dangerously-allow-non-loopback"];
    let (_running, line) = Running::json(&admitted);
    assert_eq!(
        (&line["issuer"], &line["metadata"]["token_endpoint"]),
        (&"http://as:9000/t".into(), &"http://as:9000/t/token".into())
    );

    let directory = Directory::new();
    let config = directory.write("as.toml", "listen = \"0.0.0.0\"\nissuer = \"http://as:9000\"\nport = 0\n");
    let refused = run(&["authorization-server", "--config", &config]);
    assert!(
        stderr(&refused).starts_with("error: `--listen` is 0.0.0.0, which is not loopback"),
        "{}",
        stderr(&refused)
    );
    let (_running, line) =
        Running::json(&["--config", &config, "--listen", "127.0.0.1", "--issuer", "http://localhost:1"]);
    assert_eq!(line["issuer"], "http://localhost:1");
}

#[tokio::test]
async fn the_audience_of_tokens_can_be_named() {
    let (_running, line) = Running::json(&["--port", "0", "--audience", "https://leads", "--audience", "https://more"]);
    assert_eq!(line["clients"][0]["audiences"], json!(["https://leads", "https://more"]));
    let directory = Directory::new();
    let config = directory.write("as.toml", "audiences = [\"https://file\"]\n");
    let (_running, line) = Running::json(&["--port", "0", "--config", &config]);
    assert_eq!(line["clients"][0]["audiences"], json!(["https://file"]));
    let (_running, line) = Running::json(&["--port", "0", "--config", &config, "--audience", "https://line"]);
    assert_eq!(line["clients"][0]["audiences"], json!(["https://line"]));
}

#[test]
fn the_example_of_the_help_is_there() {
    let help = stdout(&run(&["authorization-server", "--help"]));
    let (_, path) = help.split_once("every field explained is in ").unwrap();
    let path = path.split_whitespace().next().unwrap().trim_end_matches('.');
    assert!(fs::exists(format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap(), "{path}");
    for part in ["NOT FOR PRODUCTION", "--admin-port", "0  it ran until Ctrl-C", "3  it could not start"] {
        assert!(help.contains(part), "{part}");
    }
}
