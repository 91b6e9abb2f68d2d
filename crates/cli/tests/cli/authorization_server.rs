//! `tower-bearer authorization-server`: what it prints works, and Ctrl-C ends it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::support::*;
use crate::walkthrough;

const WARNING: &str = "NOT FOR PRODUCTION: this server is for tests. Its secrets and its keys guard nothing.\n";

/// What the headings of the flows begin with.
const FLOWS: [&str; 8] = [
    "A token for the client itself",
    "A token for a user",
    "The same, with the request sent ahead",
    "A token for a user of a device without a browser",
    "DANGEROUS, to be migrated away from: a token for a user's password",
    "DANGEROUS, to be migrated away from: a token in an address",
    "Whether a token is good, and its end",
    "The keys that verify tokens",
];

/// The running command; it is ended with this.
struct Running {
    process: Child,
    /// All of its output so far.
    text: String,
}

impl Running {
    /// Starts it, and reads until a line has `last` in it.
    fn start(arguments: &[&str], last: &'static str) -> Self {
        let mut command = tower_bearer(&[&["authorization-server"], arguments].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut text = String::new();
        while !text.lines().last().is_some_and(|line| line.contains(last)) {
            let line = lines.recv_timeout(Duration::from_secs(60)).expect("the command says more");
            text.push_str(&line);
            text.push('\n');
        }
        Self { process, text }
    }

    fn json(arguments: &[&str]) -> (Self, Value) {
        let running = Self::start(&[arguments, &["--json"]].concat(), "issuer");
        let line = serde_json::from_str(&running.text).unwrap();
        (running, line)
    }

    /// Ctrl-C, and what is on standard error in the end.
    #[cfg(unix)]
    fn interrupt(mut self) -> (ExitStatus, String) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        let mut stderr = String::new();
        self.process.stderr.take().map(|mut pipe: ChildStderr| pipe.read_to_string(&mut stderr));
        (status, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
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

/// What stands above indented lines, without the RFCs in it.
fn headings(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let above = lines.windows(2).filter(|pair| pair[1].starts_with("  ")).map(|pair| pair[0]);
    above.filter(|line| !line.is_empty() && !line.starts_with(' ')).filter_map(|line| line.split(" (").next()).collect()
}

/// The lines below a heading.
fn lines_of(text: &str, heading: &str) -> Vec<String> {
    let after = text.lines().skip_while(|line| !line.contains(heading)).skip(1);
    after.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

/// Up to the first line that begins so, and from there on.
fn split<'a>(lines: &'a [String], beginning: &str) -> (&'a [String], &'a [String]) {
    lines.split_at(lines.iter().position(|line| line.starts_with(beginning)).unwrap())
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
    let printed = objects(&shell(&lines_of(&text, "A token for the client itself"), &[]));
    assert_eq!((&printed[0]["token_type"], &printed[0]["expires_in"]), (&"Bearer".into(), &300.into()));
    let keys = objects(&shell(&lines_of(&text, "The keys that verify tokens"), &[]));
    assert_eq!(keys[0]["keys"].as_array().unwrap().len(), 1);

    let (status, stderr) = running.interrupt();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), WARNING));
}

/// Each flow as a user goes through it: its lines in a shell with curl, its addresses in a browser.
#[cfg(unix)]
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

#[cfg(unix)]
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
    let printed = objects(&shell(&lines, &[("CLIENT_SECRET", "canary-secret+&%41 é")]));
    assert_eq!((&printed[0]["expires_in"], &printed[1]["client"]), (&300.into(), &"ci".into()));
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
