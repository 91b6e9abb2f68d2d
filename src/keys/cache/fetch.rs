//! One fetch of a key set, in a task of its own: a cancelled request cannot cancel it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::error::Elapsed;

use super::KeyCache;
use super::snapshot::Snapshot;
use crate::error::KeySetError;
use crate::jose::{Algorithm, JwkSet};
use crate::keys::Arrival;
use crate::keys::source::KeySource;

/// However it ends, also when its task is dropped, the cache hears of it, and then those who wait. It does not keep the
/// cache alive: with the last handle's end nobody wants the keys any more, and it ends too.
pub(super) struct Fetch {
    pub(super) cache: Weak<KeyCache>,
    pub(super) source: Arc<dyn KeySource>,
    pub(super) algorithms: Arc<[Algorithm]>,
    /// The set that the cache has, for a source that says it still stands.
    pub(super) last: Option<Arc<Snapshot>>,
    /// Counted from one, in the order in which they begin.
    pub(super) number: u64,
    pub(super) started_at: Duration,
    /// The `kid` that it was started for.
    pub(super) wanted: Option<Box<str>>,
    pub(super) limit: Duration,
    /// Speaks, or falls silent, when the fetch has become pointless.
    pub(super) closed: watch::Receiver<()>,
    /// Closing it wakes those who wait; there until the end.
    pub(super) done: Option<watch::Sender<()>>,
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

impl Fetch {
    pub(super) async fn run(mut self) {
        match bounded(self.fetch(), self.limit, self.closed.clone()).await {
            Some(Ok(result)) => self.end(result),
            Some(Err(_)) => self.end(Err(KeySetError::Timeout(self.limit))),
            None => self.done = None,
        }
    }

    pub(super) fn end(&mut self, result: Result<Fetched, KeySetError>) {
        let Some(_wakes_last) = self.done.take() else { return };
        if let Some(cache) = self.cache.upgrade() {
            cache.finish(self.number, self.started_at, result);
            // The request that started the fetch may be gone, or may have timed out.
            cache.note_missing(self.wanted.as_deref(), Arrival { fetches_begun: self.number.saturating_sub(1) });
        }
    }

    async fn fetch(&self) -> Result<Fetched, KeySetError> {
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

impl Drop for Fetch {
    fn drop(&mut self) {
        self.end(Err(KeySetError::Interrupted));
    }
}

/// What the work of a task of its own comes to within `limit`; `None` when it has become pointless before, which
/// `closed` tells by speaking or falling silent.
pub(crate) async fn bounded<T>(
    work: impl Future<Output = T>,
    limit: Duration,
    mut closed: watch::Receiver<()>,
) -> Option<Result<T, Elapsed>> {
    let (mut work, mut closed) = (pin!(tokio::time::timeout(limit, work)), pin!(closed.changed()));
    poll_fn(|context| match closed.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(context).map(Some),
    })
    .await
}
