//! Why an issuer's keys are unavailable.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Why a key set could not be fetched.
///
/// Requests never see it: they are validated with the last good set, or answered with 503. It is logged and counted.
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
    /// No well-known place has metadata that can be used (RFC 8414 §3.1 and §5, OpenID Connect Discovery 1.0 §4).
    ///
    /// Its [reason](Self::reason) is that of the failure that says the most, such as `issuer_mismatch`.
    #[error("{}", no_metadata(self))]
    NoMetadata {
        /// The failure at the place that RFC 8414 §3.1 defines.
        oauth: Box<Self>,
        /// The failure at the places that OpenID Connect uses: [`Places`](Self::Places) if there are two.
        openid: Box<Self>,
    },
    /// Several places of metadata failed.
    #[error("{}", joined(&failures.iter().collect::<Vec<_>>()))]
    Places {
        /// The failure at each, in order.
        failures: Arc<[Self]>,
    },
    /// A failure, and the place that it is about: a URL with status, content type and the beginning of what is not
    /// JSON, or a file.
    #[error("{error} ({place})")]
    At {
        /// What is wrong.
        error: Box<Self>,
        /// Where, and what was found there.
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
    /// The metadata names a place for the keys that is not on its own origin, as
    /// [`require_same_origin_jwks_uri`](crate::Issuer::require_same_origin_jwks_uri) asks for.
    #[error("the metadata at {metadata} names keys on another origin, {jwks_uri}")]
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

    /// Whether trying again may help. What contradicts the configuration stays wrong until somebody changes one of the
    /// two; but a place that did not answer may still have the right metadata.
    pub(crate) fn may_pass(&self) -> bool {
        let leaves = self.leaves();
        leaves.iter().any(|leaf| leaf.is_transient()) || !leaves.iter().any(|leaf| leaf.contradicts())
    }

    /// A stable code for logs, metrics and alerts. It never changes within a major version.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotAJwkSet(_) => "not_a_jwk_set",
            Self::TooManyKeys { .. } => "too_many_keys",
            Self::NoUsableKey { .. } => "no_usable_key",
            Self::Metadata(_) => "metadata",
            Self::NoMetadata { .. } | Self::Places { .. } => self.decisive().map_or("no_metadata", Self::reason),
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
            Self::AllSources { .. } => "all_sources",
            Self::Interrupted => "interrupted",
        }
    }

    /// When the provider asks to come back, if it does; of several sources or places the most patient one counts, since
    /// all are asked again.
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
        Self::At { error: Box::new(self), place: place.into() }
    }

    /// The failures of each place of metadata; of any other error, itself.
    fn leaves(&self) -> Vec<&Self> {
        match self {
            Self::NoMetadata { oauth, openid } => [oauth.leaves(), openid.leaves()].concat(),
            Self::Places { failures } => failures.iter().flat_map(Self::leaves).collect(),
            _ => vec![self],
        }
    }

    /// Of the failures of several places, the one that says what is wrong: metadata was found and cannot be used, or
    /// all failed alike.
    fn decisive(&self) -> Option<&Self> {
        let leaves = self.leaves();
        let telling = leaves.iter().filter_map(|leaf| Some((leaf.rank()?, *leaf)));
        // The first of those with the lowest rank.
        if let Some((_, leaf)) = telling.min_by_key(|(rank, _)| *rank) {
            return Some(leaf);
        }
        let (first, others) = leaves.split_first()?;
        let are_alike = others.iter().all(|other| other.reason() == first.reason());
        let is_of_the_host = matches!(first.unlocated(), Self::Transport { .. } | Self::Timeout(_));
        (are_alike && is_of_the_host).then_some(*first)
    }

    /// How much it says about what is wrong, the least being the most; `None` for a place without metadata.
    fn rank(&self) -> Option<u8> {
        match self.unlocated() {
            Self::IssuerMismatch { .. } => Some(0),
            Self::InsecureUrl(_) | Self::OtherOrigin { .. } | Self::RefusedAddress { .. } => Some(1),
            Self::ContentCoding { .. } => Some(2),
            Self::Metadata(_) => Some(3),
            _ => None,
        }
    }

    fn contradicts(&self) -> bool {
        matches!(self.unlocated(), Self::IssuerMismatch { .. } | Self::InsecureUrl(_) | Self::OtherOrigin { .. })
    }

    fn is_transient(&self) -> bool {
        match self.unlocated() {
            Self::Timeout(_) | Self::Transport { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            _ => false,
        }
    }

    fn unlocated(&self) -> &Self {
        match self {
            Self::At { error, .. } => error.unlocated(),
            _ => self,
        }
    }
}

