//! A browser in which Alice has logged in.

use std::sync::LazyLock;

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{RequestBuilder, Url};

use crate::server::{Answer, ask, client, server};

/// A good authorization request.
pub const REQUEST: &str = "response_type=code&client_id=web&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback\
    &scope=openid+read%3Aleads&state=1&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
    &code_challenge_method=S256";

struct Browser {
    cookie: String,
    /// What its forms have to bring back. It follows from the cookie.
    csrf: String,
}

static BROWSER: LazyLock<Browser> = LazyLock::new(|| {
    let login = ask(authorize(REQUEST));
    let before = Browser { cookie: cookie(&login), csrf: csrf(&login) };
    let form =
        [("csrf", before.csrf.as_str()), ("request", REQUEST), ("username", "alice"), ("password", "wonderland")];
    let cookie = cookie(&ask(post("/login").header(COOKIE, before.cookie).form(&form)));
    let consent = ask(authorize(REQUEST).header(COOKIE, &cookie));
    Browser { cookie, csrf: csrf(&consent) }
});

/// A request of nobody in particular for the page of this query.
pub fn authorize(query: &str) -> RequestBuilder {
    let mut url = Url::parse(server().authorization_endpoint()).unwrap();
    url.set_query(Some(query));
    client().get(url)
}

/// Alice's request for it.
pub fn authorize_as_alice(query: &str) -> RequestBuilder {
    authorize(query).header(COOKIE, &BROWSER.cookie)
}

/// Alice allows all that the page of this query asks for.
pub fn approve(query: &str) -> RequestBuilder {
    let form = [
        ("csrf", BROWSER.csrf.as_str()),
        ("request", query),
        ("allow.openid", "yes"),
        ("allow.read:leads", "yes"),
        ("decision", "approve"),
    ];
    post("/consent").header(COOKIE, &BROWSER.cookie).form(&form)
}

fn post(path: &str) -> RequestBuilder {
    client().post(format!("{}{path}", server().issuer()))
}

fn cookie(answer: &Answer) -> String {
    let cookie = answer.headers[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn csrf(page: &Answer) -> String {
    let (_, value) = page.body.split_once("name=\"csrf\" value=\"").unwrap();
    value.split('"').next().unwrap().to_owned()
}
