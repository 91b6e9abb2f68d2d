//! The fields of a configuration file. Their names are those of the methods in Rust.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tower_bearer::jose::Algorithm;

use crate::file_value::{Secret, optional_duration};
use crate::registration::ClientSettings;
use crate::{AuthorizationServerBuilder, Endpoint, Fault, User};

/// The whole file. What is left out is as in Rust.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    listen: Option<IpAddr>,
    port: Option<u16>,
    issuer: Option<String>,
    #[serde(default)]
    dangerously_allow_non_loopback: bool,
    admin_port: Option<u16>,
    issuer_path: Option<String>,
    authorize_path: Option<String>,
    token_path: Option<String>,
    #[serde(default, deserialize_with = "optional_duration")]
    device_code_lifetime: Option<Duration>,
    #[serde(default, deserialize_with = "optional_duration")]
    device_poll_interval: Option<Duration>,
    #[serde(default)]
    dangerously_enable_legacy_grants: bool,
    /// The first signs.
    #[serde(default)]
    pub(super) keys: Vec<KeyEntry>,
    /// What each scope means, for the page that asks the user.
    #[serde(default)]
    scopes: BTreeMap<String, String>,
    /// Faults from the start.
    #[serde(default)]
    faults: BTreeMap<Endpoint, Fault>,
    /// Of clients that name none.
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    pub(super) clients: Vec<ClientSettings>,
    #[serde(default)]
    pub(super) users: Vec<UserEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    pub(super) algorithm: AlgorithmName,
    /// A private key in PEM; without it, a new one is made at each start.
    pub(super) pem_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserEntry {
    pub(super) username: String,
    password: Secret,
    subject: Option<String>,
    #[serde(default)]
    claims: BTreeMap<String, Value>,
}

impl Document {
    /// All settings but the keys, which are in other files.
    pub(super) fn apply(&self, mut builder: AuthorizationServerBuilder) -> AuthorizationServerBuilder {
        builder = with(builder, self.listen, AuthorizationServerBuilder::listen);
        builder = with(builder, self.port, AuthorizationServerBuilder::port);
        builder = with(builder, self.issuer.clone(), AuthorizationServerBuilder::issuer);
        builder = with(builder, self.admin_port, AuthorizationServerBuilder::admin_port);
        builder = with(builder, self.issuer_path.clone(), AuthorizationServerBuilder::issuer_path);
        builder = with(builder, self.authorize_path.clone(), AuthorizationServerBuilder::authorize_path);
        builder = with(builder, self.token_path.clone(), AuthorizationServerBuilder::token_path);
        builder = with(builder, self.device_code_lifetime, AuthorizationServerBuilder::device_code_lifetime);
        builder = with(builder, self.device_poll_interval, AuthorizationServerBuilder::device_poll_interval);
        if self.dangerously_allow_non_loopback {
            builder = builder.dangerously_allow_non_loopback();
        }
        if self.dangerously_enable_legacy_grants {
            builder = builder.dangerously_enable_legacy_grants();
        }
        for (scope, description) in &self.scopes {
            builder = builder.scope_description(scope, description);
        }
        for (endpoint, fault) in &self.faults {
            builder = builder.misbehave(*endpoint, fault.clone());
        }
        builder = builder.audiences(&self.audiences);
        builder = self.clients.iter().fold(builder, |builder, client| builder.client(client.clone().into()));
        self.users.iter().fold(builder, |builder, user| builder.user(user.to_user()))
    }
}

impl UserEntry {
    fn to_user(&self) -> User {
        let Secret(password) = &self.password;
        let user = with(User::new(&self.username, password), self.subject.as_deref(), User::subject);
        self.claims.iter().fold(user, |user, (name, value)| user.claim(name, value.clone()))
    }
}

/// Sets what the file has, and leaves the default otherwise.
fn with<B, T>(builder: B, value: Option<T>, set: impl FnOnce(B, T) -> B) -> B {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AlgorithmName(pub(super) Algorithm);

impl TryFrom<String> for AlgorithmName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let found = Algorithm::PUBLIC_KEY.iter().copied().find(|algorithm| algorithm.name() == name);
        found.map(Self).ok_or_else(|| {
            let names: Vec<_> = Algorithm::PUBLIC_KEY.iter().map(|algorithm| algorithm.name()).collect();
            format!("there is no such algorithm; choose one of {}", names.join(", "))
        })
    }
}
