//! The places in which requests wait.

use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// A bounded number of requests that may wait at once.
pub(crate) struct WaitingPlaces {
    places: usize,
    taken: AtomicUsize,
    ever_taken: AtomicU64,
}

impl WaitingPlaces {
    pub(crate) fn new(places: usize) -> Self {
        Self { places, taken: AtomicUsize::new(0), ever_taken: AtomicU64::new(0) }
    }

    /// Counts a request among those that wait, for as long as it does; `None` when all places are taken.
    pub(crate) fn take(&self) -> Option<Waiting<'_>> {
        let one_more = |waiting| (waiting < self.places).then_some(waiting + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        self.ever_taken.fetch_add(1, Ordering::Relaxed);
        Some(Waiting(&self.taken))
    }

    /// How many are taken now.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How often one was taken.
    pub(crate) fn ever_taken(&self) -> u64 {
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
