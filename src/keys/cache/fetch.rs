//! One fetch of a key set, in a task of its own: a cancelled request cannot cancel it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::KeyCache;
use super::snapshot::Snapshot;
use crate::error::KeySetError;
use crate::jose::{Algorithm, JwkSet};
use crate::keys::source::KeySource;

/// However it ends, also when its task is dropped, the cache hears of it, and then those who wait. It does not keep the
/// cache alive: with the last handle's end nobody wants the keys any more, and it ends too.
pub(super) struct Fetch {
    pub(super) cache: Weak<KeyCache>,
    pub(super) source: Arc<dyn KeySource>,
    pub(super) algorithms: Arc<[Algorithm]>,
    /// The set that the cache has, for a source that says it still stands.
    pub(super) last: Option<Arc<Snapshot>>,
    pub(super) started_at: Duration,
    pub(super) limit: Duration,
    /// Speaks, or falls silent, when the fetch has become pointless.
    pub(super) closed: watch::Receiver<()>,
    pub(super) ended: bool,
    /// Closing it wakes those who wait.
    pub(super) done: Option<watch::Sender<()>>,
}

/// What a fetch brought.
pub(super) struct Fetched {
    pub(super) set: FetchedSet,
    pub(super) etag: Option<Box<str>>,
    pub(super) max_age: Option<Duration>,
}

pub(super) enum FetchedSet {
    New(JwkSet),
    Unchanged(Arc<JwkSet>),
}

impl Fetch {
    pub(super) async fn run(mut self) {
        let mut closed = self.closed.clone();
        let limit = self.limit;
        let result = {
            let fetched = pin!(tokio::time::timeout(limit, self.fetch()));
            unless(pin!(closed.changed()), fetched).await
        };
        match result {
            Some(result) => self.end(result.unwrap_or(Err(KeySetError::Timeout(limit)))),
            None => self.ended = true,
        }
    }

    pub(super) fn end(&mut self, result: Result<Fetched, KeySetError>) {
        self.ended = true;
        if let Some(cache) = self.cache.upgrade() {
            cache.finish(self.started_at, result);
        }
        self.done = None;
    }

    async fn fetch(&self) -> Result<Fetched, KeySetError> {
        let last_etag = self.last.as_ref().and_then(|last| last.etag.clone());
        let fetched = self.source.fetch(last_etag.as_deref()).await?;
        let (set, etag) = match (fetched.json, &self.last) {
            (Some(json), _) => (FetchedSet::New(JwkSet::parse(&json, &self.algorithms)?), fetched.etag),
            (None, Some(last)) => (FetchedSet::Unchanged(Arc::clone(&last.set)), fetched.etag.or(last_etag)),
            (None, None) => return Err(KeySetError::UnchangedFromNothing),
        };
        Ok(Fetched { set, etag, max_age: fetched.max_age })
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Err(KeySetError::Interrupted));
        }
    }
}

/// What the second future comes to, unless the first one ends before it.
pub(crate) async fn unless<E: Future + Unpin, F: Future + Unpin>(mut end: E, mut work: F) -> Option<F::Output> {
    poll_fn(|context| match std::pin::Pin::new(&mut end).poll(context) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => std::pin::Pin::new(&mut work).poll(context).map(Some),
    })
    .await
}
