//! `tower-bearer authorization-server`: what it prints works, and Ctrl-C ends it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::support::*;
use crate::walkthrough;

const WARNING: &str = "NOT FOR PRODUCTION: this server is for tests. Its secrets and its keys guard nothing.\n";

/// What the headings of the flows begin with.
const FLOWS: [&str; 9] = [
    "A token for the client itself",
    "A token for a user",
    "The same with what is asked for sent ahead",
    "A token for a user of a device without a browser",
    "DANGEROUS, to be migrated away from: a token for a user's password",
    "DANGEROUS, to be migrated away from: a token in an address",
    "Who the user is, for a token with the scope openid",
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

/// Does what a printed line says that curl should do. Null is an answer without a body.
async fn curl(line: &str) -> Value {
    let mut words = line.trim().strip_prefix("curl -s ").unwrap().split(' ');
    let url = words.next().unwrap();
    let (mut form, mut user, mut token) = (Vec::new(), None, None);
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        match option {
            "-d" => form.push(value),
            "-u" => user = value.split_once(':'),
            "--oauth2-bearer" => token = Some(value),
            other => panic!("{other}"),
        }
    }
    let request = if form.is_empty() {
        http().get(url)
    } else {
        http().post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.join("&"))
    };
    let request = user.into_iter().fold(request, |request, (id, secret)| request.basic_auth(id, Some(secret)));
    let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
    let answer = request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
    if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() }
}

/// Opens what a line says in a browser, in which Alice logs in and allows to know her and to read her leads; where she
/// is sent back to.
async fn allow(line: &str) -> Url {
    let (_, address) = line.split_once("open in a browser: ").unwrap();
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

fn member<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}"))
}

/// What stands above indented lines, without the RFCs in it.
fn headings(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let above = lines.windows(2).filter(|pair| pair[1].starts_with("  ")).map(|pair| pair[0]);
    above.filter(|line| !line.is_empty() && !line.starts_with(' ')).filter_map(|line| line.split(" (").next()).collect()
}

/// The lines below a heading.
fn lines_of<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let after = text.lines().skip_while(|line| !line.contains(heading)).skip(1);
    after.take_while(|line| line.starts_with("  ")).collect()
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
    let answer = curl(lines_of(&text, "A token for the client itself")[0]).await;
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&"Bearer".into(), &300.into()));
    let keys = curl(lines_of(&text, "The keys that verify tokens")[0]).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);

    let (status, stderr) = running.interrupt();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), WARNING));
}

#[tokio::test]
async fn the_lines_of_every_flow_do_what_they_say() {
    let directory = Directory::new();
    let config =
        directory.write("as.toml", "dangerously_enable_legacy_grants = true\nkeys = [{ algorithm = \"ES256\" }]\n");
    let running = Running::start(&["--config", &config, "--port", "0", "--admin-port", "0"], "Ctrl-C");
    let lines = |heading: &str| lines_of(&running.text, heading);
    assert_eq!(headings(&running.text), FLOWS);

    let code = lines("A token for a user (");
    let exchange = async |back: Url| curl(&code[2].replace("$CODE", &parameter(back.query(), "code"))).await;
    let by_code = exchange(allow(code[0]).await).await;
    let refreshed = curl(&code[4].replace("$REFRESH_TOKEN", member(&by_code, "refresh_token"))).await;

    let pushed = lines("The same with what is asked for");
    let request = curl(pushed[0]).await;
    let by_pushed = exchange(allow(&pushed[1].replace("$REQUEST_URI", member(&request, "request_uri"))).await).await;

    let admin = running.text.lines().find_map(|line| line.strip_prefix("admin API")).unwrap();
    let admin = format!("{}/devices/next", admin.trim().split(',').next().unwrap());
    let polls = json!({ "polls": [{ "approve": { "username": "alice" } }] });
    assert_eq!(http().post(admin).json(&polls).send().await.unwrap().status(), 204);
    let device = lines("A token for a user of a device");
    let codes = curl(device[0]).await;
    assert!(codes["user_code"].is_string() && codes["verification_uri"].is_string());
    let by_device = curl(&device[2].replace("$DEVICE_CODE", member(&codes, "device_code"))).await;

    let by_password = curl(lines("a token for a user's password")[0]).await;
    let by_implicit =
        json!({ "access_token": parameter(allow(lines("a token in an address")[0]).await.fragment(), "access_token") });
    let own = curl(lines("A token for the client itself")[0]).await;

    let about = lines("Whether a token is good");
    let introspect = async |token: &str| curl(&about[0].replace("$TOKEN", token)).await;
    for (tokens, client, subject) in [
        (&by_code, "demo-web", "alice"),
        (&refreshed, "demo-web", "alice"),
        (&by_pushed, "demo-web", "alice"),
        (&by_device, "demo-tv", "alice"),
        (&by_password, "demo-ci", "alice"),
        (&by_implicit, "demo-web", "alice"),
        (&own, "demo-ci", "demo-ci"),
    ] {
        let known = introspect(member(tokens, "access_token")).await;
        assert_eq!((member(&known, "client_id"), member(&known, "sub")), (client, subject));
    }

    let userinfo = lines("Who the user is")[0];
    assert_eq!(curl(&userinfo.replace("$TOKEN", member(&by_code, "access_token"))).await, json!({ "sub": "alice" }));
    let own = member(&own, "access_token");
    assert_eq!(curl(&about[2].replace("$TOKEN", own)).await, Value::Null);
    assert_eq!(introspect(own).await, json!({ "active": false }));
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
    assert_eq!(line["clients"][0]["demo_secret"], "demo-ci-secret");
    assert_eq!(line["users"][0]["demo_password"], "wonderland");
}

#[tokio::test]
async fn a_configuration_of_ones_own_has_no_demo_clients_and_no_secret_comes_out() {
    let directory = Directory::new();
    let config = directory.write(
        "as.toml",
        "issuer_path = \"/t\"\nkeys = [{ algorithm = \"ES256\" }]\n[[clients]]\nid = \"ci\"\nsecret = \"canary-secret\"\n\
         audiences = [\"https://a\"]\n[[users]]\nusername = \"carol\"\npassword = \"canary-password\"\n",
    );
    let mut running = Running::start(&["--config", &config, "--port", "0"], "Ctrl-C");
    let text = running.text.clone();
    let line = lines_of(&text, "A token for the client itself")[0];
    assert!(line.contains("/t/token -u ci:$CLIENT_SECRET"), "{line}");
    assert_eq!(curl(&line.replace("$CLIENT_SECRET", "canary-secret")).await["expires_in"], 300);
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

    for wrong in [&["--port", "70000"][..], &["--admin-port", "x"], &["--no-such"]] {
        assert_eq!(run(&[&["authorization-server"], wrong].concat()).status.code(), Some(2), "{wrong:?}");
    }
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
