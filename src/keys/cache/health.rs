//! What can be told about the cache.

use std::time::Duration;

use super::KeyCache;
use crate::error::KeySetError;
use crate::keys::policy::SetAge;
use crate::keys::status::{FetchCounts, KeySetState};

/// What a status is made of.
pub(in crate::keys) struct Health {
    pub(in crate::keys) state: KeySetState,
    pub(in crate::keys) age: Option<Duration>,
    pub(in crate::keys) lifetime: Option<Duration>,
    pub(in crate::keys) next_fetch: Option<Duration>,
    pub(in crate::keys) failures: u32,
    pub(in crate::keys) last_error: Option<KeySetError>,
    pub(in crate::keys) key_ids: Vec<String>,
    pub(in crate::keys) counts: FetchCounts,
    pub(in crate::keys) waiting: usize,
    pub(in crate::keys) waited: u64,
}

impl KeyCache {
    pub(in crate::keys) fn health(&self) -> Health {
        let now = self.clock.monotonic();
        let snapshot = self.snapshot.load();
        let state = self.state();
        Health {
            state: match snapshot.as_ref().map(|snapshot| snapshot.bounds.at(now)) {
                None => KeySetState::Absent,
                Some(SetAge::Current) => KeySetState::Current,
                Some(SetAge::Stale) => KeySetState::Stale,
                Some(SetAge::Expired) => KeySetState::Expired,
            },
            age: snapshot.as_ref().map(|snapshot| snapshot.age(now)),
            lifetime: snapshot.as_ref().map(|snapshot| snapshot.lifetime),
            next_fetch: state.in_flight.is_none().then(|| self.until_due(now)),
            failures: state.failures,
            last_error: state.last_error.clone(),
            key_ids: snapshot.iter().flat_map(|it| it.set.key_ids()).map(str::to_owned).collect(),
            counts: state.counts,
            waiting: self.waiting.taken(),
            waited: self.waiting.ever_taken(),
        }
    }

    pub(crate) fn last_error(&self) -> Option<KeySetError> {
        self.state().last_error.clone()
    }
}
