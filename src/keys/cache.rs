//! The cached key set of one issuer.
//!
//! A request whose key is known reads a snapshot and one atomic number: no lock of ours, no waiting. Everything else
//! goes through [`KeyPolicy::step`]. A fetch runs in a task of its own, at most one at a time, so that a cancelled
//! request cannot cancel it; requests wait for its end.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Lookup;
use super::policy::{Jitter, KeyPolicy, KeySeen, Seen, SetSeen, Step};
use super::source::KeySource;
use crate::error::{KeySetError, TokenError};
use crate::jose::{Algorithm, JwkSet, MAX_KEY_ID_BYTES};
use crate::telemetry::{Fetched, IssuerMeter, UnknownKid};
use crate::time::Clock;

/// How many key ids are remembered as not found.
const MAX_NOT_FOUND: u64 = 1024;

/// See the module's documentation.
pub(crate) struct KeyCache {
    issuer: Arc<str>,
    algorithms: Arc<[Algorithm]>,
    source: Arc<dyn KeySource>,
    policy: KeyPolicy,
    clock: Arc<dyn Clock>,
    meter: IssuerMeter,
    snapshot: ArcSwapOption<Snapshot>,
    /// When the next fetch on the cache's own account is due, in milliseconds of monotonic time; [`NEVER`] while one is
    /// under way.
    due: AtomicU64,
    waiting: AtomicUsize,
    /// When a `kid` was looked for and not found. Bounded, and keyed against hash flooding.
    not_found: moka::sync::Cache<Box<str>, Duration>,
    state: Mutex<State>,
}

const NEVER: u64 = u64::MAX;

struct Snapshot {
    set: Arc<JwkSet>,
    etag: Option<Box<str>>,
    /// When the fetch that brought it, or found it unchanged, began.
    fetched_at: Duration,
    lifetime: Duration,
}

#[derive(Default)]
struct State {
    /// Closed when the fetch under way ends, however it ends.
    in_flight: Option<watch::Receiver<()>>,
    failures: u32,
    /// When the last fetches for unknown `kid`s were attempted.
    unknown_kid_attempts: [Option<Duration>; KeyPolicy::UNKNOWN_KID_FETCHES],
}

impl KeyCache {
    pub(crate) fn new(
        issuer: Arc<str>,
        algorithms: Arc<[Algorithm]>,
        source: Arc<dyn KeySource>,
        policy: KeyPolicy,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            meter: IssuerMeter::of_configured(&issuer),
            issuer,
            algorithms,
            source,
            policy,
            clock,
            snapshot: ArcSwapOption::empty(),
            due: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            not_found: moka::sync::Cache::new(MAX_NOT_FOUND),
            state: Mutex::default(),
        }
    }

    pub(crate) fn look_up(self: &Arc<Self>, key_id: Option<&str>, algorithm: Algorithm, has_waited: bool) -> Lookup {
        let now = self.clock.monotonic();
        let snapshot = self.snapshot.load();
        let candidates = snapshot.as_ref().map(|snapshot| snapshot.set.candidates(key_id, algorithm));
        let key = match (&candidates, &*snapshot, key_id) {
            (Some(Err(TokenError::NoMatchingKey)), Some(snapshot), Some(id)) if !snapshot.set.knows(id) => {
                self.see_missing(id, now)
            }
            (None, _, _) => KeySeen::Unknown,
            _ => KeySeen::Known,
        };
        let mut seen = Seen {
            set: snapshot.as_ref().map(|snapshot| snapshot.see(now)),
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
                    drop(self.join_or_start(None));
                }
                candidates.map_or_else(Lookup::Refused, Lookup::Found)
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
                Lookup::Refused(TokenError::KeysUnavailable { retry_after: self.until_due(now) })
            }
        }
    }

    pub(crate) async fn wait(self: &Arc<Self>, key_id: Option<&str>) {
        let began = self.clock.monotonic();
        // Between the look and this, others may have come to wait, and the fetch may have ended.
        let Some(_waiting) = Waiting::take_place(&self.waiting) else { return };
        let Some(mut done) = self.join_or_start(key_id) else { return };
        let _counted = self.meter.waiting();
        // The sender never sends: the channel closes when the fetch ends.
        let _ = tokio::time::timeout(self.policy.request_wait, done.changed()).await;
        let snapshot = self.snapshot.load();
        if let (Some(snapshot), Some(key_id)) = (&*snapshot, key_id)
            && snapshot.fetched_at >= began
            && !snapshot.set.knows(key_id)
            && key_id.len() <= MAX_KEY_ID_BYTES
        {
            self.not_found.insert(key_id.into(), snapshot.fetched_at);
        }
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

    fn see_fetches(&self, seen: &mut Seen, now: Duration) {
        let state = self.state();
        seen.fetching = state.in_flight.is_some();
        seen.unknown_kid_fetches = state.unknown_kid_fetches(now);
        seen.waiting = self.waiting.load(Ordering::Relaxed);
    }

    /// The fetch under way, or a new one when the policy's accounts allow it: one that is due anyway, or one for a `kid`
    /// that the set still lacks.
    fn join_or_start(self: &Arc<Self>, key_id: Option<&str>) -> Option<watch::Receiver<()>> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        if let Some(in_flight) = &state.in_flight {
            return Some(in_flight.clone());
        }
        let is_due = self.is_due(now);
        let is_wanted = || key_id.is_some_and(|key_id| self.lacks(key_id, now));
        let has_budget = state.unknown_kid_fetches(now) < KeyPolicy::UNKNOWN_KID_FETCHES;
        let may_start = is_due || (has_budget && is_wanted());
        if !may_start {
            return None;
        }
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!(issuer = %self.issuer, "keys cannot be fetched outside of a tokio runtime");
            return None;
        };
        if !is_due {
            state.note_unknown_kid_attempt(now);
        }
        self.due.store(NEVER, Ordering::Relaxed);
        let (done, in_flight) = watch::channel(());
        state.in_flight = Some(in_flight.clone());
        // A runtime that shuts down drops the task here and now, which then takes the lock.
        drop(state);
        let fetch = Fetch { cache: Arc::clone(self), started_at: now, ended: false, _done: done };
        runtime.spawn(fetch.run());
        Some(in_flight)
    }

    fn finish(&self, started_at: Duration, result: Result<Snapshot, KeySetError>) {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.in_flight = None;
        let due = match result {
            Ok(snapshot) => {
                self.report(&snapshot, started_at, now, state.failures);
                state.failures = 0;
                let refresh_after = KeyPolicy::refresh_after(snapshot.lifetime, jitter());
                self.snapshot.store(Some(Arc::new(snapshot)));
                started_at.saturating_add(refresh_after)
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                let retry_after = KeyPolicy::backoff(state.failures, error.retry_after(), jitter());
                let meanwhile = match &*self.snapshot.load() {
                    Some(last) if self.policy.may_serve(last.see(now)) => "the last good set is kept",
                    Some(_) => "the last good set is too old, requests are answered with 503",
                    None => "there are none, requests are answered with 503",
                };
                tracing::warn!(
                    issuer = %self.issuer, reason = error.reason(), %error, failures = state.failures,
                    retry_after_s = retry_after.as_secs(), "could not fetch the keys; {meanwhile}"
                );
                self.meter.fetch_failed(now.saturating_sub(started_at), &error);
                now.saturating_add(retry_after)
            }
        };
        self.due.store(millis(due), Ordering::Relaxed);
    }

    fn report(&self, fetched: &Snapshot, started_at: Duration, now: Duration, failures: u32) {
        let last = self.snapshot.load();
        let is_unchanged = last.as_ref().is_some_and(|last| Arc::ptr_eq(&last.set, &fetched.set));
        let (keys, lifetime_s) = (fetched.set.len(), fetched.lifetime.as_secs());
        if failures > 0 {
            tracing::info!(issuer = %self.issuer, keys, lifetime_s, failures, "fetched the keys again");
        } else {
            tracing::debug!(issuer = %self.issuer, keys, lifetime_s, "fetched the keys");
        }
        self.meter.fetched(&Fetched {
            took: now.saturating_sub(started_at),
            last_age: last.as_ref().map(|last| last.see(now).age),
            is_unchanged,
            keys,
            now: self.clock.now(),
        });
    }

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
        f.debug_struct("KeyCache").field("issuer", &self.issuer).field("source", &self.source).finish_non_exhaustive()
    }
}

