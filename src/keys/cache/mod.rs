//! The cached key set of one issuer.
//!
//! The simple version asks the policy, for each request, what is to be done with the set and its age, and takes the
//! keys out of a map. Departures from it, with what each gains for a known key (`cargo bench --bench lookup`,
//! nanoseconds):
//!
//! 1. **A request whose key is known does not ask the policy**: it reads a snapshot and one atomic number, without a
//!    lock of ours and without waiting. Until when the set serves is computed when it comes, and the candidates of a
//!    token are one word of positions, not a list of counted references: 141 → 98.
//! 2. **The kernel's coarse clock** is enough for ages that are compared with seconds: 93 → 67 in one run.
//! 3. **What is not known is in a function of its own**, so that the way of the known is short: 74 → 63.
//!
//! Everything else goes through [`Decision`]. Fetches are calls of [`single_flight`](crate::single_flight): at most one is
//! under way, and requests wait for it to end.

mod copies;
#[cfg(test)]
#[cfg(feature = "unit-tests")]
mod exploration;
mod fetch;
mod fetches;
mod health;
mod report;
mod snapshot;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};

pub(crate) use fetches::jitter;
pub(super) use snapshot::Snapshot;

use self::fetches::{FetchState, Need};
use super::policy::KeyPolicy;
use super::source::KeySource;
use super::unknown_kid::{Decision, KeySeen, Seen};
use super::{Arrival, KeysToTry, Lookup};
use crate::error::TokenError;
use crate::jose::{Algorithm, NoCandidates, VerifyingKey};
use crate::limits::MAX_KEY_ID_BYTES;
use crate::single_flight::{NegativeMemory, WaitingPlaces, wait};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::telemetry::{IssuerMeter, UnknownKid};
use crate::time::Clock;

/// How many key ids are remembered as not found.
const MAX_NOT_FOUND: u64 = 1024;

/// See the module's documentation.
pub(crate) struct KeyCache {
    issuer: Arc<str>,
    algorithms: Arc<[Algorithm]>,
    policy: KeyPolicy,
    clock: Arc<dyn Clock>,
    meter: IssuerMeter,
    snapshot: ArcSwapOption<Snapshot>,
    /// When the next fetch on the cache's own account is due, in milliseconds of monotonic time. While one is under way,
    /// that is its start plus its limit: after that, its runtime does not poll it, and another may start.
    due: AtomicU64,
    /// Threads without a runtime that can run a fetch, and when to look again.
    without_runtime: Mutex<HashMap<ThreadId, Duration>>,
    waiting: WaitingPlaces,
    /// When a `kid` was looked for and not found.
    not_found: NegativeMemory<()>,
    state: Mutex<FetchState>,
}

/// Saturated: later than can be represented.
const NEVER: u64 = u64::MAX;

impl KeyCache {
    pub(crate) fn new(
        issuer: Arc<str>,
        algorithms: Arc<[Algorithm]>,
        source: Arc<dyn KeySource>,
        policy: KeyPolicy,
        clock: Arc<dyn Clock>,
        meter: IssuerMeter,
    ) -> Self {
        Self {
            issuer,
            algorithms,
            policy,
            clock,
            meter,
            snapshot: ArcSwapOption::empty(),
            due: AtomicU64::new(0),
            without_runtime: Mutex::default(),
            waiting: WaitingPlaces::new(KeyPolicy::MAX_WAITING_REQUESTS),
            not_found: NegativeMemory::new(MAX_NOT_FOUND),
            state: Mutex::new(FetchState::new(source)),
        }
    }

    /// The keys of a set that serves and needs no refresh, without a lock and without waiting: nearly every request
    /// needs nothing else.
    #[inline]
    pub(crate) fn known(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<KeysToTry<'static>> {
        let now = self.clock.monotonic_coarse();
        let snapshot = self.snapshot.load();
        let current = snapshot.as_ref().filter(|current| current.bounds.serves(now) && !self.is_due(now))?;
        let candidates = current.set.candidates(key_id, algorithm).ok()?;
        Some(KeysToTry::cached(snapshot, candidates))
    }

