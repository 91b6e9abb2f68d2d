//! Why a request for keys has no response.

use serde::{Serialize, Serializer};

/// Why a request for keys or metadata has no response: the detail of
/// [`KeySetError::Transport`](crate::KeySetError::Transport).
///
/// It follows from the types of the HTTP client's errors, not from their texts. Only the implementation of TLS knows
/// why a handshake failed: the innermost [`source`](std::error::Error::source) is its own error, with rustls
/// `rustls::Error`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TransportFault {
    /// The host's name has no address.
    NameNotResolved,
    /// Nothing listens on the port.
    ConnectionRefused,
    /// No route to the host, or a firewall forbids it.
    Unreachable,
    /// The TLS handshake failed: a certificate that is not trusted, has expired or is another host's, or a port that
    /// does not speak TLS. Only with rustls, the default of the HTTP client; other implementations of TLS are
    /// [`Other`](Self::Other).
    Tls,
    /// There was a connection, but no complete response: it was closed or reset, or what came is not HTTP.
    IncompleteResponse,
    /// Anything else.
    Other,
}

impl TransportFault {
    /// All faults.
    pub const ALL: &'static [Self] = &[
        Self::NameNotResolved,
        Self::ConnectionRefused,
        Self::Unreachable,
        Self::Tls,
        Self::IncompleteResponse,
        Self::Other,
    ];

    /// A stable code, also in the JSON of [`KeySetFailure`](crate::KeySetFailure). It never changes within a major
    /// version.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NameNotResolved => "name_not_resolved",
            Self::ConnectionRefused => "connection_refused",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::IncompleteResponse => "incomplete_response",
            Self::Other => "other",
        }
    }
}

/// As its [stable code](TransportFault::reason).
impl Serialize for TransportFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reason())
    }
}
