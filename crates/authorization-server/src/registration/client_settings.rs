//! The settings of a client, as set by the builder, read from a configuration file, and kept by the server.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tower_bearer::Scope;
use tower_bearer_test::TokenBuilder;

use super::redirect_uri;
use crate::StartError;
use crate::file_value::{Secret, duration, optional_duration};

/// How clients with a secret authenticate.
pub(crate) const SECRET_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];
/// How clients with a key do.
pub(crate) const PRIVATE_KEY_JWT: &str = "private_key_jwt";

/// The fields are named like the methods of [`Client`] and the fields of the file.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientSettings {
    pub(crate) id: String,
    /// `None` for a client that is public, or has keys alone.
    pub(super) secret: Option<Secret>,
    /// Accepted as well, for a while from the start.
    pub(super) previous_secret: Option<Secret>,
    /// Without it, for as long as the server runs.
    #[serde(default, deserialize_with = "optional_duration")]
    pub(super) previous_secret_lifetime: Option<Duration>,
    /// Public keys by which it authenticates.
    pub(crate) jwks: Option<Value>,
    /// Where they are, in a configuration file.
    pub(crate) jwks_file: Option<PathBuf>,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    /// Whether it may request device codes.
    #[serde(default)]
    pub(crate) device: bool,
    #[serde(default)]
    pub(crate) opaque_tokens: bool,
    /// What opaque tokens begin with.
    #[serde(default)]
    pub(super) opaque_token_prefix: String,
    /// The APIs about whose tokens it may ask at introspection, in addition to its own; empty for every API.
    #[serde(default)]
    introspects_only: Vec<String>,
    #[serde(default = "default_token_lifetime", deserialize_with = "duration")]
    pub(crate) token_lifetime: Duration,
    #[serde(default = "default_refresh_lifetime", deserialize_with = "duration")]
    pub(crate) refresh_lifetime: Duration,
    #[serde(default = "default_refresh_absolute_lifetime", deserialize_with = "duration")]
    pub(crate) refresh_absolute_lifetime: Duration,
    #[serde(default, deserialize_with = "duration")]
    pub(crate) refresh_grace: Duration,
}

impl ClientSettings {
    /// 14 days.
    pub(super) const REFRESH_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);
    /// 90 days.
    pub(super) const REFRESH_ABSOLUTE_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

    pub(super) fn new(id: String, secret: Option<String>) -> Self {
        Self {
            id,
            secret: secret.map(Secret),
            previous_secret: None,
            previous_secret_lifetime: None,
            jwks: None,
            jwks_file: None,
            name: None,
            scopes: Vec::new(),
            audiences: Vec::new(),
            redirect_uris: Vec::new(),
            device: false,
            opaque_tokens: false,
            opaque_token_prefix: String::new(),
            introspects_only: Vec::new(),
            token_lifetime: default_token_lifetime(),
            refresh_lifetime: default_refresh_lifetime(),
            refresh_absolute_lifetime: default_refresh_absolute_lifetime(),
            refresh_grace: Duration::ZERO,
        }
    }

    /// Its name on the pages for users.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Whether it has nothing to authenticate with (RFC 6749 §2.1).
    pub(crate) const fn is_public(&self) -> bool {
        self.secret.is_none() && self.jwks.is_none()
    }

    /// How it authenticates, by the names of the IANA registry.
    pub(super) fn authentication_methods(&self) -> Vec<&'static str> {
        let mut methods = Vec::new();
        if self.secret.is_some() {
            methods.extend(SECRET_METHODS);
        }
        if self.jwks.is_some() {
            methods.push(PRIVATE_KEY_JWT);
        }
        if methods.is_empty() {
            methods.push("none");
        }
        methods
    }

    /// What its access tokens begin with, if they are opaque.
    pub(crate) fn opaque_prefix(&self) -> Option<&str> {
        self.opaque_tokens.then_some(self.opaque_token_prefix.as_str())
    }

    /// Lets introspection tell it about tokens for these APIs only.
    pub(super) fn introspect_only(&mut self, audiences: impl Iterator<Item = String>) {
        self.introspects_only.extend(audiences);
    }

    /// Whether introspection tells it about a token of this client for these APIs (RFC 7662 §2.2).
    pub(crate) fn may_introspect(&self, client_id: &str, audiences: &[String]) -> bool {
        let only = &self.introspects_only;
        only.is_empty() || client_id == self.id || audiences.iter().any(|audience| only.contains(audience))
    }

    /// Checks the settings, for a server with or without legacy grants.
    pub(super) fn check(&self, legacy_grants: bool) -> Result<(), StartError> {
        let client_id = || self.id.clone();
        if self.id.is_empty() {
            return Err(StartError::EmptyClientId);
        }
        if self.secret.as_ref().is_some_and(|Secret(secret)| secret.is_empty()) {
            return Err(StartError::EmptySecret { client_id: client_id() });
        }
        if let Some(Secret(previous)) = &self.previous_secret
            && (previous.is_empty() || self.secret.is_none())
        {
            return Err(StartError::PreviousSecret { client_id: client_id() });
        }
        if self.is_public() && self.redirect_uris.is_empty() && !self.device && !legacy_grants {
            return Err(StartError::NoRedirectUri { client_id: client_id() });
        }
        let unusable = self.redirect_uris.iter().find_map(|uri| Some((uri, redirect_uri::problem(uri)?)));
        if let Some((uri, problem)) = unusable {
            return Err(StartError::RedirectUri { client_id: client_id(), uri: uri.clone(), problem });
        }
        if self.audiences.is_empty() {
            return Err(StartError::NoAudience { client_id: client_id() });
        }
        if let Some(scope) = self.scopes.iter().find(|scope| !Scope::is_token(scope)) {
            return Err(StartError::InvalidScope { client_id: client_id(), scope: scope.clone() });
        }
        // RFC 6750 §2.1: the characters of a token in a header.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        if !self.opaque_token_prefix.bytes().all(is_token)
            || !(self.opaque_tokens || self.opaque_token_prefix.is_empty())
        {
            let prefix = self.opaque_token_prefix.clone();
            return Err(StartError::OpaqueTokenPrefix { client_id: client_id(), prefix });
        }
        if self.token_lifetime < Duration::from_secs(1) {
            return Err(StartError::ShortLifetime { client_id: client_id() });
        }
        if self.refresh_lifetime.min(self.refresh_absolute_lifetime) < Duration::from_secs(1) {
            return Err(StartError::ShortRefreshLifetime { client_id: client_id() });
        }
        Ok(())
    }
}

const fn default_token_lifetime() -> Duration {
    TokenBuilder::DEFAULT_LIFETIME
}

const fn default_refresh_lifetime() -> Duration {
    ClientSettings::REFRESH_LIFETIME
}

const fn default_refresh_absolute_lifetime() -> Duration {
    ClientSettings::REFRESH_ABSOLUTE_LIFETIME
}
