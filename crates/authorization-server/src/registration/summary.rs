//! What may be shown of clients and users.

use serde::Serialize;

use super::{Client, User, demo};

/// A registered client, without its secret.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct ClientSummary {
    /// `client_id`.
    pub id: String,
    /// What the pages for users call it.
    pub name: String,
    /// Whether it has no secret.
    pub public: bool,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// The APIs that its tokens are for.
    pub audiences: Vec<String>,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Whether it may run on devices without a browser.
    pub device: bool,
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
    pub(crate) fn of(client: &Client) -> Self {
        let is_demo = |demo: &Client| demo.id == client.id && demo.secret == client.secret;
        Self {
            id: client.id.clone(),
            name: client.name.clone().unwrap_or_else(|| client.id.clone()),
            public: client.secret.is_none(),
            scopes: client.scopes.clone(),
            audiences: client.audiences.clone(),
            redirect_uris: client.redirect_uris.clone(),
            device: client.is_device,
            demo_secret: demo::clients().into_iter().find(is_demo).and_then(|demo| demo.secret),
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
