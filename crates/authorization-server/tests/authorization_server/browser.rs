//! A browser for these tests, as far as they need one: a cookie, forms, and redirects that it shows.

use std::sync::LazyLock;

use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde_json::Value;
use tower_bearer_authorization_server::{AuthorizationServer, AuthorizationServerBuilder, Client, User};
use url::Url;

use crate::support::{AUDIENCE, basic, builder, unauthenticated};

pub(crate) const CALLBACK: &str = "https://app.example.com/callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of [`VERIFIER`]: the example of RFC 7636 appendix B.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const PASSWORD: &str = "wonder&land";

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let builder = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy();
    builder.redirect(Policy::none()).build().unwrap()
});

/// A client that shows redirects instead of following them.
pub(crate) fn without_redirects() -> &'static reqwest::Client {
    &CLIENT
}

/// A server with the confidential client `web`, the public client `phone`, and the user Alice.
pub(crate) fn user_builder() -> AuthorizationServerBuilder {
    builder()
        .client(web())
        .client(Client::public("phone").scopes(["read:leads"]).audience(AUDIENCE).redirect_uri("com.example.app:/cb"))
        .user(
            User::new("alice", PASSWORD)
                .subject("user-1")
                .claim("name", "Alice")
                .claim("email", "alice@example.com")
                .claim("tenant", "acme"),
        )
        .scope_description("read:leads", "Read your leads")
}

pub(crate) fn web() -> Client {
    let client = Client::new("web", "web-secret").name("Lead reports").redirect_uri(CALLBACK);
    client.scopes(["openid", "email", "read:leads", "write:leads"]).audience(AUDIENCE)
}

pub(crate) async fn user_server() -> AuthorizationServer {
    user_builder().start().await.unwrap()
}

/// A good authorization request of the client `web`.
pub(crate) const REQUEST: [(&str, &str); 7] = [
    ("response_type", "code"),
    ("client_id", "web"),
    ("redirect_uri", CALLBACK),
    ("scope", "read:leads write:leads"),
    ("state", "st&te=1"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// [`REQUEST`] with other values; an empty one leaves the parameter out.
pub(crate) fn request_with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let unchanged = REQUEST.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    unchanged.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty())).collect()
}

/// One browser, with its cookie for the server.
pub(crate) struct Browser<'a> {
    server: &'a AuthorizationServer,
    pub(crate) cookie: Option<String>,
}

impl<'a> Browser<'a> {
    pub(crate) const fn new(server: &'a AuthorizationServer) -> Self {
        Self { server, cookie: None }
    }

    /// A browser in which Alice has logged in for this request; it shows the page to consent.
    pub(crate) async fn logged_in(server: &'a AuthorizationServer, request: &[(&str, &str)]) -> (Self, Page) {
        let mut browser = Self::new(server);
        let login = browser.authorize(request).await;
        let page = browser.log_in(&login).await;
        (browser, page)
    }

    pub(crate) async fn authorize(&mut self, request: &[(&str, &str)]) -> Page {
        let url = Url::parse_with_params(self.server.authorization_endpoint(), request).unwrap();
        self.send(CLIENT.get(url)).await
    }

    /// Fills in the page to log in as Alice, and follows to the next page.
    pub(crate) async fn log_in(&mut self, login: &Page) -> Page {
        let sent = self.submit(login, &[("username", "alice"), ("password", PASSWORD)]).await;
        let next = sent.location.unwrap_or_else(|| panic!("{}", sent.body));
        self.get(&next).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(CLIENT.get(self.url(path))).await
    }

