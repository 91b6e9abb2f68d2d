//! Several sources of one issuer's keys, asked one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::KeyPolicy;
use super::source::{FetchedKeySet, KeySource, KeySourceFuture};
use crate::error::KeySetError;
use crate::jose::{Algorithm, JwkSet};

/// Asks its members in order, at each fetch from the first one on, until one has a set that can be used.
#[derive(Debug)]
pub(crate) struct FailoverSource {
    issuer: Arc<str>,
    algorithms: Arc<[Algorithm]>,
    members: Vec<Arc<dyn KeySource>>,
    /// For how long each member may take, so that one that hangs leaves the others their turn.
    share: Duration,
}

impl FailoverSource {
    pub(crate) fn new(
        issuer: Arc<str>,
        algorithms: Arc<[Algorithm]>,
        members: Vec<Arc<dyn KeySource>>,
        policy: &KeyPolicy,
    ) -> Self {
        // All shares together end before the cache ends the fetch: the error then says what became of each member.
        let together = policy.fetch_timeout - policy.fetch_timeout / 20;
        let share = together / u32::try_from(members.len()).unwrap_or(u32::MAX).max(1);
        Self { issuer, algorithms, members, share }
    }

    async fn fetch_in_order(&self, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let mut failures = Vec::new();
        for (position, member) in self.members.iter().enumerate() {
            let own_etag = etag.and_then(|etag| unmark(etag, position));
            match self.ask(member, own_etag).await {
                Ok(fetched) => {
                    if !failures.is_empty() {
                        let error = KeySetError::AllSources { failures: failures.into() };
                        tracing::warn!(issuer = %self.issuer, failover = position, %error, "a failover served the keys");
                    }
                    let etag = fetched.etag.map(|etag| mark(&etag, position));
                    return Ok(FetchedKeySet { etag, ..fetched });
                }
                Err(error) => failures.push(error),
            }
        }
        Err(KeySetError::AllSources { failures: failures.into() })
    }

    /// What the cache would not take from this member is a failure of it here already.
    async fn ask(&self, member: &Arc<dyn KeySource>, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let fetched = tokio::time::timeout(self.share, member.fetch(etag)).await;
        let fetched = fetched.unwrap_or(Err(KeySetError::Timeout(self.share)))?;
        match &fetched.json {
            Some(json) => drop(JwkSet::parse(json, &self.algorithms)?),
            None if etag.is_none() => return Err(KeySetError::UnchangedFromNothing),
            None => {}
        }
        Ok(fetched)
    }
}

impl KeySource for FailoverSource {
    fn fetch<'a>(&'a self, etag: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(self.fetch_in_order(etag))
    }
}

/// The cache hands an `ETag` back as it got it. With the member's position in it, no member is told another's, and so
/// none can say "unchanged" about a set that it never gave.
fn mark(etag: &str, position: usize) -> Box<str> {
    format!("{position} {etag}").into()
}

fn unmark(marked: &str, position: usize) -> Option<&str> {
    let (owner, etag) = marked.split_once(' ')?;
    (owner.parse() == Ok(position)).then_some(etag)
}
