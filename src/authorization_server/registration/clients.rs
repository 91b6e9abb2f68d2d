//! Registered clients.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use serde_json::Value;

use super::{Client, redirect_uri};
use crate::authorization_server::StartError;
use crate::scope::is_scope_token;
use crate::test_util::{TestIssuer, TokenBuilder};

/// A client whose settings make sense. Its secret is kept as a digest only.
pub(in crate::authorization_server) struct RegisteredClient {
    pub(in crate::authorization_server) id: String,
    pub(in crate::authorization_server) scopes: Vec<String>,
    pub(in crate::authorization_server) token_lifetime: Duration,
    audiences: Vec<String>,
    redirect_uris: Vec<String>,
    /// `None` for a public client.
    secret_digest: Option<Digest>,
}

impl RegisteredClient {
    fn register(client: Client) -> Result<Self, StartError> {
        let Client { id, secret, scopes, audiences, redirect_uris, token_lifetime, .. } = client;
        let shortest_refresh = client.refresh_lifetime.min(client.refresh_absolute_lifetime);
        if id.is_empty() {
            return Err(StartError::EmptyClientId);
        }
        if secret.as_ref().is_some_and(String::is_empty) {
            return Err(StartError::EmptySecret { client_id: id });
        }
        if secret.is_none() && redirect_uris.is_empty() {
            return Err(StartError::NoRedirectUri { client_id: id });
        }
        if let Some((uri, problem)) = redirect_uris.iter().find_map(|uri| Some((uri, redirect_uri::problem(uri)?))) {
            return Err(StartError::RedirectUri { client_id: id, uri: uri.clone(), problem });
        }
        if audiences.is_empty() {
            return Err(StartError::NoAudience { client_id: id });
        }
        if let Some(scope) = scopes.iter().find(|scope| !is_scope_token(scope)) {
            return Err(StartError::InvalidScope { client_id: id, scope: scope.clone() });
        }
        if token_lifetime < Duration::from_secs(1) {
            return Err(StartError::ShortLifetime { client_id: id });
        }
        if shortest_refresh < Duration::from_secs(1) {
            return Err(StartError::ShortRefreshLifetime { client_id: id });
        }
        let secret_digest = secret.map(|secret| digest(&SHA256, secret.as_bytes()));
        Ok(Self { id, scopes, token_lifetime, audiences, redirect_uris, secret_digest })
    }

    /// A token for this client by itself: without a user, `sub` is the client (RFC 9068 §2.2).
    pub(in crate::authorization_server) fn token(&self, issuer: &TestIssuer, scopes: &[&str]) -> TokenBuilder {
        let aud = match self.audiences.as_slice() {
            [only] => Value::from(only.as_str()),
            several => Value::from(several),
        };
        let token =
            issuer.token().subject(&self.id).client_id(&self.id).claim("aud", aud).expires_in(self.token_lifetime);
        if scopes.is_empty() { token } else { token.scope(scopes.join(" ")) }
    }

    /// Whether it may ask users for their consent.
    pub(in crate::authorization_server) const fn asks_users(&self) -> bool {
        !self.redirect_uris.is_empty()
    }

    /// All scopes of this client.
    pub(in crate::authorization_server) fn all_scopes(&self) -> Vec<&str> {
        self.scopes.iter().map(String::as_str).collect()
    }
}

/// All clients, in the order in which they were given.
pub(in crate::authorization_server) struct Clients {
    in_order: Vec<RegisteredClient>,
    index: HashMap<String, usize>,
    /// What a secret is compared with when there is no such client.
    stand_in: Digest,
}

impl Clients {
    pub(in crate::authorization_server) fn register(clients: Vec<Client>) -> Result<Self, StartError> {
        let in_order: Vec<_> = clients.into_iter().map(RegisteredClient::register).collect::<Result<_, _>>()?;
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
    /// Digests of one length are compared in constant time, and an unknown id takes the same path as a wrong secret: the
    /// time it takes tells neither how much of a secret is right nor which ids there are.
    pub(in crate::authorization_server) fn authenticate(&self, id: &str, secret: &str) -> Option<&RegisteredClient> {
        let presented = digest(&SHA256, secret.as_bytes());
        let client = self.index.get(id).and_then(|position| self.in_order.get(*position));
        let expected = client.and_then(|client| client.secret_digest.as_ref());
        let compared = expected.unwrap_or(&self.stand_in);
        let equal = verify_slices_are_equal(presented.as_ref(), compared.as_ref()).is_ok();
        client.filter(|_| equal && expected.is_some())
    }

    pub(in crate::authorization_server) fn first(&self) -> Option<&RegisteredClient> {
        self.in_order.first()
    }

    pub(in crate::authorization_server) fn iter(&self) -> impl Iterator<Item = &RegisteredClient> {
        self.in_order.iter()
    }
}
