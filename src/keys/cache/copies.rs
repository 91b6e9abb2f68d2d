//! Key sets that leave the process and come back.

use std::sync::Arc;
use std::time::Duration;

use super::fetches::jitter;
use super::snapshot::Snapshot;
use super::{KeyCache, millis};
use crate::error::KeySetError;
use crate::jose::JwkSet;
use crate::keys::ExportedKeySet;
use crate::keys::policy::KeyPolicy;
use crate::keys::warn_of_dropped;
use crate::sync::Ordering;
use crate::time::UnixTime;

impl KeyCache {
    /// A copy of the set, if there is one that serves.
    pub(in crate::keys) fn export(&self, issuer: &str, wall: UnixTime) -> Option<ExportedKeySet> {
        let now = self.clock.monotonic();
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref().filter(|snapshot| snapshot.bounds.serves(now))?;
        Some(ExportedKeySet {
            issuer: issuer.to_owned(),
            fetched_at: wall.saturating_sub(snapshot.age(now)).as_secs(),
            lifetime_s: snapshot.lifetime.as_secs(),
            etag: snapshot.etag.as_deref().map(str::to_owned),
            jwk_set: snapshot.set.to_json(),
            dropped_keys: snapshot.set.dropped().to_vec(),
        })
    }

    /// Takes a copy in, if it still serves and there is nothing newer: no set, and none on its way.
    pub(in crate::keys) fn import(&self, copy: &ExportedKeySet, wall: UnixTime) -> Result<bool, KeySetError> {
        let now = self.clock.monotonic();
        let fetched_at = UnixTime::from_secs(copy.fetched_at);
        let age_then = wall.saturating_since(fetched_at);
        let lifetime = self.policy.lifetime_of(Some(Duration::from_secs(copy.lifetime_s)));
        let set = JwkSet::parse(copy.jwk_set.to_string().as_bytes(), &self.algorithms)?;
        let set = Arc::new(set.with_dropped(&copy.dropped_keys));
        let snapshot = Snapshot {
            set: Arc::clone(&set),
            // A copy without the keys that were dropped must not be confirmed by a 304: with other settings, or by
            // another release, they may be usable. What goes into a header of the next fetch must not spoil it.
            etag: copy
                .etag
                .as_deref()
                .filter(|_| copy.dropped_keys.is_empty())
                .filter(|etag| etag.bytes().all(|byte| matches!(byte, b' '..=b'~')))
                .map(Box::from),
            fetched_at: now,
            age_then,
            lifetime,
            bounds: self.policy.bounds(now, age_then, lifetime),
            primary_fetch: None,
        };
        let refresh_after = KeyPolicy::refresh_after(lifetime, jitter()).saturating_sub(age_then);
        // The error may be the application's: it is dropped after the lock.
        let mut _last_error = None;
        let mut state = self.state();
        // A fetch that nobody polls any more brings nothing newer.
        let is_late = state.source.is_none() || state.fetches.is_awaited(&(), now) || self.snapshot.load().is_some();
        // A copy from the future would outlive every bound.
        if is_late || fetched_at > wall || !snapshot.bounds.serves(now) {
            return Ok(false);
        }
        let abandoned = state.fetches.cancel(&());
        if abandoned.is_some() {
            _last_error = state.last_error.clone();
            state.note_failed(KeySetError::Abandoned(self.policy.fetch_timeout));
        }
        self.snapshot.store(Some(Arc::new(snapshot)));
        self.due.store(millis(now.saturating_add(refresh_after)), Ordering::Relaxed);
        drop(state);
        drop(abandoned);
        warn_of_dropped(&self.issuer, &set);
        Ok(true)
    }
}
