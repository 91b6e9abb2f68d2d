//! What the walkthroughs share: requests and answers as they are on the wire, without their secrets; pages filled in as
//! a person does; and an API to call.

#![allow(dead_code, reason = "no walkthrough needs all of it")]

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use reqwest::{Client, Request, RequestBuilder, StatusCode};
use serde_json::Value;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a client uses, and a browser: it follows no redirect, so that each step is seen.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()
}

/// Serves an API on a free port, and returns its URL.
pub(crate) async fn serve(api: Router) -> Result<String, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, api).into_future());
    Ok(url)
}

/// What the user has before them: it keeps the cookie that it is given.
pub(crate) struct Browser {
    http: Client,
    cookie: String,
}

impl Browser {
    pub(crate) fn new(http: &Client) -> Self {
        Self { http: http.clone(), cookie: String::new() }
    }

    pub(crate) async fn open(&mut self, url: &str) -> Result<Answer, Failure> {
        let request = self.http.get(url);
        self.go(request, 200).await
    }

    /// Sends the form of a page with these fields beside its hidden ones.
    pub(crate) async fn submit(
        &mut self,
        url: &str,
        page: &Answer,
        fields: &[(&str, &str)],
        expected: u16,
    ) -> Result<Answer, Failure> {
        let mut form = vec![("csrf", page.hidden("csrf")?)];
        form.extend(page.hidden("request").map(|request| ("request", request)));
        form.extend(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let request = self.http.post(url).form(&form);
        self.go(request, expected).await
    }

    async fn go(&mut self, request: RequestBuilder, expected: u16) -> Result<Answer, Failure> {
        let answer = send(&self.http, request.header(COOKIE, &self.cookie), expected).await?;
        if let Some((cookie, _attributes)) = answer.header(SET_COOKIE.as_str()).split_once(';') {
            self.cookie = cookie.to_owned();
        }
        Ok(answer)
    }
}

/// A secret of the client for one login, and what of it may be seen (RFC 7636 §4).
pub(crate) struct Pkce {
    pub(crate) verifier: String,
    pub(crate) challenge: String,
}

impl Pkce {
    pub(crate) fn new() -> Result<Self, Failure> {
        let verifier = random()?;
        let digest = digest(&SHA256, verifier.as_bytes());
        Ok(Self { challenge: URL_SAFE_NO_PAD.encode(digest), verifier })
    }
}

/// 256 random bits as text.
pub(crate) fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Prints what comes next.
pub(crate) fn step(text: &str) {
    println!("\n{}\n{text}\n", "─".repeat(100));
}

/// With `--once` the walkthrough ends; otherwise its servers stay up, for requests by hand.
pub(crate) async fn end(hint: &str) -> Result<(), Failure> {
    if !std::env::args().any(|argument| argument == "--once") {
        println!("\n{hint}\nCtrl-C ends it.");
        tokio::signal::ctrl_c().await?;
    }
    Ok(())
}

/// An answer that was printed.
pub(crate) struct Answer {
    headers: HeaderMap,
    body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_str(&self.body)?)
    }

    /// A text in the JSON body.
    pub(crate) fn text(&self, name: &str) -> Result<String, Failure> {
        let text = self.json()?.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(text.ok_or_else(|| format!("the answer has no text {name}"))?)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A hidden field of the page's form.
    pub(crate) fn hidden(&self, name: &str) -> Result<String, Failure> {
        let start = format!("name=\"{name}\" value=\"");
        let value = self.body.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
        let (value, _) = value.ok_or_else(|| format!("the page has no field {name}"))?;
        Ok(value.replace("&#38;", "&").replace("&amp;", "&"))
    }

    /// The parameters of the place to go on to.
    pub(crate) fn redirect(&self) -> Result<HashMap<String, String>, Failure> {
        Ok(url::Url::parse(self.header("location"))?.query_pairs().into_owned().collect())
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        self.body.contains(text)
    }
}

/// Sends a request, prints it and its answer, and checks the status of the answer.
pub(crate) async fn send(http: &Client, request: RequestBuilder, expected: u16) -> Result<Answer, Failure> {
    let request = request.build()?;
    print!("{}", shown(&request));
    let response = http.execute(request).await?;
    let status = response.status();
    let answer = Answer { headers: response.headers().clone(), body: response.text().await? };
    print!("{}", answered(status, &answer));
    assert_eq!(status, expected);
    Ok(answer)
}

/// `→`, and the parameters one a line, without their encoding.
fn shown(request: &Request) -> String {
    let mut bare = request.url().clone();
    bare.set_query(None);
    let mut text = format!("→ {} {bare}\n", request.method());
    if let Some(value) = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        let (scheme, credentials) = value.split_once(' ').unwrap_or_default();
        text += &format!("    Authorization: {scheme} {}\n", shortened("credentials", credentials));
    }
    let form = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    for (name, value) in request.url().query_pairs().chain(url::form_urlencoded::parse(form)) {
        text += &format!("    {name}={}\n", shortened(&name, &value));
    }
    text
}

/// `←`, with the headers that matter and the body.
fn answered(status: StatusCode, answer: &Answer) -> String {
    let mut text = format!("← {status}\n");
    for name in [LOCATION, WWW_AUTHENTICATE, RETRY_AFTER] {
        let value = answer.header(name.as_str());
        if !value.is_empty() {
            text += &format!("    {name}: {}\n", shortened_location(value));
        }
    }
    if answer.header(CONTENT_TYPE.as_str()).starts_with("text/html") {
        let title = answer.body.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        return text + &format!("    a page: {}\n", title.unwrap_or_default().0);
    }
    match answer.json() {
        Ok(Value::Object(members)) => {
            for (name, value) in members {
                let value = value.as_str().map_or_else(|| value.to_string(), |value| shortened(&name, value));
                text += &format!("    {name}: {value}\n");
            }
        }
        _ if answer.body.is_empty() => {}
        _ => text += &format!("    {}\n", answer.body.trim_end()),
    }
    text
}

/// The parameters of a URL, shortened.
fn shortened_location(value: &str) -> String {
    let Some((place, query)) = value.split_once('?') else {
        return value.to_owned();
    };
    let parameters = url::form_urlencoded::parse(query.as_bytes());
    let shown: Vec<_> = parameters.map(|(name, value)| format!("{name}={}", shortened(&name, &value))).collect();
    format!("{place}?{}", shown.join("&"))
}

/// The value, or the beginning of it when it is one that must not be seen.
pub(crate) fn shortened(name: &str, value: &str) -> String {
    match name {
        "password" | "client_secret" => "…".to_owned(),
        "credentials" | "access_token" | "refresh_token" | "id_token" | "code" | "device_code" | "csrf" | "request"
        | "code_verifier" => {
            let begin: String = value.chars().take(8).collect();
            format!("{begin}… ({} characters)", value.len())
        }
        _ => value.to_owned(),
    }
}

/// The claims of a token, which everybody who has it can read.
pub(crate) fn print_claims(token: &str) -> Result<(), Failure> {
    let payload = token.split('.').nth(1).ok_or("the token is no JWT")?;
    let claims = URL_SAFE_NO_PAD.decode(payload)?;
    let claims: serde_json::Map<String, Value> = serde_json::from_slice(&claims)?;
    println!("what the token says:");
    for (name, value) in claims {
        println!("    {name}: {value}");
    }
    Ok(())
}
