//! What may be shown of clients and users.

use serde::Serialize;

use super::{Client, ClientSettings, User, demo};
use crate::file_value::Secret;

/// A registered client, without its secret.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct ClientSummary {
    /// `client_id`.
    pub id: String,
    /// What the pages for users call it.
    pub name: String,
    /// Whether it has neither a secret nor a key.
    pub public: bool,
    /// How it authenticates: `client_secret_basic`, `client_secret_post`, `private_key_jwt`, or `none`.
    pub authentication_methods: Vec<&'static str>,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// The APIs that its tokens are for.
    pub audiences: Vec<String>,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Whether it may run on devices without a browser.
    pub device: bool,
    /// Whether its access tokens are opaque; JWTs otherwise.
    pub opaque_tokens: bool,
    /// The secret, when it is that of a [demo client], which everybody knows.
    ///
    /// [demo client]: crate::AuthorizationServerBuilder::demo
    pub demo_secret: Option<String>,
}

/// A registered user, without the password.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct UserSummary {
    /// The name to log in with.
    pub username: String,
    /// `sub` in tokens.
    pub subject: String,
    /// The password, when it is that of a [demo user], which everybody knows.
    ///
    /// [demo user]: crate::AuthorizationServerBuilder::demo
    pub demo_password: Option<String>,
}

impl ClientSummary {
    pub(crate) fn of(Client(settings): &Client) -> Self {
        let secret = |settings: &ClientSettings| settings.secret.as_ref().map(|Secret(secret)| secret.clone());
        let is_demo = |Client(demo): &Client| demo.id == settings.id && secret(demo) == secret(settings);
        Self {
            id: settings.id.clone(),
            name: settings.name().to_owned(),
            public: settings.is_public(),
            authentication_methods: settings.authentication_methods(),
            scopes: settings.scopes.clone(),
            audiences: settings.audiences.clone(),
            redirect_uris: settings.redirect_uris.clone(),
            device: settings.device,
            opaque_tokens: settings.opaque_tokens,
            demo_secret: demo::clients().iter().find(|demo| is_demo(demo)).and_then(|Client(demo)| secret(demo)),
        }
    }
}

impl UserSummary {
    pub(crate) fn of(user: &User) -> Self {
        let is_demo = |demo: &User| demo.username == user.username && demo.password == user.password;
        Self {
            username: user.username.clone(),
            subject: user.subject.clone().unwrap_or_else(|| user.username.clone()),
            demo_password: demo::users().into_iter().find(is_demo).map(|demo| demo.password),
        }
    }
}
