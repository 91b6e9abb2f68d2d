//! Registered clients.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use serde_json::Value;

use super::StartError;
use crate::scope::is_scope_token;
use crate::test_util::{TestIssuer, TokenBuilder};

/// A client of the authorization server: who may ask for tokens, for what, and for how long.
///
/// `Debug` leaves the secret out.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::authorization_server::Client;
///
/// let client = Client::new("reporting", "s3cret")
///     .scopes(["read:leads", "read:accounts"])
///     .audience("https://api.example.com")
///     .token_lifetime(Duration::from_secs(60));
/// assert!(!format!("{client:?}").contains("s3cret"));
/// ```
#[derive(Clone)]
pub struct Client {
    id: String,
    secret: String,
    scopes: Vec<String>,
    audiences: Vec<String>,
    token_lifetime: Duration,
}

impl Client {
    /// A client with its id and secret, without scopes; it needs an [audience](Self::audience) to be of use.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            scopes: Vec::new(),
            audiences: Vec::new(),
            token_lifetime: TokenBuilder::DEFAULT_LIFETIME,
        }
    }

    /// Adds the scopes that the client may ask for, one an item. It gets all of them when it asks for none.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Adds an API that the client's tokens are for: `aud` names all of them.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// How long the client's tokens live, in whole seconds; five minutes by default
    /// ([`TokenBuilder::DEFAULT_LIFETIME`]).
    #[must_use]
    pub fn token_lifetime(self, lifetime: Duration) -> Self {
        Self { token_lifetime: lifetime, ..self }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("scopes", &self.scopes)
            .field("audiences", &self.audiences)
            .field("token_lifetime", &self.token_lifetime)
            .finish_non_exhaustive()
    }
}

/// A client whose settings make sense. Its secret is kept as a digest only.
pub(super) struct RegisteredClient {
    pub(super) id: String,
    pub(super) scopes: Vec<String>,
    pub(super) token_lifetime: Duration,
    audiences: Vec<String>,
    secret_digest: Digest,
}

impl RegisteredClient {
    fn register(client: Client) -> Result<Self, StartError> {
        let Client { id, secret, scopes, audiences, token_lifetime } = client;
        if id.is_empty() {
            return Err(StartError::EmptyClientId);
        }
        if secret.is_empty() {
            return Err(StartError::EmptySecret { client_id: id });
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
        Ok(Self { id, scopes, token_lifetime, audiences, secret_digest: digest(&SHA256, secret.as_bytes()) })
    }

    /// A token for this client by itself: without a user, `sub` is the client (RFC 9068 §2.2).
    pub(super) fn token(&self, issuer: &TestIssuer, scopes: &[&str]) -> TokenBuilder {
        let aud = match self.audiences.as_slice() {
            [only] => Value::from(only.as_str()),
            several => Value::from(several),
        };
        let token =
            issuer.token().subject(&self.id).client_id(&self.id).claim("aud", aud).expires_in(self.token_lifetime);
        if scopes.is_empty() { token } else { token.scope(scopes.join(" ")) }
    }

    /// All scopes of this client.
    pub(super) fn all_scopes(&self) -> Vec<&str> {
        self.scopes.iter().map(String::as_str).collect()
    }
}

/// All clients, in the order in which they were given.
pub(super) struct Clients {
    in_order: Vec<RegisteredClient>,
    index: HashMap<String, usize>,
    /// What a secret is compared with when there is no such client.
    stand_in: Digest,
}

impl Clients {
    pub(super) fn register(clients: Vec<Client>) -> Result<Self, StartError> {
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
    pub(super) fn authenticate(&self, id: &str, secret: &str) -> Option<&RegisteredClient> {
        let presented = digest(&SHA256, secret.as_bytes());
        let client = self.index.get(id).and_then(|position| self.in_order.get(*position));
        let expected = client.map_or(&self.stand_in, |client| &client.secret_digest);
        let equal = verify_slices_are_equal(presented.as_ref(), expected.as_ref()).is_ok();
        client.filter(|_| equal)
    }

    pub(super) fn first(&self) -> Option<&RegisteredClient> {
        self.in_order.first()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RegisteredClient> {
        self.in_order.iter()
    }
}
