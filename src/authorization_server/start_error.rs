//! Why the server did not start.

use std::io;
use std::net::SocketAddr;

use crate::test_util::SigningError;

/// Why the server did not start: which setting it was, and what to do.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A client without an id.
    #[error("a client has an empty id; give `Client::new` an id")]
    EmptyClientId,
    /// Two clients of one id: which secret would count?
    #[error("there are two clients with the id `{client_id}`; give each `Client` an id of its own")]
    DuplicateClient {
        /// The id that both have.
        client_id: String,
    },
    /// A client that anyone could be.
    #[error("client `{client_id}` has an empty secret; give `Client::new` a secret")]
    EmptySecret {
        /// The client without a secret.
        client_id: String,
    },
    /// A client whose tokens would be for no API; RFC 9068 §2.2 requires `aud`.
    #[error("client `{client_id}` has no audience; name the API with `Client::audience`")]
    NoAudience {
        /// The client without an audience.
        client_id: String,
    },
    /// A scope with characters that RFC 6749 §3.3 does not allow.
    #[error(
        "client `{client_id}` has the scope {scope:?}, which cannot be one; give `Client::scopes` one scope an item, \
         of printable ASCII characters without space, quotation mark or backslash (RFC 6749 section 3.3)"
    )]
    InvalidScope {
        /// The client that has the scope.
        client_id: String,
        /// The scope as given.
        scope: String,
    },
    /// A client whose tokens would be expired at once: claims count whole seconds.
    #[error("tokens for client `{client_id}` live less than a second; give `Client::token_lifetime` at least one")]
    ShortLifetime {
        /// The client with that lifetime.
        client_id: String,
    },
    /// A path that cannot be part of an issuer URL as it is written.
    #[error(
        "the issuer path {path:?} is not usable; give `issuer_path` a text like `/tenant`: it starts with a slash, \
         does not end with one, and has letters, digits, `-`, `.`, `_` and `~` between them"
    )]
    IssuerPath {
        /// The path as given.
        path: String,
    },
    /// No key for the algorithm given.
    #[error("no key for `signing_algorithm`: {0}")]
    SigningKey(#[from] SigningError),
    /// No certificate for `tls`.
    #[cfg(feature = "authorization-server-tls")]
    #[error("no certificate for `tls` could be made; leave `tls` out to go on without")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The port is not free, or not allowed.
    #[error("cannot listen on {address}; set `port` to a free one, or to 0 for any")]
    Listen {
        /// Where the server was to listen.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}