impl Snapshot {
    fn see(&self, now: Duration) -> SetSeen {
        SetSeen { age: now.saturating_sub(self.fetched_at), lifetime: self.lifetime }
    }
}

impl State {
    fn unknown_kid_fetches(&self, now: Duration) -> usize {
        let is_recent = |at: &Duration| now.saturating_sub(*at) < KeyPolicy::UNKNOWN_KID_WINDOW;
        self.unknown_kid_attempts.iter().flatten().filter(|at| is_recent(at)).count()
    }

    fn note_unknown_kid_attempt(&mut self, now: Duration) {
        self.unknown_kid_attempts.rotate_right(1);
        if let Some(latest) = self.unknown_kid_attempts.first_mut() {
            *latest = Some(now);
        }
    }
}

/// One fetch. However it ends, also when its task is dropped, the cache hears of it, and then those who wait.
struct Fetch {
    cache: Arc<KeyCache>,
    started_at: Duration,
    ended: bool,
    _done: watch::Sender<()>,
}

impl Fetch {
    async fn run(mut self) {
        let limit = self.cache.policy.fetch_timeout;
        let result = tokio::time::timeout(limit, self.fetch()).await.unwrap_or(Err(KeySetError::Timeout(limit)));
        self.ended = true;
        self.cache.finish(self.started_at, result);
    }

    async fn fetch(&self) -> Result<Snapshot, KeySetError> {
        let cache = &self.cache;
        let last = cache.snapshot.load_full();
        let etag = last.as_ref().and_then(|last| last.etag.as_deref());
        let fetched = cache.source.fetch(etag).await?;
        let lifetime = cache.policy.lifetime_of(fetched.max_age);
        let (set, etag) = match (fetched.json, last) {
            (Some(json), _) => (Arc::new(JwkSet::parse(&json, &cache.algorithms)?), fetched.etag),
            (None, Some(last)) => (Arc::clone(&last.set), fetched.etag.or_else(|| last.etag.clone())),
            (None, None) => return Err(KeySetError::UnchangedFromNothing),
        };
        Ok(Snapshot { set, etag, fetched_at: self.started_at, lifetime })
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if !self.ended {
            self.cache.finish(self.started_at, Err(KeySetError::Interrupted));
        }
    }
}

/// Counts a request among those that wait, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// `None` when all places are taken.
    fn take_place(count: &'a AtomicUsize) -> Option<Self> {
        let one_more = |waiting| (waiting < KeyPolicy::MAX_WAITING_REQUESTS).then_some(waiting + 1);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Without random numbers there is no jitter, which is a pity and no fault.
fn jitter() -> Jitter {
    let mut random = [0; 2];
    let _ = aws_lc_rs::rand::fill(&mut random);
    Jitter::from_random(u16::from_ne_bytes(random))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}
