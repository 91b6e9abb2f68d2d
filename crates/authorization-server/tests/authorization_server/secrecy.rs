//! Secrets, and what a client sends, come out nowhere.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use tower_bearer::jose::Algorithm;
use tower_bearer_authorization_server::{AuthorizationServer, Client, User};
use tracing_subscriber::fmt::MakeWriter;

use crate::browser::{
    Browser, PASSWORD, VERIFIER, answer, as_web, connect_device, introspect, redeem, refresh, request_with, text,
    user_builder,
};
use crate::support::{AUDIENCE, basic, client, unauthenticated};

const SECRET: &str = "canary-secret";
const SENT: &str = "canary-sent";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[tokio::test]
async fn neither_secrets_nor_what_was_sent_come_back() {
    let logs = Captured::default();
    // For the whole program: subscribers of single threads race with each other for which log lines exist at all.
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(logs.clone()).init();

    let app = Client::new("app", SECRET).scopes(["read:leads"]).audience(AUDIENCE);
    let alice = User::new("alice", SECRET).claim("email", SECRET);
    let builder =
        AuthorizationServer::builder().client(app.clone()).user(alice.clone()).signing_algorithm(Algorithm::ES256);
    let mut seen = vec![format!("{app:?} {alice:?} {builder:?}")];
    let server = builder.start().await.unwrap();
    seen.push(format!("{server:?}"));

    let grant = ("grant_type", "client_credentials");
    let requests = [
        unauthenticated(&server, &[grant]).header(AUTHORIZATION, basic("app", SECRET)),
        unauthenticated(&server, &[grant, ("client_id", "app"), ("client_secret", SECRET)]),
        unauthenticated(&server, &[grant, ("scope", SENT)]).header(AUTHORIZATION, basic("app", SECRET)),
        unauthenticated(&server, &[("grant_type", SENT)]).header(AUTHORIZATION, basic("app", SECRET)),
        unauthenticated(&server, &[grant, (SENT, SENT), (SENT, SENT)]).header(AUTHORIZATION, basic("app", SECRET)),
        unauthenticated(&server, &[grant]).header(AUTHORIZATION, basic(SENT, SECRET)),
        unauthenticated(&server, &[grant]).header(AUTHORIZATION, format!("Bearer {SENT}")),
        unauthenticated(&server, &[grant, ("client_id", SENT), ("client_secret", SECRET)]),
        client().post(server.token_endpoint()).header("content-type", SENT).body(SENT),
        client().get(server.token_endpoint()).header(AUTHORIZATION, basic("app", SECRET)),
        client().get(format!("{}/{SENT}", server.issuer())),
        client().get(server.jwks_uri()),
    ];
    let mut token = None;
    for request in requests {
        let response = request.send().await.unwrap();
        let (issued, headers) = (response.status().is_success(), format!("{:?}", response.headers()));
        let body = response.text().await.unwrap();
        if issued && token.is_none() {
            let answer: Value = serde_json::from_str(&body).unwrap();
            token = Some(answer["access_token"].as_str().unwrap().to_owned());
        }
        seen.extend([headers, body]);
    }

    let (secrets, shown) = user_secrets().await;

    // Only the server's own log lines: the client that these tests use logs on the same thread.
    let logs = logs.lines_of("tower_bearer");
    assert!(logs.contains("token issued") && logs.contains("token request refused"), "{logs}");
    assert!(logs.contains("code issued") && logs.contains("a login failed") && logs.contains("used again"), "{logs}");
    assert!(logs.contains("WARN") && logs.contains("is running; it is not for production"), "{logs}");
    for secret in secrets.iter().chain(&token) {
        assert!(secret.len() >= 8 && !logs.contains(secret), "{logs}");
        assert!(!shown.contains(secret), "{shown}");
    }
    seen.extend([logs, shown]);
    for text in seen {
        assert!(!text.contains(SECRET) && !text.contains(SENT), "{text}");
    }
}

/// The secrets of the whole ways of a user's browser and device: password, cookies, form tokens, codes, tokens; and
/// what the server shows of itself afterwards.
async fn user_secrets() -> (Vec<String>, String) {
    let tv = Client::public("tv").scopes(["openid"]).audience(AUDIENCE).device();
    let server = user_builder().client(tv).start().await.unwrap();
    let request = request_with(&[("scope", "openid read:leads")]);
    let pushed = as_web(client().post(format!("{}/par", server.issuer())).form(&request)).send().await.unwrap();
    let pushed: Value = pushed.json().await.unwrap();
    let request_uri = text(&pushed, "request_uri");

    let mut browser = Browser::new(&server);
    let login = browser.authorize(&[("client_id", "web"), ("request_uri", request_uri)]).await;
    let first_cookie = browser.cookie.clone().unwrap();
    browser.submit(&login, &[("username", SENT), ("password", SENT)]).await;
    let consent = browser.log_in(&login).await;
    let code = browser.approve(&consent).await.code();
    let tokens = answer(redeem(&server, &code)).await;
    let next = answer(refresh(&server, text(&tokens, "refresh_token"), &[])).await;
    for token in [&tokens, &next] {
        introspect(&server, text(token, "access_token")).await;
    }
    // Reuse and replay are told, without what was reused.
    refresh(&server, text(&tokens, "refresh_token"), &[]).send().await.unwrap();
    redeem(&server, &code).send().await.unwrap();

    let codes = answer(client().post(format!("{}/device_authorization", server.issuer())).form(&[("client_id", "tv")]));
    let codes = codes.await;
    let device_code = text(&codes, "device_code");
    let grant = [("grant_type", DEVICE_CODE), ("device_code", device_code), ("client_id", "tv")];
    connect_device(&server, text(&codes, "user_code")).await;
    let of_device = answer(unauthenticated(&server, &grant)).await;
    unauthenticated(&server, &grant).send().await.unwrap();

    let id = |cookie: &str| cookie.split('=').nth(1).unwrap().to_owned();
    let form_tokens = [&login, &consent].map(|page| page.hidden_fields()[0].1.clone());
    let cookies = [id(&first_cookie), id(&browser.cookie.unwrap())];
    let issued = [&tokens, &next, &of_device]
        .map(|answer| ["access_token", "refresh_token", "id_token"].map(|name| text(answer, name).to_owned()));
    let user_code = text(&codes, "user_code");
    let handles = [request_uri.rsplit(':').next().unwrap(), device_code, user_code, &user_code.replace('-', "")];
    let secrets = [PASSWORD, VERIFIER, &code].into_iter().chain(handles).map(str::to_owned);
    let secrets = secrets.chain(form_tokens).chain(cookies).chain(issued.into_iter().flatten()).collect();
    (secrets, format!("{server:?} {:?} {:?}", server.request_log(), server.issued_tokens()))
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn lines_of(&self, target: &str) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(target)).collect::<Vec<_>>().join("\n")
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
