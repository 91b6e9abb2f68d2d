//! The client assertions that were used: each is good for one use (RFC 7523 §3, 7).

use std::sync::{Mutex, MutexGuard, PoisonError};

use tower_bearer::time::UnixTime;

use super::grants::{Expiring, HandleDigest};

/// How many are recorded. When there are more, no other one is accepted: one that is forgotten could be replayed.
const CAPACITY: usize = 10_000;

/// The assertions that were used, by client and `jti`.
pub(super) struct UsedAssertions(Mutex<Expiring<HandleDigest, ()>>);

impl Default for UsedAssertions {
    fn default() -> Self {
        Self(Mutex::new(Expiring::with_capacity(CAPACITY)))
    }
}

impl UsedAssertions {
    /// Records an assertion; `false` if it was used before, or cannot be recorded.
    pub(super) fn spend(&self, client_id: &str, jti: &str, ends: UnixTime, now: UnixTime) -> bool {
        let digest = HandleDigest::of(&format!("{}:{client_id}:{jti}", client_id.len()));
        let mut used = self.used();
        used.get(digest, now).is_none() && used.insert_if_room(digest, (), ends, now)
    }

    fn used(&self) -> MutexGuard<'_, Expiring<HandleDigest, ()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
