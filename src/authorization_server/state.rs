//! What the endpoints and the handle share.

use std::sync::atomic::{AtomicU64, Ordering};

use super::client::Clients;
use crate::test_util::TestIssuer;

/// An endpoint of the server, for counting.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Endpoint {
    /// The metadata, at either of its two places.
    Metadata,
    /// The JWK Set.
    JwkSet,
    /// The token endpoint.
    Token,
}

/// Issuer, clients and counters; it outlives a stop and a restart.
pub(super) struct ServerState {
    pub(super) issuer: TestIssuer,
    pub(super) clients: Clients,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    /// The path of the issuer URL: empty, or with a slash in front.
    pub(super) issuer_path: String,
    requests: Requests,
}

#[derive(Default)]
struct Requests {
    metadata: AtomicU64,
    jwk_set: AtomicU64,
    token: AtomicU64,
}

impl ServerState {
    pub(super) fn new(issuer: TestIssuer, clients: Clients, issuer_path: String) -> Self {
        let token_endpoint = format!("{}/token", issuer.url());
        let jwks_uri = format!("{}/jwks", issuer.url());
        Self { issuer, clients, token_endpoint, jwks_uri, issuer_path, requests: Requests::default() }
    }

    pub(super) fn count(&self, endpoint: Endpoint) {
        self.counter(endpoint).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn requests(&self, endpoint: Endpoint) -> u64 {
        self.counter(endpoint).load(Ordering::Relaxed)
    }

    const fn counter(&self, endpoint: Endpoint) -> &AtomicU64 {
        match endpoint {
            Endpoint::Metadata => &self.requests.metadata,
            Endpoint::JwkSet => &self.requests.jwk_set,
            Endpoint::Token => &self.requests.token,
        }
    }
}
