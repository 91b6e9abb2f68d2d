//! One fetched key set, and how old it is.

use std::sync::Arc;
use std::time::Duration;

use crate::jose::JwkSet;
use crate::keys::Arrival;
use crate::keys::policy::Bounds;

pub(in crate::keys) struct Snapshot {
    pub(in crate::keys) set: Arc<JwkSet>,
    pub(in crate::keys) etag: Option<Box<str>>,
    /// When the fetch that brought it, or found it unchanged, began.
    pub(in crate::keys) fetched_at: Duration,
    /// How old the set was then: zero, unless it was imported.
    pub(in crate::keys) age_then: Duration,
    pub(in crate::keys) lifetime: Duration,
    pub(in crate::keys) bounds: Bounds,
    /// The number of that fetch, from one, if the issuer's own source responded: neither a failover nor an imported
    /// copy proves what the issuer lacks.
    pub(in crate::keys) primary_fetch: Option<u64>,
}

impl Snapshot {
    /// Whether a primary fetch that began after this arrival brought the set or found it unchanged.
    pub(in crate::keys) fn is_proof_since(&self, arrival: Arrival) -> bool {
        self.primary_fetch.is_some_and(|fetch| fetch > arrival.fetches_begun)
    }

    pub(in crate::keys) const fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.fetched_at).saturating_add(self.age_then)
    }
}
