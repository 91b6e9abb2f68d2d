//! Registered clients.

use std::collections::HashMap;
use std::ops::Deref;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tower_bearer::time::UnixTime;

use super::client_keys::ClientKeys;
use super::client_secrets::{ClientSecretError, ClientSecrets};
use super::client_settings::ClientSettings;
use super::{Client, redirect_uri};
use crate::StartError;
use crate::file_value::Secret;
use crate::grant_type::GrantType;
use crate::scope::OPENID;

/// A client with valid settings.
pub(crate) struct RegisteredClient {
    settings: ClientSettings,
    /// Whether it may get tokens by password and in redirects.
    may_use_legacy_grants: bool,
    /// `None` for a client without a secret.
    secrets: Option<ClientSecrets>,
    /// Those that verify its assertions.
    keys: Option<ClientKeys>,
}

impl RegisteredClient {
    fn register(Client(mut settings): Client, may_use_legacy_grants: bool, now: UnixTime) -> Result<Self, StartError> {
        settings.check(may_use_legacy_grants)?;
        let keys = settings.jwks.take().map(|jwks| ClientKeys::read(&jwks)).transpose();
        let keys = keys.map_err(|problem| StartError::ClientKeys { client_id: settings.id.clone(), problem })?;
        let secrets = settings.secret.take().map(|Secret(secret)| ClientSecrets::new(&secret));
        let secrets = match (secrets, settings.previous_secret.take()) {
            (Some(secrets), Some(Secret(previous))) => {
                let ends = settings.previous_secret_lifetime.map(|lifetime| now.saturating_add(lifetime));
                Some(secrets.and(&previous, ends))
            }
            (secrets, _) => secrets,
        };
        Ok(Self { settings, may_use_legacy_grants, secrets, keys })
    }

    /// Whether it may get tokens this way.
    pub(crate) const fn may_use(&self, grant_type: GrantType) -> bool {
        match grant_type {
            GrantType::AuthorizationCode => self.asks_users(),
            // RFC 6749 §4.4: only for clients that can authenticate.
            GrantType::ClientCredentials => !self.is_public(),
            GrantType::DeviceCode => self.settings.device,
            GrantType::Implicit => self.may_use_legacy_grants && self.asks_users(),
            GrantType::Password => self.may_use_legacy_grants,
            GrantType::RefreshToken => self.acts_for_users(),
        }
    }

    /// Whether it may ask users for their consent.
    pub(crate) const fn asks_users(&self) -> bool {
        !self.settings.redirect_uris.is_empty()
    }

    /// Whether it may get tokens of users, by any grant.
    pub(crate) const fn acts_for_users(&self) -> bool {
        self.asks_users() || self.settings.device || self.may_use_legacy_grants
    }

    /// Whether it has nothing to authenticate with (RFC 6749 §2.1).
    pub(crate) const fn is_public(&self) -> bool {
        self.secrets.is_none() && self.keys.is_none()
    }

    /// The keys that verify its assertions, if it authenticates so.
    pub(crate) const fn keys(&self) -> Option<&ClientKeys> {
        self.keys.as_ref()
    }

    /// The redirect URI to use, if the request may name this one, or may name none (RFC 6749 §3.1.2.3).
    pub(crate) fn redirect_uri<'a>(&'a self, asked: Option<&'a str>) -> Option<&'a str> {
        match (asked, self.settings.redirect_uris.as_slice()) {
            (Some(asked), registered) => {
                registered.iter().any(|registered| redirect_uri::matches(registered, asked)).then_some(asked)
            }
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

impl Deref for RegisteredClient {
    type Target = ClientSettings;

    fn deref(&self) -> &ClientSettings {
        &self.settings
    }
}

/// All clients, in the order in which they were given.
pub(crate) struct Clients {
    in_order: Vec<RegisteredClient>,
    index: HashMap<String, usize>,
    /// Compared with the secret when there is no such client.
    stand_in: ClientSecrets,
}

impl Clients {
    /// With `legacy_grants`, every client may use those.
    pub(crate) fn register(clients: Vec<Client>, legacy_grants: bool, now: UnixTime) -> Result<Self, StartError> {
        let register = |client| RegisteredClient::register(client, legacy_grants, now);
        let in_order: Vec<_> = clients.into_iter().map(register).collect::<Result<_, _>>()?;
        let mut index = HashMap::new();
        for (position, client) in in_order.iter().enumerate() {
            if index.insert(client.id.clone(), position).is_some() {
                return Err(StartError::DuplicateClient { client_id: client.id.clone() });
            }
        }
        Ok(Self { in_order, index, stand_in: ClientSecrets::new("") })
    }

    /// The client with this id, if `secret` is one of its secrets at this time.
    ///
    /// An unknown id takes the same path as a wrong secret: the time it takes reveals neither how much of a secret is
    /// right nor which ids exist.
    pub(crate) fn authenticate(&self, id: &str, secret: &str, now: UnixTime) -> Option<&RegisteredClient> {
        let presented = digest(&SHA256, secret.as_bytes());
        let client = self.get(id);
        let secrets = client.and_then(|client| client.secrets.as_ref());
        let is_accepted = secrets.unwrap_or(&self.stand_in).accept(&presented, now);
        client.filter(|_| is_accepted && secrets.is_some())
    }

    /// Gives a client another secret. Those before it are accepted for `overlap` more.
    pub(crate) fn rotate_secret(
        &self,
        id: &str,
        secret: &str,
        overlap: Duration,
        now: UnixTime,
    ) -> Result<(), ClientSecretError> {
        let client_id = || id.to_owned();
        let client = self.get(id).ok_or_else(|| ClientSecretError::NoSuchClient { client_id: client_id() })?;
        let secrets = client.secrets.as_ref().ok_or_else(|| ClientSecretError::NoSecret { client_id: client_id() })?;
        if secret.is_empty() {
            return Err(ClientSecretError::Empty { client_id: client_id() });
        }
        secrets.rotate(secret, overlap, now);
        tracing::debug!(client_id = id, "client secret rotated");
        Ok(())
    }

    /// The client with this id. The id alone proves nothing.
    pub(crate) fn get(&self, id: &str) -> Option<&RegisteredClient> {
        self.index.get(id).and_then(|position| self.in_order.get(*position))
    }

    /// Whether the server offers this way to get tokens: client credentials always, the others when a client may use
    /// them.
    pub(crate) fn can_use(&self, grant_type: GrantType) -> bool {
        grant_type == GrantType::ClientCredentials || self.iter().any(|client| client.may_use(grant_type))
    }

    /// Whether there is a client that gets tokens of users.
    pub(crate) fn has_client_for_users(&self) -> bool {
        self.iter().any(RegisteredClient::acts_for_users)
    }

    /// Whether there is a client that asks who users are (OpenID Connect).
    pub(crate) fn has_openid_client(&self) -> bool {
        self.iter().any(|client| client.acts_for_users() && client.scopes.iter().any(|scope| scope == OPENID))
    }

    pub(crate) fn first(&self) -> Option<&RegisteredClient> {
        self.in_order.first()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RegisteredClient> {
        self.in_order.iter()
    }
}