    /// What there is to do for a key that is not [known](Self::known).
    #[cold]
    pub(crate) fn look_further(
        self: &Arc<Self>,
        key_id: Option<&str>,
        algorithm: Algorithm,
        waited_since: Option<Arrival>,
    ) -> Lookup<'static> {
        let now = self.clock.monotonic_coarse();
        let snapshot = self.snapshot.load();
        if may_use(&snapshot, now, key_id) {
            return self.use_set(snapshot, now, key_id, algorithm);
        }
        // The lock keeps the set and the state of the fetches consistent: no fetch ends in between.
        let state = self.state();
        let snapshot = self.snapshot.load();
        if may_use(&snapshot, now, key_id) {
            drop(state);
            return self.use_set(snapshot, now, key_id, algorithm);
        }
        let (set, key) = (snapshot.as_deref(), self.see_key(snapshot.as_deref(), now, key_id, waited_since));
        let decision = Decision::of(&Seen {
            set: set.map(|set| set.bounds.at(now)),
            is_primary: set.is_some_and(|set| set.primary_fetch.is_some()),
            key,
            latest_attempt: state.latest_attempt(),
            refresh_due: self.is_due(now),
            unknown_kid_fetches: state.unknown_kid_fetches.spent(now),
            waiting: self.waiting.taken(),
            has_waited: waited_since.is_some(),
        });
        let is_missing = set.is_some_and(|set| !key_id.is_none_or(|id| set.set.knows(id)));
        let (counted, error) = match decision {
            Decision::NoSuchKey => (Some(UnknownKid::Refused), TokenError::NoMatchingKey),
            Decision::NotProvenAbsent => (Some(UnknownKid::Unproven), self.not_proven_absent(&state, now)),
            Decision::Unavailable => (is_missing.then_some(UnknownKid::Unavailable), self.unavailable(now)),
            Decision::Wait => return Lookup::Wait(state.arrival()),
        };
        // The recorder is the application's: it is not called under the lock.
        drop(state);
        if let Some(counted) = counted {
            self.meter.unknown_kid(counted);
        }
        Lookup::Refused(error)
    }

    /// Waits for the fetch that may bring a key, for as long as a request may.
    pub(crate) async fn wait(self: &Arc<Self>, key_id: Option<&str>, arrival: Arrival) {
        // Between the look and this, others may have come to wait, and the fetch may have ended.
        let Some(_waiting) = self.waiting.take() else { return };
        let fetch = || self.fetch(key_id.map_or(Need::Due, Need::Key));
        let Some(first) = fetch() else { return };
        let _counted = self.meter.waiting();
        wait(first, self.policy.request_wait, fetch).await;
        self.note_missing(key_id, arrival);
    }

    /// Whether the key of a verified signature is still in the set, and the set is within its staleness bound.
    #[inline]
    pub(crate) fn check_in_force(&self, key: &VerifyingKey) -> Result<(), TokenError> {
        if key.is_withdrawn() {
            self.check_withdrawn(key)?;
        }
        let now = self.clock.monotonic_coarse();
        if self.serves(now) { Ok(()) } else { Err(self.unavailable(now)) }
    }

    /// Whether a key that was withdrawn since its token was accepted is in the set again: a failover's set may have
    /// replaced it for a while.
    #[cold]
    fn check_withdrawn(&self, key: &VerifyingKey) -> Result<(), TokenError> {
        let now = self.clock.monotonic_coarse();
        match &*self.snapshot.load() {
            Some(snapshot) if snapshot.bounds.serves(now) && snapshot.set.has_same(key) => Ok(()),
            Some(snapshot) if snapshot.primary_fetch.is_none() => Err(self.not_proven_absent(&self.state(), now)),
            _ => Err(TokenError::NoMatchingKey),
        }
    }

    /// Decides with the current set, and starts a refresh in the background when one is due.
    fn use_set(
        self: &Arc<Self>,
        snapshot: Guard<Option<Arc<Snapshot>>>,
        now: Duration,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> Lookup<'static> {
        if self.is_due(now) {
            self.fetch_in_background();
        }
        let none = Err(NoCandidates::NoneFits);
        let candidates = snapshot.as_ref().map_or(none, |it| it.set.candidates(key_id, algorithm));
        let found = candidates.map(|candidates| KeysToTry::cached(snapshot, candidates));
        found.map_or_else(|none| Lookup::Refused(none.into()), Lookup::Found)
    }

    fn see_key(
        &self,
        snapshot: Option<&Snapshot>,
        now: Duration,
        key_id: Option<&str>,
        waited_since: Option<Arrival>,
    ) -> KeySeen {
        let is_proven = || waited_since.zip(snapshot).is_some_and(|(arrival, it)| it.is_proof_since(arrival));
        match key_id {
            Some(key_id) if key_id.len() > MAX_KEY_ID_BYTES => KeySeen::TooLong,
            Some(key_id) if self.was_missing_lately(key_id, now) => KeySeen::AbsentLately,
            Some(_) if is_proven() => KeySeen::AbsentSinceArrival,
            _ => KeySeen::Unknown,
        }
    }

    fn was_missing_lately(&self, key_id: &str, now: Duration) -> bool {
        self.not_found.get(key_id, now, |()| KeyPolicy::UNKNOWN_KID_WINDOW).is_some()
    }

    /// Whether a set serves and lacks this `kid`, which no fetch has looked for lately.
    fn lacks(&self, key_id: &str, now: Duration) -> bool {
        let snapshot = self.snapshot.load();
        snapshot.as_ref().is_some_and(|snapshot| snapshot.bounds.serves(now) && !snapshot.set.knows(key_id))
            && !self.was_missing_lately(key_id, now)
    }

    /// Records that the issuer lacks a `kid`, as proved by a fetch that began after the request arrived.
    fn note_missing(&self, key_id: Option<&str>, arrival: Arrival) {
        let snapshot = self.snapshot.load();
        if let (Some(snapshot), Some(key_id)) = (&*snapshot, key_id)
            && snapshot.is_proof_since(arrival)
            && !snapshot.set.knows(key_id)
            && key_id.len() <= MAX_KEY_ID_BYTES
        {
            self.not_found.insert(key_id, snapshot.fetched_at, ());
        }
    }

    /// Whether there is a set that serves.
    pub(crate) fn has_keys(&self) -> bool {
        self.serves(self.clock.monotonic())
    }

    fn serves(&self, now: Duration) -> bool {
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.bounds.serves(now))
    }

    fn unavailable(&self, now: Duration) -> TokenError {
        TokenError::KeysUnavailable { retry_after: self.until_due(now) }
    }

    /// Never longer than the time until a request may start its own fetch.
    fn not_proven_absent(&self, state: &FetchState, now: Duration) -> TokenError {
        let until_due = self.until_due(now);
        let until_budget = state.unknown_kid_fetches.until_room(now);
        let until_fetch = if state.fetches.is_under_way(&()) { until_due } else { until_due.min(until_budget) };
        TokenError::KeyNotProvenAbsent { retry_after: until_fetch.min(KeyPolicy::UNKNOWN_KID_WINDOW) }
    }

    #[inline]
    fn is_due(&self, now: Duration) -> bool {
        millis(now) >= self.due.load(Ordering::Relaxed)
    }

    fn until_due(&self, now: Duration) -> Duration {
        match self.due.load(Ordering::Relaxed) {
            // A fetch is under way whose timeout is beyond the end of the numbers.
            NEVER => self.policy.fetch_timeout,
            due => Duration::from_millis(due).saturating_sub(now),
        }
    }

    fn state(&self) -> MutexGuard<'_, FetchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.state().source.clone();
        f.debug_struct("KeyCache").field("issuer", &self.issuer).field("source", &source).finish_non_exhaustive()
    }
}

/// Whether the set alone decides: it serves, and has a key with this `kid`, or the token has no `kid`.
fn may_use(snapshot: &Option<Arc<Snapshot>>, now: Duration, key_id: Option<&str>) -> bool {
    let has_word = |it: &Arc<Snapshot>| it.bounds.serves(now) && key_id.is_none_or(|key_id| it.set.knows(key_id));
    snapshot.as_ref().is_some_and(has_word)
}

#[inline]
fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(u64::from(time.subsec_millis()))
}
