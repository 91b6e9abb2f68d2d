//! Grants to redeem, which no fuzzer would guess: a form has names in their places.

use reqwest::Url;
use reqwest::header::LOCATION;
use serde_json::Value;
use tower_bearer_authorization_server::DevicePoll;

use crate::browser::{REQUEST, approve};
use crate::server::{ask, client, server};

/// The form with a new grant for each name in it.
pub fn fill_in(form: &str) -> String {
    let form = put(form.to_owned(), "@code", code);
    let form = put(form, "@device_code", device_code);
    put(form, "@refresh_token", refresh_token)
}

fn put(form: String, name: &str, new: fn() -> String) -> String {
    if form.contains(name) { form.replace(name, &new()) } else { form }
}

/// Of the client `web`, with the challenge of RFC 7636 appendix B.
fn code() -> String {
    let answer = ask(approve(REQUEST));
    let back = Url::parse(answer.headers[LOCATION].to_str().unwrap()).unwrap();
    let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
    code.into_owned()
}

/// Of the client `tv`, which Alice has allowed.
fn device_code() -> String {
    server().script_device([DevicePoll::Approve { username: "alice".into() }]).unwrap();
    let url = format!("{}/device_authorization", server().issuer());
    member(&ask(client().post(url).form(&[("client_id", "tv")])).body, "device_code")
}

/// Of the client `web`.
fn refresh_token() -> String {
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    let request = client().post(server().token_endpoint()).basic_auth("web", Some("web-secret"));
    member(&ask(request.form(&form)).body, "refresh_token")
}

fn member(answer: &str, name: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap();
    answer[name].as_str().unwrap().to_owned()
}
