//! Combines the failures at several places of an issuer's metadata into one reason, and one text that names them all.

use std::mem::discriminant;

use super::KeySetError;

impl KeySetError {
    /// Whether a retry may help. A document that contradicts the configuration stays wrong until somebody changes one
    /// of the two, but a place that did not respond may still have the right metadata.
    pub(crate) fn is_transient(&self) -> bool {
        let leaves = self.leaves();
        leaves.iter().any(|leaf| leaf.is_temporary()) || !leaves.iter().any(|leaf| leaf.contradicts())
    }

    /// Whether the metadata is of another issuer, and no place has ours.
    pub(crate) fn is_issuer_mismatch(&self) -> bool {
        matches!(self.reported(), Self::IssuerMismatch { .. })
    }

    /// The failure that gives the reason: the most informative one, if there is one, of several places.
    pub(crate) fn reported(&self) -> &Self {
        match self {
            Self::At { error, .. } => error.reported(),
            Self::NoMetadata { .. } | Self::Places { .. } => self.decisive().map_or(self, Self::unlocated),
            _ => self,
        }
    }

    /// The failure at each place and of each source, with its place.
    pub(crate) fn each(&self) -> Vec<&Self> {
        match self {
            Self::NoMetadata { oauth, openid } => [oauth.each(), openid.each()].concat(),
            Self::Places { failures } | Self::AllSources { failures } => failures.iter().flat_map(Self::each).collect(),
            Self::At { .. } if self.unlocated().is_of_several() => self.unlocated().each(),
            _ => vec![self],
        }
    }

    /// The failure without its place.
    pub(super) fn unlocated(&self) -> &Self {
        match self {
            Self::At { error, .. } => error.unlocated(),
            _ => self,
        }
    }

    const fn is_of_several(&self) -> bool {
        matches!(self, Self::NoMetadata { .. } | Self::Places { .. } | Self::AllSources { .. })
    }

    /// The most informative failure comes first.
    pub(super) fn of_all_places(&self) -> String {
        let mut leaves = self.leaves();
        let decisive = self.decisive().and_then(|it| leaves.iter().position(|leaf| std::ptr::eq(*leaf, it)));
        match decisive {
            Some(position) => {
                let first = leaves.remove(position);
                leaves.insert(0, first);
                joined(&leaves)
            }
            None => format!("the issuer's metadata is unavailable: {}", joined(&leaves)),
        }
    }

    /// One place after another.
    pub(super) fn of_each_place(&self) -> String {
        joined(&self.leaves())
    }

    /// The failure at each place of metadata; for any other error, the error itself.
    fn leaves(&self) -> Vec<&Self> {
        match self {
            Self::NoMetadata { oauth, openid } => [oauth.leaves(), openid.leaves()].concat(),
            Self::Places { failures } => failures.iter().flat_map(Self::leaves).collect(),
            _ => vec![self],
        }
    }

    /// The most informative of several failures: metadata was found but cannot be used, or all places failed alike.
    pub(super) fn decisive(&self) -> Option<&Self> {
        let leaves = self.leaves();
        let telling = leaves.iter().filter_map(|leaf| Some((leaf.rank()?, *leaf)));
        // The first of those with the lowest rank.
        if let Some((_, leaf)) = telling.min_by_key(|(rank, _)| *rank) {
            return Some(leaf);
        }
        let (first, others) = leaves.split_first()?;
        let kind = |leaf: &Self| discriminant(leaf.unlocated());
        let are_alike = others.iter().all(|other| kind(other) == kind(first));
        let is_of_the_host = matches!(first.unlocated(), Self::Transport { .. } | Self::Timeout(_));
        (are_alike && is_of_the_host).then_some(*first)
    }

    /// How informative the error is: lower is better, and `None` is a place without metadata.
    fn rank(&self) -> Option<u8> {
        match self.unlocated() {
            Self::IssuerMismatch { .. } => Some(0),
            Self::InsecureUrl(_)
            | Self::OtherOrigin { .. }
            | Self::RefusedAddress { .. }
            | Self::UncheckedAddress { .. } => Some(1),
            Self::ContentCoding { .. } => Some(2),
            Self::Metadata { .. } => Some(3),
            _ => None,
        }
    }

    fn contradicts(&self) -> bool {
        matches!(
            self.unlocated(),
            Self::IssuerMismatch { .. }
                | Self::InsecureUrl(_)
                | Self::OtherOrigin { .. }
                | Self::UncheckedAddress { .. }
        )
    }

    fn is_temporary(&self) -> bool {
        match self.unlocated() {
            Self::Timeout(_) | Self::Transport { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            _ => false,
        }
    }
}

#[cfg(feature = "remote-keys")]
impl KeySetError {
    /// The failure of a discovery that tried these places, that of RFC 8414 §3.1 first.
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

fn joined(failures: &[&KeySetError]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(status: u16) -> KeySetError {
        KeySetError::Status { url: "https://a/".into(), status, retry_after: None }.at("no content type")
    }

    fn page() -> KeySetError {
        KeySetError::Metadata { problem: "it is not a JSON object".into(), is_json: false }.at("https://b/")
    }

    fn other_issuer() -> KeySetError {
        KeySetError::IssuerMismatch { expected: "a".into(), found: "b".into() }.at("https://c/")
    }

    fn timeout() -> KeySetError {
        KeySetError::Timeout(Duration::from_secs(5)).at("https://d/")
    }

    /// The reason for several places, and whether a retry may help.
    #[test]
    fn r31_of_several_places_the_failure_that_says_the_most_is_the_reason() {
        let insecure = || KeySetError::InsecureUrl("http://e/".into()).at("https://e/");
        for (failures, reason, is_transient) in [
            (vec![other_issuer()], "issuer_mismatch", false),
            (vec![other_issuer(), status(404)], "issuer_mismatch", false),
            (vec![page(), other_issuer()], "issuer_mismatch", false),
            (vec![insecure(), page(), other_issuer()], "issuer_mismatch", false),
            // The place that did not respond may have ours.
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
            assert_eq!((error.reason(), error.is_transient()), (reason, is_transient), "{error}");
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
