//! Several sources of one issuer's keys, asked one after the other.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;

use super::KeyPolicy;
use super::source::{FetchedKeySet, KeySource, KeySourceFuture};
use crate::error::KeySetError;
use crate::jose::Algorithm;

/// Asks its members in order, at each fetch from the first one on, until one has a set that can be used.
#[derive(Debug)]
pub(crate) struct FailoverSource {
    issuer: Arc<str>,
    algorithms: Arc<[Algorithm]>,
    members: Vec<Member>,
    /// For how long each member may take, so that one that hangs leaves the others their turn.
    share: Duration,
}

#[derive(Debug)]
struct Member {
    source: Arc<dyn KeySource>,
    /// Whose validators are whose, also in a copy of the set that another process made.
    mark: Box<str>,
}

impl FailoverSource {
    pub(crate) fn new(
        issuer: Arc<str>,
        algorithms: Arc<[Algorithm]>,
        sources: Vec<Arc<dyn KeySource>>,
        policy: &KeyPolicy,
    ) -> Self {
        let share = Self::share(policy, sources.len());
        let members = sources.into_iter().enumerate().map(|(at, source)| Member { mark: mark_of(at, &source), source });
        Self { issuer, algorithms, members: members.collect(), share }
    }

    /// How long each of this many sources may take. All shares together end before the cache ends the fetch, so that
    /// the error can say why each source failed.
    pub(crate) fn share(policy: &KeyPolicy, sources: usize) -> Duration {
        let together = policy.fetch_timeout - policy.fetch_timeout / 20;
        together / u32::try_from(sources).unwrap_or(u32::MAX).max(1)
    }

    async fn fetch_in_order(&self, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let mut failures = Vec::new();
        for (position, member) in self.members.iter().enumerate() {
            let own_etag = etag.and_then(|etag| member.unmarked(etag));
            match self.ask(&member.source, own_etag).await {
                Ok(fetched) => {
                    if !failures.is_empty() {
                        let error = KeySetError::AllSources { failures: failures.into() };
                        tracing::warn!(
                            issuer = %self.issuer, reason = error.reason(), %error, failover = position,
                            "a failover served the keys"
                        );
                    }
                    let etag = fetched.etag.map(|etag| member.marked(&etag));
                    return Ok(FetchedKeySet { etag, is_from_failover: position > 0, ..fetched });
                }
                Err(error) => failures.push(error),
            }
        }
        Err(KeySetError::AllSources { failures: failures.into() })
    }

    /// What the cache would not take from this member is a failure of it here already.
    async fn ask(&self, source: &Arc<dyn KeySource>, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let fetched = tokio::time::timeout(self.share, source.fetch(etag)).await;
        let fetched = fetched.unwrap_or(Err(KeySetError::Timeout(self.share)))?;
        match fetched.key_set(&self.algorithms)? {
            None if etag.is_none() => Err(KeySetError::UnchangedFromNothing),
            _ => Ok(fetched),
        }
    }
}

impl KeySource for FailoverSource {
    fn fetch<'a>(&'a self, etag: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(self.fetch_in_order(etag))
    }
}

/// The cache hands an `ETag` back as it got it. With the member's mark in front, no member is told another's, and so
/// none can say "unchanged" about a set that it never gave.
impl Member {
    fn marked(&self, etag: &str) -> Box<str> {
        format!("{} {etag}", self.mark).into()
    }

    fn unmarked<'a>(&self, marked: &'a str) -> Option<&'a str> {
        marked.strip_prefix(&*self.mark)?.strip_prefix(' ')
    }
}

/// The position tells apart sources at the same place. The digest of the place is the same in every process; without a
/// place, the mark belongs to this process.
fn mark_of(position: usize, source: &Arc<dyn KeySource>) -> Box<str> {
    let Some(place) = source.place() else {
        return format!("{position}-process-{:016x}", RandomState::new().build_hasher().finish()).into();
    };
    let digest = digest::digest(&digest::SHA256, place.as_bytes());
    let digest: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{position}-{digest}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::FileSource;

    #[test]
    fn j14_a_validator_stays_with_its_source_when_the_order_changes() {
        let members = |paths: [&str; 3]| {
            let sources = paths.map(|path| -> Arc<dyn KeySource> { Arc::new(FileSource::new(path.into())) });
            FailoverSource::new("".into(), [].into(), sources.into(), &KeyPolicy::default()).members
        };
        let own = "W/\"1 2\"";
        let marked = members(["/a", "/b", "/b"])[1].marked(own);
        for (paths, given) in [
            (["/a", "/b", "/b"], [None, Some(own), None]),
            (["/x", "/b", "/x"], [None, Some(own), None]),
            (["/b", "/a", "/b"], [None, None, None]),
        ] {
            let members = members(paths);
            assert_eq!(members.iter().map(|member| member.unmarked(&marked)).collect::<Vec<_>>(), given);
            assert_eq!(members[0].unmarked(own), None);
        }
    }

    /// Two processes cannot agree on which source is which if it has no name.
    #[test]
    fn j14_a_validator_of_a_source_without_a_place_stays_in_its_process() {
        #[derive(Debug)]
        struct Nameless;
        impl KeySource for Nameless {
            fn fetch<'a>(&'a self, _: Option<&'a str>) -> KeySourceFuture<'a> {
                Box::pin(async { Ok(FetchedKeySet::unchanged()) })
            }
        }
        let source: Arc<dyn KeySource> = Arc::new(Nameless);
        let here = Member { mark: mark_of(0, &source), source: Arc::clone(&source) };
        let elsewhere = Member { mark: mark_of(0, &source), source };
        let marked = here.marked("own");
        assert_eq!((here.unmarked(&marked), elsewhere.unmarked(&marked)), (Some("own"), None));
    }
}
