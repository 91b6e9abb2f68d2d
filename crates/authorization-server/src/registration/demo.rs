//! Clients and users for a first look, with secrets that everybody knows.

use super::{Client, User};
use crate::file_value::Secret;

/// A client for each flow.
pub(crate) fn clients() -> Vec<Client> {
    let leads = ["openid", "profile", "email", "read:leads", "write:leads"];
    vec![
        Client::new("demo-ci", "demo-ci-secret").name("Demo pipeline").scopes(["deploy", "read:leads"]),
        Client::new("demo-web", "demo-web-secret")
            .name("Demo web application")
            .scopes(leads)
            .redirect_uri("http://127.0.0.1:8080/callback"),
        Client::public("demo-app").name("Demo application").scopes(leads).redirect_uri("http://127.0.0.1/callback"),
        Client::public("demo-tv").name("Demo television").scopes(["read:leads"]).device(),
    ]
}

/// The API of a demo client's tokens, if it names none.
pub(crate) fn with_default_audience(client: Client) -> Client {
    if is_one(&client) { client.with_default_audiences(&[AUDIENCE.to_owned()]) } else { client }
}

/// Whether this is one of them, by its id and secret.
fn is_one(client: &Client) -> bool {
    let secret = |Client(settings): &Client| settings.secret.as_ref().map(|Secret(secret)| secret.clone());
    clients().iter().any(|demo| demo.0.id == client.0.id && secret(demo) == secret(client))
}

pub(crate) fn users() -> Vec<User> {
    vec![
        User::new("alice", "wonderland").claim("name", "Alice Liddell").claim("email", "alice@example.com"),
        User::new("bob", "builder").claim("name", "Bob Baumeister").claim("email", "bob@example.com"),
    ]
}

/// What the scopes of the [clients] mean.
pub(crate) const SCOPES: [(&str, &str); 3] =
    [("deploy", "Deploy to the servers"), ("read:leads", "Read your leads"), ("write:leads", "Add and change leads")];

const AUDIENCE: &str = "https://api.example.com";
