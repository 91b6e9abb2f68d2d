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
//! Everything else goes through [`KeyPolicy::step`]. A fetch runs in a task of its own, at most one at a time; requests
//! wait for its end.

mod copies;
#[cfg(test)]
mod exploration;
mod fetch;
mod fetches;
mod health;
mod snapshot;
mod waiting;

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::watch;

pub(crate) use fetch::bounded;
pub(super) use snapshot::Snapshot;
pub(crate) use waiting::WaitingPlaces;

use self::fetches::{Need, State};
use super::policy::{KeyPolicy, KeySeen, Seen, Step};
use super::source::KeySource;
use super::{KeysToTry, Lookup};
use crate::error::TokenError;
use crate::jose::{Algorithm, MAX_KEY_ID_BYTES, NoCandidates};
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
    /// When the next fetch on the cache's own account is due, in milliseconds of monotonic time; [`NEVER`] while one is
    /// under way.
    due: AtomicU64,
    waiting: WaitingPlaces,
    /// When a `kid` was looked for and not found. Bounded, and keyed against hash flooding.
    not_found: moka::sync::Cache<Box<str>, Duration>,
    state: Mutex<State>,
    /// Ends the fetch under way, also by being dropped.
    closing: watch::Sender<()>,
}

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
            waiting: WaitingPlaces::default(),
            not_found: moka::sync::Cache::new(MAX_NOT_FOUND),
            state: Mutex::new(State::new(source)),
            closing: watch::Sender::new(()),
        }
    }

    #[inline]
    pub(crate) fn look_up(
        self: &Arc<Self>,
        key_id: Option<&str>,
        algorithm: Algorithm,
        has_waited: bool,
    ) -> Lookup<'static> {
        let now = self.clock.monotonic_coarse();
        let snapshot = self.snapshot.load();
        // What the policy says of a known key, without asking it: nearly every request ends here.
        if let Some(current) = &*snapshot
            && current.bounds.serves(now)
            && !self.is_due(now)
            && let Ok(candidates) = current.set.candidates(key_id, algorithm)
        {
            return Lookup::Found(KeysToTry::cached(snapshot, candidates));
        }
        self.look_further(snapshot, now, key_id, algorithm, has_waited)
    }

    #[cold]
    fn look_further(
        self: &Arc<Self>,
        snapshot: Guard<Option<Arc<Snapshot>>>,
        now: Duration,
        key_id: Option<&str>,
        algorithm: Algorithm,
        has_waited: bool,
    ) -> Lookup<'static> {
        let candidates = snapshot.as_ref().map(|snapshot| snapshot.set.candidates(key_id, algorithm));
        let key = match (&candidates, &*snapshot, key_id) {
            (Some(Err(NoCandidates::NoneFits)), Some(snapshot), Some(id)) if !snapshot.set.knows(id) => {
                self.see_missing(id, now)
            }
            (None, _, _) => KeySeen::Unknown,
            _ => KeySeen::Known,
        };
        let mut seen = Seen {
            set: snapshot.as_ref().map(|snapshot| snapshot.bounds.at(now)),
            key,
            fetching: false,
            refresh_due: self.is_due(now),
            unknown_kid_fetches: 0,
            waiting: 0,
            has_waited,
        };
        let mut step = self.policy.step(&seen);
        if !matches!(step, Step::Use | Step::UseAndRefresh) {
            self.see_fetches(&mut seen, now);
            step = self.policy.step(&seen);
        }
        match (step, candidates) {
            (Step::Use | Step::UseAndRefresh, Some(candidates)) => {
                if step == Step::UseAndRefresh {
                    drop(self.fetch(Need::Due));
                }
                let found = candidates.map(|candidates| KeysToTry::cached(snapshot, candidates));
                found.map_or_else(|none| Lookup::Refused(none.into()), Lookup::Found)
            }
            (Step::Wait, _) => Lookup::Wait,
            (Step::NoSuchKey, _) => {
                self.meter.unknown_kid(UnknownKid::Refused);
                Lookup::Refused(TokenError::NoMatchingKey)
            }
            (_, candidates) => {
                if candidates.is_some() && key != KeySeen::Known {
                    self.meter.unknown_kid(UnknownKid::Unavailable);
                }
                Lookup::Refused(self.unavailable(now))
            }
        }
    }

    /// Waits for the fetch that may bring a key, for as long as a request may.
    pub(crate) async fn wait(self: &Arc<Self>, key_id: Option<&str>) {
        let began = self.clock.monotonic();
        // Between the look and this, others may have come to wait, and the fetch may have ended.
        let Some(_waiting) = self.waiting.take() else { return };
        let Some(mut done) = self.fetch(key_id.map_or(Need::Due, Need::Key)) else { return };
        let _counted = self.meter.waiting();
        // The sender never sends: the channel closes when the fetch ends.
        let _ = tokio::time::timeout(self.policy.request_wait, done.changed()).await;
        self.note_missing(key_id, began);
    }

    /// Whether the set is there and not older than the staleness bound allows.
    pub(crate) fn check_serves(&self) -> Result<(), TokenError> {
        let now = self.clock.monotonic_coarse();
        if self.serves(now) { Ok(()) } else { Err(self.unavailable(now)) }
    }

    fn see_missing(&self, key_id: &str, now: Duration) -> KeySeen {
        // No set has a longer one: looking for it costs nobody a request.
        let is_impossible = key_id.len() > MAX_KEY_ID_BYTES;
        let looked_for = || self.not_found.get(key_id);
        let is_recent = |at: Duration| now.saturating_sub(at) < KeyPolicy::UNKNOWN_KID_WINDOW;
        if is_impossible || looked_for().is_some_and(is_recent) { KeySeen::NotFoundLately } else { KeySeen::Unknown }
    }

    /// Whether there is a set, and it lacks this `kid` that nobody looked for lately.
    fn lacks(&self, key_id: &str, now: Duration) -> bool {
        let snapshot = self.snapshot.load();
        snapshot.as_ref().is_some_and(|snapshot| !snapshot.set.knows(key_id))
            && self.see_missing(key_id, now) == KeySeen::Unknown
    }

    /// Remembers a `kid` that a fetch begun after the request came did not bring.
    fn note_missing(&self, key_id: Option<&str>, began: Duration) {
        let snapshot = self.snapshot.load();
        if let (Some(snapshot), Some(key_id)) = (&*snapshot, key_id)
            && snapshot.fetched_at >= began
            && !snapshot.set.knows(key_id)
            && key_id.len() <= MAX_KEY_ID_BYTES
        {
            self.not_found.insert(key_id.into(), snapshot.fetched_at);
        }
    }

    fn see_fetches(&self, seen: &mut Seen, now: Duration) {
        let state = self.state();
        seen.fetching = state.in_flight.is_some();
        seen.unknown_kid_fetches = state.unknown_kid_fetches(now);
        seen.waiting = self.waiting.taken();
    }

    fn serves(&self, now: Duration) -> bool {
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.bounds.serves(now))
    }

    fn unavailable(&self, now: Duration) -> TokenError {
        TokenError::KeysUnavailable { retry_after: self.until_due(now) }
    }

    #[inline]
    fn is_due(&self, now: Duration) -> bool {
        millis(now) >= self.due.load(Ordering::Relaxed)
    }

    fn until_due(&self, now: Duration) -> Duration {
        match self.due.load(Ordering::Relaxed) {
            // A fetch is under way: it ends, well or badly, within its timeout.
            NEVER => self.policy.fetch_timeout,
            due => Duration::from_millis(due).saturating_sub(now),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.state().source.clone();
        f.debug_struct("KeyCache").field("issuer", &self.issuer).field("source", &source).finish_non_exhaustive()
    }
}

#[inline]
fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(u64::from(time.subsec_millis()))
}
