//! Why an issuer's keys are not to be had.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Why a key set could not be had.
///
/// Requests never see it: they are judged by the last good set, or answered with 503. It is logged and counted.
#[non_exhaustive]
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeySetError {
    /// The document is not a JWK Set (RFC 7517 §5).
    #[error("the document is not a JWK Set: {0}")]
    NotAJwkSet(Arc<str>),
    /// The set has more keys than a set may have: more than 100.
    #[error("the set has {found} keys, more than {}", crate::jose::MAX_KEYS)]
    TooManyKeys {
        /// How many keys the set has.
        found: usize,
    },
    /// The set has no key that can be used.
    #[error("the set has no usable key ({})", if dropped.is_empty() { "it is empty" } else { dropped.as_ref() })]
    NoUsableKey {
        /// Why its keys were dropped, in words.
        dropped: Arc<str>,
    },
    /// The metadata is not a JSON object with `issuer` and `jwks_uri` (RFC 8414 §2).
    #[error("the metadata cannot be read: {0}")]
    Metadata(Arc<str>),
    /// Neither place has metadata (RFC 8414 §3.1, OpenID Connect Discovery 1.0 §4).
    #[error("the issuer's metadata is not to be had: {oauth}; {openid}")]
    NoMetadata {
        /// What became of the request by RFC 8414.
        oauth: Box<Self>,
        /// What became of the request by OpenID Connect.
        openid: Box<Self>,
    },
    /// The metadata is of another issuer (RFC 8414 §3.3).
    #[error("the metadata is of the issuer {found:?}, the configuration says {expected:?}")]
    IssuerMismatch {
        /// The configured issuer.
        expected: Arc<str>,
        /// The issuer that the metadata names.
        found: Arc<str>,
    },
    /// A URL that must be HTTPS is not.
    #[error("{0:?} is not an HTTPS URL")]
    InsecureUrl(Arc<str>),
    /// The provider answered with another status than 200.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked.
        url: Arc<str>,
        /// The status.
        status: u16,
        /// When the provider asks to come back (`Retry-After`, RFC 9110 §10.2.3).
        retry_after: Option<Duration>,
    },
    /// A source says that nothing changed since a set that never came.
    #[error("the source says that the set is unchanged, and there is none yet")]
    UnchangedFromNothing,
    /// The answer is larger than the size cap.
    #[error("{url} sent more than {limit} bytes")]
    TooLarge {
        /// What was asked.
        url: Arc<str>,
        /// The size cap.
        limit: usize,
    },
    /// The fetch took too long.
    #[error("the fetch took longer than {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The provider could not be reached.
    #[error("{url} could not be fetched: {source}")]
    Transport {
        /// What was asked.
        url: Arc<str>,
        /// What the HTTP client said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A source of the application's own failed.
    #[error("the key source failed: {0}")]
    Source(#[source] Arc<dyn Error + Send + Sync>),
    /// The fetch ended without a result.
    #[error("the fetch was interrupted")]
    Interrupted,
}

impl KeySetError {
    /// The failure of a [`KeySource`](crate::KeySource) of the application's own.
    #[must_use]
    pub fn source_failed(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Source(Arc::new(error))
    }

    /// A stable code for logs, metrics and alerts. It never changes within a major version.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotAJwkSet(_) => "not_a_jwk_set",
            Self::TooManyKeys { .. } => "too_many_keys",
            Self::NoUsableKey { .. } => "no_usable_key",
            Self::Metadata(_) => "metadata",
            Self::NoMetadata { .. } => "no_metadata",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::InsecureUrl(_) => "insecure_url",
            Self::Status { .. } => "status",
            Self::UnchangedFromNothing => "unchanged_from_nothing",
            Self::TooLarge { .. } => "too_large",
            Self::Timeout(_) => "timeout",
            Self::Transport { .. } => "transport",
            Self::Source(_) => "source",
            Self::Interrupted => "interrupted",
        }
    }

    /// When the provider asks to come back, if it does.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::NoMetadata { oauth, openid } => match oauth.retry_after() {
                None => openid.retry_after(),
                asked => asked,
            },
            _ => None,
        }
    }
}