#[cfg(feature = "remote-keys")]
impl KeySetError {
    /// The failure of a discovery that tried these places, the one by RFC 8414 §3.1 first.
    pub(crate) fn of_places(failures: Vec<Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let oauth = failures.next()?;
        let Some(openid) = failures.next() else { return Some(oauth) };
        let others: Vec<_> = failures.collect();
        let openid = if others.is_empty() {
            openid
        } else {
            Self::Places { failures: std::iter::once(openid).chain(others).collect() }
        };
        Some(Self::NoMetadata { oauth: Box::new(oauth), openid: Box::new(openid) })
    }
}

/// The failure that says the most comes first.
fn no_metadata(error: &KeySetError) -> String {
    let mut leaves = error.leaves();
    let decisive = error.decisive().and_then(|it| leaves.iter().position(|leaf| std::ptr::eq(*leaf, it)));
    match decisive {
        Some(position) => {
            let first = leaves.remove(position);
            leaves.insert(0, first);
            joined(&leaves)
        }
        None => format!("the issuer's metadata is unavailable: {}", joined(&leaves)),
    }
}

fn joined(failures: &[&KeySetError]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn in_order(failures: &[KeySetError]) -> String {
    let numbered = failures.iter().zip(1_usize..).map(|(failure, number)| format!("source {number} failed: {failure}"));
    numbered.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> KeySetError {
        KeySetError::Status { url: "https://a/".into(), status, retry_after: None }.at("no content type")
    }

    fn page() -> KeySetError {
        KeySetError::Metadata("it is not a JSON object".into()).at("https://b/")
    }

    fn other_issuer() -> KeySetError {
        KeySetError::IssuerMismatch { expected: "a".into(), found: "b".into() }.at("https://c/")
    }

    fn timeout() -> KeySetError {
        KeySetError::Timeout(Duration::from_secs(5)).at("https://d/")
    }

    /// The reason of several places, and whether time may heal it.
    #[test]
    fn r31_of_several_places_the_failure_that_says_the_most_is_the_reason() {
        let insecure = || KeySetError::InsecureUrl("http://e/".into()).at("https://e/");
        for (failures, reason, may_pass) in [
            (vec![other_issuer()], "issuer_mismatch", false),
            (vec![other_issuer(), status(404)], "issuer_mismatch", false),
            (vec![page(), other_issuer()], "issuer_mismatch", false),
            (vec![insecure(), page(), other_issuer()], "issuer_mismatch", false),
            // The place that did not answer may have ours.
            (vec![status(503), other_issuer()], "issuer_mismatch", true),
            (vec![other_issuer(), status(429), page()], "issuer_mismatch", true),
            (vec![timeout(), status(404), other_issuer()], "issuer_mismatch", true),
            (vec![insecure(), status(404)], "insecure_url", false),
            (vec![status(404), page()], "metadata", true),
            (vec![status(404), status(404)], "no_metadata", true),
            (vec![status(404), timeout()], "no_metadata", true),
            (vec![timeout(), timeout()], "timeout", true),
            (vec![timeout(), timeout(), timeout()], "timeout", true),
            (vec![timeout(), timeout(), status(404)], "no_metadata", true),
        ] {
            let error = KeySetError::of_places(failures).unwrap();
            assert_eq!((error.reason(), error.may_pass()), (reason, may_pass), "{error}");
        }
    }

    #[test]
    fn the_failure_that_says_the_most_is_told_first_and_no_place_is_left_out() {
        let error = |failures| KeySetError::of_places(failures).unwrap().to_string();
        assert_eq!(
            error(vec![status(404), page(), other_issuer()]),
            "the metadata is of the issuer \"b\", the configuration says \"a\" (https://c/); \
             https://a/ answered with status 404 (no content type); \
             the metadata cannot be read: it is not a JSON object (https://b/)"
        );
        assert_eq!(
            error(vec![status(404), timeout()]),
            "the issuer's metadata is unavailable: https://a/ answered with status 404 (no content type); \
             the fetch took longer than 5000 ms (https://d/)"
        );
    }

    #[test]
    fn f14_the_longest_delay_that_a_place_asks_for_counts() {
        let busy = |seconds| KeySetError::Status {
            url: "https://a/".into(),
            status: 503,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let error = KeySetError::of_places(vec![busy(7).at("x"), page(), busy(9).at("y")]).unwrap();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    }
}
