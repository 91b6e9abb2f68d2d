//! Why an issuer's keys are unavailable.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::TransportFault;

/// Why a key set could not be fetched.
///
/// Requests never see it: they are validated with the last good set, or get 503. It is logged and counted.
#[non_exhaustive]
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeySetError {
    /// The document is not a JWK Set (RFC 7517 §5).
    #[error("the document is not a JWK Set: {problem}")]
    NotAJwkSet {
        /// What is wrong with it.
        problem: Arc<str>,
        /// Whether it is JSON at all.
        is_json: bool,
    },
    /// The set has more keys than a set may have: more than 100.
    #[error("the set has {found} keys, more than {}", crate::limits::MAX_KEYS)]
    TooManyKeys {
        /// How many keys the set has.
        found: usize,
    },
    /// The set has no key that can be used.
    #[error("the set has no usable key ({})", if dropped.is_empty() { "it is empty" } else { dropped.as_ref() })]
    NoUsableKey {
        /// Why its keys were dropped, in words.
        dropped: Arc<str>,
        /// Why each was dropped, in the order of the set, as [`KeyFault::reason`](crate::jose::KeyFault::reason).
        reasons: Arc<[&'static str]>,
    },
    /// The metadata is not a JSON object with `issuer` and `jwks_uri` (RFC 8414 §2).
    #[error("the metadata cannot be read: {problem}")]
    Metadata {
        /// What is wrong with it.
        problem: Arc<str>,
        /// Whether it is JSON at all.
        is_json: bool,
    },
    /// No well-known place has metadata that can be used (RFC 8414 §3.1 and §5, OpenID Connect Discovery 1.0 §4).
    ///
    /// Its [reason](Self::reason) is that of the most informative failure, such as `issuer_mismatch`.
    #[error("{}", self.of_all_places())]
    NoMetadata {
        /// The failure at the place that RFC 8414 §3.1 defines.
        oauth: Box<Self>,
        /// The failure at the place that OpenID Connect defines; with two such places, [`Places`](Self::Places).
        openid: Box<Self>,
    },
    /// Several well-known places failed.
    #[error("{}", self.of_each_place())]
    Places {
        /// The failure at each place, in order.
        failures: Arc<[Self]>,
    },
    /// A failure and the place where it happened: a file, or a URL with status, content type and the first characters
    /// of a body that is not JSON.
    #[error("{error} ({place})")]
    At {
        /// What is wrong.
        error: Box<Self>,
        /// The place, if it is a URL, without query and fragment.
        url: Option<Arc<str>>,
        /// The place, and what was found there, in words.
        place: Arc<str>,
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
    /// The metadata names a place for the keys, or an introspection endpoint, that is not on its own origin, as
    /// [`require_same_origin_jwks_uri`](crate::Issuer::require_same_origin_jwks_uri) asks for.
    #[error("the metadata at {metadata} names a URL on another origin, {jwks_uri}")]
    OtherOrigin {
        /// Where the metadata was found.
        metadata: Arc<str>,
        /// What it names.
        jwks_uri: Arc<str>,
    },
    /// The host has no address outside of the [refused networks](crate::Issuer::refuse_networks). Nothing was sent.
    #[error("{url} is at {address}, in the refused network {network}")]
    RefusedAddress {
        /// What was to be asked.
        url: Arc<str>,
        /// The address, the first one if the name has several.
        address: IpAddr,
        /// The network that it is in.
        network: Arc<str>,
    },
    /// [Networks are refused](crate::Issuer::refuse_networks), and
    /// [`http_client`](crate::Issuer::http_client) leads to an address that was not checked: one that it fixes for the
    /// name, or a Unix socket.
    #[error(
        "{url} is at an address that cannot be checked, because `.http_client(..)` fixes it; remove that, or leave the \
         refused networks to a firewall"
    )]
    UncheckedAddress {
        /// What was to be asked.
        url: Arc<str>,
    },
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
    /// The server compressed the document, although the request asks for `identity` (RFC 9110 §12.5.3).
    #[error("{url} answered in the content coding {coding:?}, which was not asked for (`Accept-Encoding: identity`)")]
    ContentCoding {
        /// The requested URL.
        url: Arc<str>,
        /// The value of `Content-Encoding`.
        coding: Arc<str>,
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
        /// Why there is no response.
        fault: TransportFault,
        /// What the HTTP client said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Neither the first source nor a [failover](crate::Issuer::failover_jwk_set_url) has a set that can be used.
    #[error("{}", in_order(failures))]
    AllSources {
        /// What became of each that was asked, in order.
        failures: Arc<[Self]>,
    },
    /// A source of the application's own failed.
    #[error("the key source failed: {0}")]
    Source(#[source] Arc<dyn Error + Send + Sync>),
    /// The fetch ended without a result: its source panicked, or its runtime ended.
    #[error("the fetch was interrupted")]
    Interrupted,
    /// The fetch was still under way after its limit, since nobody polled it, and another one superseded it: the runtime
    /// that a request, `readiness()` or `warm_up()` started it on is blocked, or is no longer driven.
    #[error("the fetch did not end within {} ms, because its runtime is blocked or no longer driven", .0.as_millis())]
    Abandoned(Duration),
    /// Keys cannot be fetched on this thread: it runs no tokio runtime, or one without timers.
    #[error("keys cannot be fetched here: {0}")]
    Runtime(Arc<str>),
}

impl KeySetError {
    /// The failure of a [`KeySource`](crate::KeySource) of the application's own.
    #[must_use]
    pub fn source_failed(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Source(Arc::new(error))
    }

    /// A stable code for logs, metrics and alerts. It never changes within a major version.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.reported() {
            Self::NotAJwkSet { .. } => "not_a_jwk_set",
            Self::TooManyKeys { .. } => "too_many_keys",
            Self::NoUsableKey { .. } => "no_usable_key",
            Self::Metadata { .. } => "metadata",
            Self::NoMetadata { .. } | Self::Places { .. } => "no_metadata",
            Self::At { error, .. } => error.reason(),
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::InsecureUrl(_) => "insecure_url",
            Self::Status { .. } => "status",
            Self::ContentCoding { .. } => "content_coding",
            Self::UnchangedFromNothing => "unchanged_from_nothing",
            Self::TooLarge { .. } => "too_large",
            Self::Timeout(_) => "timeout",
            Self::Transport { .. } => "transport",
            Self::Source(_) => "source",
            Self::OtherOrigin { .. } => "other_origin",
            Self::RefusedAddress { .. } => "refused_address",
            Self::UncheckedAddress { .. } => "unchecked_address",
            Self::AllSources { .. } => "all_sources",
            Self::Interrupted => "interrupted",
            Self::Abandoned(_) => "abandoned",
            Self::Runtime(_) => "runtime",
        }
    }

    /// The URL of the place whose failure gives the [reason](Self::reason), without query and fragment, which may be a
    /// credential. If all places failed alike, it is that of the first.
    ///
    /// None for a file and for a source of the application's own, and where the reason is that of several places or
    /// sources: [`causes`](Self::causes) has each.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::At { error, url, .. } => error.url().or(url.as_deref()),
            Self::NoMetadata { .. } | Self::Places { .. } => self.decisive()?.url(),
            Self::RefusedAddress { url, .. }
            | Self::UncheckedAddress { url }
            | Self::Status { url, .. }
            | Self::ContentCoding { url, .. }
            | Self::TooLarge { url, .. }
            | Self::Transport { url, .. } => Some(url),
            Self::OtherOrigin { metadata, .. } => Some(metadata),
            _ => None,
        }
    }

    /// What went wrong at each place and source that was tried, in order: for code that acts on a failure. None of
    /// them is [`At`](Self::At), [`NoMetadata`](Self::NoMetadata), [`Places`](Self::Places) or
    /// [`AllSources`](Self::AllSources).
    ///
    /// ```
    /// use tower_bearer::KeySetError;
    ///
    /// let status = |status| KeySetError::Status { url: "https://as.example.com/".into(), status, retry_after: None };
    /// let error = KeySetError::NoMetadata { oauth: Box::new(status(404)), openid: Box::new(status(503)) };
    /// let is_down = |cause: &&KeySetError| matches!(cause, KeySetError::Status { status: 500.., .. });
    /// assert!(error.causes().iter().any(is_down));
    /// ```
    #[must_use]
    pub fn causes(&self) -> Vec<&Self> {
        self.each().into_iter().map(Self::unlocated).collect()
    }

    /// The provider's `Retry-After`, if it sent one. The longest of several sources or places counts, because all are
    /// tried again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::At { error, .. } => error.retry_after(),
            Self::NoMetadata { oauth, openid } => oauth.retry_after().max(openid.retry_after()),
            Self::Places { failures } | Self::AllSources { failures } => {
                failures.iter().filter_map(Self::retry_after).max()
            }
            _ => None,
        }
    }

    pub(crate) fn at(self, place: impl Into<Arc<str>>) -> Self {
        Self::At { error: Box::new(self), url: None, place: place.into() }
    }

    #[cfg(feature = "remote-keys")]
    pub(crate) fn at_url(self, url: Arc<str>, place: impl Into<Arc<str>>) -> Self {
        Self::At { error: Box::new(self), url: Some(url), place: place.into() }
    }
}

fn in_order(failures: &[KeySetError]) -> String {
    let numbered = failures.iter().zip(1_usize..).map(|(failure, number)| format!("source {number} failed: {failure}"));
    numbered.collect::<Vec<_>>().join("; ")
}
