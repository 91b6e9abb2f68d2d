//! Registered clients.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use tower_bearer::Scope;

use super::{Client, redirect_uri};
use crate::StartError;
use crate::scope::OPENID;

/// A client whose settings make sense. Its secret is kept as a digest only.
pub(crate) struct RegisteredClient {
    pub(crate) id: String,
    /// For people.
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) opaque_tokens: bool,
    /// Whether it may ask for codes for devices.
    pub(crate) is_device: bool,
    pub(crate) token_lifetime: Duration,
    pub(crate) refresh_lifetime: Duration,
    pub(crate) refresh_absolute_lifetime: Duration,
    pub(crate) refresh_grace: Duration,
    /// Whether it may get tokens by password, and in redirects.
    pub(crate) may_use_legacy_grants: bool,
    redirect_uris: Vec<String>,
    /// `None` for a public client.
    secret_digest: Option<Digest>,
}

impl RegisteredClient {
    fn register(client: Client, legacy_grants: bool) -> Result<Self, StartError> {
        let id = client.id;
        if id.is_empty() {
            return Err(StartError::EmptyClientId);
        }
        if client.secret.as_ref().is_some_and(String::is_empty) {
            return Err(StartError::EmptySecret { client_id: id });
        }
        let redirect_uris = client.redirect_uris;
        if client.secret.is_none() && redirect_uris.is_empty() && !client.is_device && !legacy_grants {
            return Err(StartError::NoRedirectUri { client_id: id });
        }
        if let Some((uri, problem)) = redirect_uris.iter().find_map(|uri| Some((uri, redirect_uri::problem(uri)?))) {
            return Err(StartError::RedirectUri { client_id: id, uri: uri.clone(), problem });
        }
        if client.audiences.is_empty() {
            return Err(StartError::NoAudience { client_id: id });
        }
        if let Some(scope) = client.scopes.iter().find(|scope| !Scope::is_token(scope)) {
            return Err(StartError::InvalidScope { client_id: id, scope: scope.clone() });
        }
        if client.token_lifetime < Duration::from_secs(1) {
            return Err(StartError::ShortLifetime { client_id: id });
        }
        if client.refresh_lifetime.min(client.refresh_absolute_lifetime) < Duration::from_secs(1) {
            return Err(StartError::ShortRefreshLifetime { client_id: id });
        }
        Ok(Self {
            name: client.name.unwrap_or_else(|| id.clone()),
            id,
            scopes: client.scopes,
            audiences: client.audiences,
            opaque_tokens: client.opaque_tokens,
            is_device: client.is_device,
            token_lifetime: client.token_lifetime,
            refresh_lifetime: client.refresh_lifetime,
            refresh_absolute_lifetime: client.refresh_absolute_lifetime,
            refresh_grace: client.refresh_grace,
            may_use_legacy_grants: legacy_grants,
            redirect_uris,
            secret_digest: client.secret.map(|secret| digest(&SHA256, secret.as_bytes())),
        })
    }

    /// Whether it may ask users for their consent.
    pub(crate) const fn asks_users(&self) -> bool {
        !self.redirect_uris.is_empty()
    }

    /// Whether it may get tokens of users, in whatever way.
    pub(crate) const fn acts_for_users(&self) -> bool {
        self.asks_users() || self.is_device || self.may_use_legacy_grants
    }

    /// Whether it may ask for tokens without a code (RFC 6749 §4.2).
    pub(crate) const fn gets_tokens_in_redirects(&self) -> bool {
        self.may_use_legacy_grants && self.asks_users()
    }

    /// Whether it has no secret (RFC 6749 §2.1).
    pub(crate) const fn is_public(&self) -> bool {
        self.secret_digest.is_none()
    }

    /// Where users are sent back to, if the request may name this place, or name none (RFC 6749 §3.1.2.3).
    pub(crate) fn redirect_uri<'a>(&'a self, asked: Option<&'a str>) -> Option<&'a str> {
        match (asked, self.redirect_uris.as_slice()) {
            (Some(asked), registered) => {
                registered.iter().any(|registered| redirect_uri::matches(registered, asked)).then_some(asked)
            }
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

/// All clients, in the order in which they were given.
pub(crate) struct Clients {
    in_order: Vec<RegisteredClient>,
    index: HashMap<String, usize>,
    /// What a secret is compared with when there is no such client.
    stand_in: Digest,
}

impl Clients {
    /// With `legacy_grants`, each of them may use those.
    pub(crate) fn register(clients: Vec<Client>, legacy_grants: bool) -> Result<Self, StartError> {
        let register = |client| RegisteredClient::register(client, legacy_grants);
        let in_order: Vec<_> = clients.into_iter().map(register).collect::<Result<_, _>>()?;
        let mut index = HashMap::new();
        for (position, client) in in_order.iter().enumerate() {
            if index.insert(client.id.clone(), position).is_some() {
                return Err(StartError::DuplicateClient { client_id: client.id.clone() });
            }
        }
        Ok(Self { in_order, index, stand_in: digest(&SHA256, b"") })
    }

    /// The client of this id, if `secret` is its own.
    ///
    /// Digests of one length are compared in constant time, and an unknown id takes the same path as a wrong secret:
    /// the time it takes tells neither how much of a secret is right nor which ids there are.
    pub(crate) fn authenticate(&self, id: &str, secret: &str) -> Option<&RegisteredClient> {
        let presented = digest(&SHA256, secret.as_bytes());
        let client = self.get(id);
        let expected = client.and_then(|client| client.secret_digest.as_ref());
        let compared = expected.unwrap_or(&self.stand_in);
        let equal = verify_slices_are_equal(presented.as_ref(), compared.as_ref()).is_ok();
        client.filter(|_| equal && expected.is_some())
    }

    /// The client that says it has this id, which proves nothing.
    pub(crate) fn get(&self, id: &str) -> Option<&RegisteredClient> {
        self.index.get(id).and_then(|position| self.in_order.get(*position))
    }

    /// Whether there is a client for devices.
    pub(crate) fn have_devices(&self) -> bool {
        self.iter().any(|client| client.is_device)
    }

    /// Whether there is a client that gets tokens of users.
    pub(crate) fn act_for_users(&self) -> bool {
        self.iter().any(RegisteredClient::acts_for_users)
    }

    /// Whether there is a client that asks who users are (OpenID Connect).
    pub(crate) fn ask_who_users_are(&self) -> bool {
        self.iter().any(|client| client.acts_for_users() && client.scopes.iter().any(|scope| scope == OPENID))
    }

    /// Whether there is a client that may get tokens by password (RFC 6749 §4.3).
    pub(crate) fn use_passwords(&self) -> bool {
        self.iter().any(|client| client.may_use_legacy_grants)
    }

    /// Whether there is a client that may get tokens in redirects (RFC 6749 §4.2).
    pub(crate) fn get_tokens_in_redirects(&self) -> bool {
        self.iter().any(RegisteredClient::gets_tokens_in_redirects)
    }

    /// Whether there is a client that asks users for their consent.
    pub(crate) fn ask_users(&self) -> bool {
        self.iter().any(RegisteredClient::asks_users)
    }

    pub(crate) fn first(&self) -> Option<&RegisteredClient> {
        self.in_order.first()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RegisteredClient> {
        self.in_order.iter()
    }
}