    /// Sends the page's form: what is hidden in it, and these.
    pub(crate) async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let form = self.form(page, fields);
        self.receive(form).await
    }

    /// The page's form, to be sent from this browser.
    pub(crate) fn form(&self, page: &Page, fields: &[(&str, &str)]) -> RequestBuilder {
        let hidden = page.hidden_fields();
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.with_cookie(CLIENT.post(self.url(&page.action())).form(&all))
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(CLIENT.post(self.url(path)).form(fields)).await
    }

    /// Says yes to every scope of the page.
    pub(crate) async fn approve(&mut self, consent: &Page) -> Page {
        let boxes = consent.checkboxes();
        let mut fields: Vec<_> = boxes.iter().map(|name| (name.as_str(), "yes")).collect();
        fields.push(("decision", "approve"));
        self.submit(consent, &fields).await
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(self.server.issuer()).unwrap().join(path).unwrap()
    }

    fn with_cookie(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    async fn send(&mut self, request: RequestBuilder) -> Page {
        let request = self.with_cookie(request);
        self.receive(request).await
    }

    async fn receive(&mut self, request: RequestBuilder) -> Page {
        let page = Page::read(request.send().await.unwrap()).await;
        if let Some(cookie) = page.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        page
    }
}

/// What the server answered a browser.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Page {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let location = headers.get(header::LOCATION).map(|location| location.to_str().unwrap().to_owned());
        Self { status, headers, location, body: response.text().await.unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn hidden_fields(&self) -> Vec<(String, String)> {
        let inputs = self.body.split("<input type=\"hidden\" ").skip(1);
        inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
    }

    pub(crate) fn checkboxes(&self) -> Vec<String> {
        self.body.split("<input type=\"checkbox\" ").skip(1).map(|input| attribute(input, "name")).collect()
    }

    fn action(&self) -> String {
        attribute(self.body.split("<form ").nth(1).unwrap_or_else(|| panic!("no form: {}", self.body)), "action")
    }

    /// A parameter of the redirect back to the client.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let location = self.location.as_deref().unwrap_or_else(|| panic!("{} {}", self.status, self.body));
        let url = Url::parse(location).unwrap();
        url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn code(&self) -> String {
        self.parameter("code").unwrap_or_else(|| panic!("{:?}", self.location))
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    value.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">")
}

/// Alice enters the code of her device, logs in and allows everything.
pub(crate) async fn connect_device(server: &AuthorizationServer, user_code: &str) {
    let mut browser = Browser::new(server);
    let page = browser.get(&format!("{}/device", server.issuer())).await;
    let login = browser.submit(&page, &[("user_code", user_code)]).await;
    let consent = browser.submit(&login, &[("username", "alice"), ("password", PASSWORD)]).await;
    let done = browser.approve(&consent).await;
    assert!(done.body.contains("Your device is connected"), "{}", done.body);
}

/// A code for the client `web`, by the whole way.
pub(crate) async fn code(server: &AuthorizationServer) -> String {
    let (mut browser, consent) = Browser::logged_in(server, &REQUEST).await;
    browser.approve(&consent).await.code()
}

/// The token request of `web` for a code.
pub(crate) fn redeem(server: &AuthorizationServer, code: &str) -> RequestBuilder {
    redeem_with(server, &[("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)])
}

pub(crate) fn redeem_with(server: &AuthorizationServer, parameters: &[(&str, &str)]) -> RequestBuilder {
    let parameters: Vec<_> = [("grant_type", "authorization_code")].iter().chain(parameters).copied().collect();
    as_web(unauthenticated(server, &parameters))
}

pub(crate) fn refresh(server: &AuthorizationServer, token: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
    let own = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let parameters: Vec<_> = own.iter().chain(parameters).copied().collect();
    as_web(unauthenticated(server, &parameters))
}

pub(crate) fn as_web(request: RequestBuilder) -> RequestBuilder {
    request.header(header::AUTHORIZATION, basic("web", "web-secret"))
}

/// The answer to a request that has to be good.
pub(crate) async fn answer(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Tokens for `web` from Alice, by the whole way.
pub(crate) async fn tokens(server: &AuthorizationServer) -> Value {
    answer(redeem(server, &code(server).await)).await
}

/// A member of an answer as text.
pub(crate) fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member}"))
}

/// What introspection says of a token, asked as `app`, the API.
pub(crate) async fn introspect(server: &AuthorizationServer, token: &str) -> Value {
    let request = CLIENT.post(format!("{}/introspect", server.issuer())).form(&[("token", token)]);
    answer(request.header(header::AUTHORIZATION, basic("app", crate::support::SECRET))).await
}

pub(crate) async fn is_active(server: &AuthorizationServer, token: &str) -> bool {
    introspect(server, token).await["active"].as_bool().unwrap()
}
