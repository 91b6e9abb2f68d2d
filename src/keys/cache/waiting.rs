//! The places in which requests wait.

use crate::keys::KeyPolicy;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// As many as may wait for one thing.
#[derive(Default)]
pub(crate) struct WaitingPlaces {
    taken: AtomicUsize,
    ever_taken: AtomicU64,
}

impl WaitingPlaces {
    /// Counts a request among those that wait, for as long as it does; `None` when all places are taken.
    pub(crate) fn take(&self) -> Option<Waiting<'_>> {
        let one_more = |waiting| (waiting < KeyPolicy::MAX_WAITING_REQUESTS).then_some(waiting + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        self.ever_taken.fetch_add(1, Ordering::Relaxed);
        Some(Waiting(&self.taken))
    }

    /// How many are taken now.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How often one was taken.
    pub(super) fn ever_taken(&self) -> u64 {
        self.ever_taken.load(Ordering::Relaxed)
    }
}

/// One place, until it is dropped.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
