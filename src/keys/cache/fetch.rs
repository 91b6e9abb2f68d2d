//! One fetch of a key set.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::KeyCache;
use super::snapshot::Snapshot;
use crate::error::KeySetError;
use crate::jose::{Algorithm, JwkSet};
use crate::keys::Arrival;
use crate::keys::source::KeySource;
use crate::single_flight::{Caller, Ending};

/// A fetch as the cache knows it. It does not keep the cache alive: when the last handle is dropped, nobody needs the
/// keys, and the fetch is cancelled.
pub(super) struct Fetch {
    pub(super) cache: Weak<KeyCache>,
    /// Counted from one, in the order in which they begin.
    pub(super) number: u64,
    pub(super) started_at: Duration,
    /// The `kid` that it was started for.
    pub(super) wanted: Option<Box<str>>,
}

impl Caller for Fetch {
    type Output = Result<Fetched, KeySetError>;

    fn take_over(&self) -> bool {
        self.cache.upgrade().is_some_and(|cache| cache.supersede(self.number))
    }

    fn ended(&mut self, ending: Ending<Self::Output>) {
        let Some(cache) = self.cache.upgrade() else { return };
        let Some(wakes_last) = cache.finish(self.number, self.started_at, ending) else { return };
        // The request that started the fetch may be gone, or may have timed out.
        cache.note_missing(self.wanted.as_deref(), Arrival { fetches_begun: self.number.saturating_sub(1) });
        drop(wakes_last);
    }
}

/// What a fetch has to do.
pub(super) struct Job {
    pub(super) source: Arc<dyn KeySource>,
    pub(super) algorithms: Arc<[Algorithm]>,
    /// The set that the cache has, for a source that says it is unchanged.
    pub(super) last: Option<Arc<Snapshot>>,
}

/// What a fetch brought.
pub(super) struct Fetched {
    pub(super) set: FetchedSet,
    pub(super) etag: Option<Box<str>>,
    pub(super) max_age: Option<Duration>,
    pub(super) is_from_failover: bool,
}

pub(super) enum FetchedSet {
    New(JwkSet),
    Unchanged(Arc<JwkSet>),
}

impl Job {
    pub(super) async fn run(self) -> Result<Fetched, KeySetError> {
        let last_etag = self.last.as_ref().and_then(|last| last.etag.clone());
        let fetched = self.source.fetch(last_etag.as_deref()).await?;
        let (set, etag) = match (fetched.key_set(&self.algorithms)?, &self.last) {
            (Some(set), _) => (FetchedSet::New(set), fetched.etag),
            (None, Some(last)) => (FetchedSet::Unchanged(Arc::clone(&last.set)), fetched.etag.or(last_etag)),
            (None, None) => return Err(KeySetError::UnchangedFromNothing),
        };
        Ok(Fetched { set, etag, max_age: fetched.max_age, is_from_failover: fetched.is_from_failover })
    }
}
