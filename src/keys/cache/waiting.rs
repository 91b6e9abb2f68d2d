//! The places in which requests wait.

use crate::keys::KeyPolicy;
use crate::sync::{AtomicUsize, Ordering};

/// As many as may wait for one thing.
#[derive(Default)]
pub(crate) struct WaitingPlaces(AtomicUsize);

impl WaitingPlaces {
    /// Counts a request among those that wait, for as long as it does; `None` when all places are taken.
    pub(crate) fn take(&self) -> Option<Waiting<'_>> {
        let one_more = |waiting| (waiting < KeyPolicy::MAX_WAITING_REQUESTS).then_some(waiting + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Waiting(&self.0))
    }

    pub(super) fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One place, until it is dropped.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
