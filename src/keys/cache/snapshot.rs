//! One fetched key set, and how old it is.

use std::sync::Arc;
use std::time::Duration;

use crate::jose::JwkSet;
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
}

impl Snapshot {
    pub(in crate::keys) const fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.fetched_at).saturating_add(self.age_then)
    }
}
