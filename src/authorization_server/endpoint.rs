//! The endpoints of the server.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An endpoint of the server, for counting and for [faults](super::Fault).
///
/// In JSON, `metadata`, `jwk_set` or `token`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The metadata, at either of its two places.
    Metadata,
    /// The JWK Set.
    JwkSet,
    /// The token endpoint.
    Token,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: &'static [Self] = &[Self::Metadata, Self::JwkSet, Self::Token];

    /// The name, in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::JwkSet => "jwk_set",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One of something for each endpoint.
#[derive(Debug, Default, Serialize)]
pub(super) struct PerEndpoint<T> {
    metadata: T,
    jwk_set: T,
    token: T,
}

impl<T> PerEndpoint<T> {
    pub(super) const fn at(&self, endpoint: Endpoint) -> &T {
        match endpoint {
            Endpoint::Metadata => &self.metadata,
            Endpoint::JwkSet => &self.jwk_set,
            Endpoint::Token => &self.token,
        }
    }
}
