//! The fields of a configuration file. Their names are those of the methods in Rust.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, de::Error as _};
use serde_json::Value;
use tower_bearer::jose::Algorithm;

use crate::{AuthorizationServerBuilder, Client, User};

/// The whole file. What is left out is as in Rust.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    port: Option<u16>,
    admin_port: Option<u16>,
    issuer_path: Option<String>,
    authorize_path: Option<String>,
    token_path: Option<String>,
    device_code_lifetime: Option<Span>,
    device_poll_interval: Option<Span>,
    #[serde(default)]
    dangerously_enable_legacy_grants: bool,
    /// The first signs.
    #[serde(default)]
    pub(super) keys: Vec<KeyEntry>,
    /// What each scope means, for the page that asks the user.
    #[serde(default)]
    scopes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) clients: Vec<ClientEntry>,
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

/// The lists are `pub(super)` because errors are about one of their items.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientEntry {
    pub(super) id: String,
    /// Without one, the client is public.
    secret: Option<Secret>,
    name: Option<String>,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    pub(super) redirect_uris: Vec<String>,
    #[serde(default)]
    device: bool,
    #[serde(default)]
    opaque_tokens: bool,
    token_lifetime: Option<Span>,
    pub(super) refresh_lifetime: Option<Span>,
    refresh_absolute_lifetime: Option<Span>,
    refresh_grace: Option<Span>,
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
        builder = with(builder, self.port, AuthorizationServerBuilder::port);
        builder = with(builder, self.admin_port, AuthorizationServerBuilder::admin_port);
        builder = with(builder, self.issuer_path.clone(), AuthorizationServerBuilder::issuer_path);
        builder = with(builder, self.authorize_path.clone(), AuthorizationServerBuilder::authorize_path);
        builder = with(builder, self.token_path.clone(), AuthorizationServerBuilder::token_path);
        builder = with(builder, duration(&self.device_code_lifetime), AuthorizationServerBuilder::device_code_lifetime);
        builder = with(builder, duration(&self.device_poll_interval), AuthorizationServerBuilder::device_poll_interval);
        if self.dangerously_enable_legacy_grants {
            builder = builder.dangerously_enable_legacy_grants();
        }
        for (scope, description) in &self.scopes {
            builder = builder.scope_description(scope, description);
        }
        builder = self.clients.iter().fold(builder, |builder, client| builder.client(client.to_client()));
        self.users.iter().fold(builder, |builder, user| builder.user(user.to_user()))
    }
}

impl ClientEntry {
    fn to_client(&self) -> Client {
        let client = match &self.secret {
            Some(Secret(secret)) => Client::new(&self.id, secret),
            None => Client::public(&self.id),
        };
        let client = with(client.scopes(&self.scopes), self.name.as_deref(), Client::name);
        let client = self.audiences.iter().fold(client, Client::audience);
        let client = self.redirect_uris.iter().fold(client, Client::redirect_uri);
        let client = if self.opaque_tokens { client.opaque_tokens() } else { client };
        let client = if self.device { client.device() } else { client };
        let client = with(client, duration(&self.token_lifetime), Client::token_lifetime);
        let client = with(client, duration(&self.refresh_lifetime), Client::refresh_lifetime);
        let client = with(client, duration(&self.refresh_absolute_lifetime), Client::refresh_absolute_lifetime);
        with(client, duration(&self.refresh_grace), Client::refresh_grace)
    }
}

impl UserEntry {
    fn to_user(&self) -> User {
        let Secret(password) = &self.password;
        let user = with(User::new(&self.username, password), self.subject.as_deref(), User::subject);
        self.claims.iter().fold(user, |user, (name, value)| user.claim(name, value.clone()))
    }
}

fn duration(span: &Option<Span>) -> Option<Duration> {
    span.as_ref().map(|Span(duration)| *duration)
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

/// A duration in words, such as `5m` or `30days`.
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl Visitor<'_> for Words {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit in quotation marks, such as \"90s\", \"5m\" or \"30days\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                humantime::parse_duration(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Words).map(Self)
    }
}

/// A text that no error shows, whatever stands in its place.
pub(super) struct Secret(pub(super) String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("this is not text; put it in quotation marks")),
        }
    }
}
