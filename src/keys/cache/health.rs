//! What can be told about the cache.

use super::KeyCache;
use crate::error::KeySetError;
use crate::keys::failure::KeySetFailure;
use crate::keys::policy::SetAge;
use crate::keys::status::{KeySetState, KeySetStatus};

impl KeyCache {
    pub(in crate::keys) fn status(&self, enabled: bool) -> KeySetStatus {
        let now = self.clock.monotonic();
        let snapshot = self.snapshot.load();
        let state = self.state();
        KeySetStatus {
            issuer: self.issuer.to_string(),
            enabled,
            state: match snapshot.as_ref().map(|snapshot| snapshot.bounds.at(now)) {
                None => KeySetState::Absent,
                Some(SetAge::Current) => KeySetState::Current,
                Some(SetAge::Stale) => KeySetState::Stale,
                Some(SetAge::Expired) => KeySetState::Expired,
            },
            age: snapshot.as_ref().map(|snapshot| snapshot.age(now)),
            lifetime: snapshot.as_ref().map(|snapshot| snapshot.lifetime),
            next_refresh: (!state.fetches.is_awaited(&(), now)).then(|| self.until_due(now)),
            failures: state.failures,
            last_error: state.last_error.as_ref().map(KeySetFailure::new),
            key_ids: snapshot.iter().flat_map(|it| it.set.key_ids()).map(str::to_owned).collect(),
            dropped_keys: snapshot.iter().flat_map(|it| it.set.dropped()).cloned().collect(),
            fetches: state.counts,
            waiting_requests: self.waiting.taken(),
            waited_requests: self.waiting.ever_taken(),
        }
    }

    pub(crate) fn last_error(&self) -> Option<KeySetError> {
        self.state().last_error.clone()
    }
}
