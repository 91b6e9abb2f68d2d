//! What is counted about revocation.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::facade::{Key, gauge, histogram};
use super::token_cache::{Share, to_float};
use crate::metrics::{REVOCATION_CONNECTED, REVOCATION_ENTRIES, REVOCATION_LIST_AGE, REVOCATION_PROPAGATION};

static ENTRIES: Key = Key::from_static_name(REVOCATION_ENTRIES);
static LIST_AGE: Key = Key::from_static_name(REVOCATION_LIST_AGE);
static CONNECTED: Key = Key::from_static_name(REVOCATION_CONNECTED);
static PROPAGATION: Key = Key::from_static_name(REVOCATION_PROPAGATION);

/// Counts for one list.
#[derive(Default)]
pub(crate) struct RevocationMeter {
    entries: Share,
}

impl RevocationMeter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A gauge has one value for all lists of the process.
    pub(crate) fn entries(&self, entries: usize) {
        static ALL_ENTRIES: AtomicU64 = AtomicU64::new(0);
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        gauge(&ENTRIES).set(to_float(self.entries.set(entries, &ALL_ENTRIES)));
    }

    /// How current the list that the replicas share is.
    pub(crate) fn list(age: Option<Duration>, connected: Option<bool>) {
        if let Some(age) = age {
            gauge(&LIST_AGE).set(age);
        }
        if let Some(connected) = connected {
            gauge(&CONNECTED).set(f64::from(u8::from(connected)));
        }
    }

    pub(crate) fn propagated(took: Duration) {
        histogram(&PROPAGATION).record(took);
    }
}

impl Drop for RevocationMeter {
    fn drop(&mut self) {
        self.entries(0);
    }
}
