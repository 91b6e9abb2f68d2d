//! Which fetches are made: one at a time, within the accounts of the policy.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::fetch::{Fetch, Fetched, FetchedSet};
use super::snapshot::Snapshot;
use super::{KeyCache, NEVER, millis};
use crate::error::KeySetError;
use crate::keys::Arrival;
use crate::keys::policy::{Jitter, KeyPolicy};
use crate::keys::source::KeySource;
use crate::keys::status::FetchCounts;
use crate::keys::unknown_kid::Attempt;
use crate::keys::warn_of_dropped;
use crate::sync::Ordering;
use crate::telemetry;

#[derive(Default)]
pub(super) struct FetchState {
    /// Closed when the fetch under way ends, however it ends.
    pub(super) in_flight: Option<watch::Receiver<()>>,
    /// Where keys come from; none when the issuer is not trusted any more.
    pub(super) source: Option<Arc<dyn KeySource>>,
    pub(super) failures: u32,
    pub(super) last_error: Option<KeySetError>,
    pub(super) counts: FetchCounts,
    /// How many fetches have begun.
    begun: u64,
    /// When the last fetches for unknown `kid`s were attempted.
    unknown_kid_attempts: [Option<Duration>; KeyPolicy::UNKNOWN_KID_FETCHES],
}

/// What a fetch is wanted for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need<'a> {
    /// The cache's own account: the first fetch, a refresh, a retry.
    Due,
    /// A `kid` that the set lacks.
    Key(&'a str),
    /// Somebody who waits for the set itself, and has waited for as long as a retry must after so many failures.
    Retry { failures: u32 },
}

/// The fetch that was asked for.
pub(super) struct Joined {
    /// Closed when it ends.
    pub(super) done: watch::Receiver<()>,
    /// To be run by whoever asked first.
    pub(super) start: Option<Fetch>,
}

impl KeyCache {
    /// Fetches until there is a set that serves, or an error that time does not heal.
    pub(crate) async fn load(self: &Arc<Self>) -> Result<(), KeySetError> {
        let mut need = Need::Due;
        while !self.serves(self.clock.monotonic()) {
            if let Some(mut done) = self.fetch(need) {
                let _ = done.changed().await;
                if self.serves(self.clock.monotonic()) {
                    break;
                }
            }
            let (failures, error) = {
                let state = self.state();
                if state.source.is_none() {
                    return Err(KeySetError::Interrupted);
                }
                (state.failures, state.last_error.clone().unwrap_or(KeySetError::Interrupted))
            };
            if !error.is_transient() {
                return Err(error);
            }
            tokio::time::sleep(self.until_due(self.clock.monotonic())).await;
            need = Need::Retry { failures };
        }
        Ok(())
    }

    /// Starts the fetch that is due, if one is, for somebody who does not wait and may not be in a runtime.
    pub(crate) fn fetch_if_due(self: &Arc<Self>) {
        if self.is_due(self.clock.monotonic_coarse()) && Handle::try_current().is_ok() {
            drop(self.fetch(Need::Due));
        }
    }

    /// Forgets the keys for good: the issuer is not trusted any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        let source = state.source.take();
        let last = self.snapshot.swap(None);
        drop(state);
        // It is the application's: what it does at its end is not done under our lock.
        drop(source);
        self.meter.closed();
        if let Some(last) = last {
            last.set.withdraw_missing(None);
        }
        self.closing.send_replace(());
    }

    /// Joins the fetch under way, or starts one in a task of its own if the policy's accounts allow it.
    pub(super) fn fetch(self: &Arc<Self>, need: Need<'_>) -> Option<watch::Receiver<()>> {
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!(issuer = %self.issuer, "keys cannot be fetched outside of a tokio runtime");
            return None;
        };
        // The lock is not held here: a runtime that shuts down drops the task at once, which then takes the lock.
        let joined = self.join(need)?;
        if let Some(fetch) = joined.start {
            runtime.spawn(fetch.run());
        }
        Some(joined.done)
    }

    pub(super) fn join(self: &Arc<Self>, need: Need<'_>) -> Option<Joined> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let source = state.source.clone()?;
        if let Some(in_flight) = &state.in_flight {
            return Some(Joined { done: in_flight.clone(), start: None });
        }
        let is_due = self.is_due(now);
        let has_budget = state.unknown_kid_fetches(now) < KeyPolicy::UNKNOWN_KID_FETCHES;
        let may_start = match need {
            Need::Due => is_due,
            Need::Key(key_id) => is_due || (has_budget && self.lacks(key_id, now)),
            // Of many who wait, one tries.
            Need::Retry { failures } => is_due || failures == state.failures,
        };
        if !may_start {
            return None;
        }
        if !is_due && matches!(need, Need::Key(_)) {
            state.note_unknown_kid_attempt(now);
        }
        state.begun += 1;
        let number = state.begun;
        self.due.store(NEVER, Ordering::Relaxed);
        let (done, in_flight) = watch::channel(());
        state.in_flight = Some(in_flight.clone());
        drop(state);
        let start = Fetch {
            cache: Arc::downgrade(self),
            source,
            algorithms: Arc::clone(&self.algorithms),
            last: self.snapshot.load_full(),
            number,
            started_at: now,
            wanted: match need {
                Need::Key(key_id) => Some(key_id.into()),
                Need::Due | Need::Retry { .. } => None,
            },
            limit: self.policy.fetch_timeout,
            closed: self.closing.subscribe(),
            done: Some(done),
        };
        Some(Joined { done: in_flight, start: Some(start) })
    }

    pub(super) fn finish(&self, number: u64, started_at: Duration, result: Result<Fetched, KeySetError>) {
        // Clocks, logs and recorders are the application's: none is called under the lock.
        let now = self.clock.monotonic();
        let ended = {
            let mut state = self.state();
            state.in_flight = None;
            if state.source.is_none() {
                return;
            }
            let (due, ended) = match result {
                Ok(fetched) => self.publish(&mut state, number, started_at, fetched),
                Err(error) => self.note_failure(&mut state, now, error),
            };
            self.due.store(millis(due), Ordering::Relaxed);
            ended
        };
        self.report(&ended, now, now.saturating_sub(started_at));
    }

    /// Puts a fetched set in the place of the last one, whose keys stay the same ones or die.
    fn publish(
        &self,
        state: &mut FetchState,
        number: u64,
        started_at: Duration,
        fetched: Fetched,
    ) -> (Duration, Ended) {
        let lifetime = self.policy.lifetime_of(fetched.max_age);
        let last = self.snapshot.load_full();
        let is_unchanged = matches!(fetched.set, FetchedSet::Unchanged(_));
        let set = match fetched.set {
            FetchedSet::New(mut set) => {
                state.counts.fetched += 1;
                if let Some(last) = &last {
                    set.keep_unchanged(&last.set);
                }
                Arc::new(set)
            }
            FetchedSet::Unchanged(set) => {
                state.counts.unchanged += 1;
                set
            }
        };
        let age_then = Duration::ZERO;
        let next = Arc::new(Snapshot {
            set: Arc::clone(&set),
            etag: fetched.etag,
            fetched_at: started_at,
            age_then,
            lifetime,
            bounds: self.policy.bounds(started_at, age_then, lifetime),
            primary_fetch: (!fetched.is_from_failover).then_some(number),
        });
        self.snapshot.store(Some(Arc::clone(&next)));
        if let Some(last) = &last {
            last.set.withdraw_missing(Some(&set));
        }
        let failures = std::mem::take(&mut state.failures);
        state.last_error = None;
        let due = started_at.saturating_add(KeyPolicy::refresh_after(lifetime, jitter()));
        (due, Ended::Published { last, next, is_unchanged, failures })
    }

    fn note_failure(&self, state: &mut FetchState, now: Duration, error: KeySetError) -> (Duration, Ended) {
        state.counts.failed += 1;
        state.failures = state.failures.saturating_add(1);
        state.last_error = Some(error.clone());
        let retry_after = KeyPolicy::backoff(state.failures, error.retry_after(), jitter());
        (now.saturating_add(retry_after), Ended::Failed { error, failures: state.failures, retry_after })
    }

    fn report(&self, ended: &Ended, now: Duration, took: Duration) {
        match ended {
            Ended::Published { last, next, is_unchanged, failures } => {
                let (keys, lifetime_s) = (next.set.len(), next.lifetime.as_secs());
                if *failures > 0 {
                    tracing::info!(issuer = %self.issuer, keys, lifetime_s, failures, "fetched the keys again");
                } else {
                    tracing::debug!(issuer = %self.issuer, keys, lifetime_s, "fetched the keys");
                }
                if !last.as_ref().is_some_and(|last| next.set.has_keys_of(&last.set)) {
                    warn_of_dropped(&self.issuer, &next.set);
                }
                let last_age = last.as_ref().map(|last| last.age(now));
                let (is_unchanged, now, dropped) = (*is_unchanged, self.clock.now(), next.set.dropped().len());
                self.meter.fetched(&telemetry::FetchRecord { took, last_age, is_unchanged, keys, dropped, now });
            }
            Ended::Failed { error, failures, retry_after } => {
                let meanwhile = match &*self.snapshot.load() {
                    Some(last) if last.bounds.serves(now) => "the last good set is kept",
                    Some(_) => "the last good set is too old, requests are answered with 503",
                    None if error.is_issuer_mismatch() => {
                        "there are none: tokens with the configured `iss` are answered with 503, all others with 401"
                    }
                    None => "there are none, tokens of this issuer are answered with 503",
                };
                tracing::warn!(
                    issuer = %self.issuer, reason = error.reason(), %error, failures,
                    retry_after_s = retry_after.as_secs(), "could not fetch the keys; {meanwhile}"
                );
                self.meter.fetch_failed(took, error);
            }
        }
    }
}

/// How a fetch ended, for those who watch.
enum Ended {
    Published { last: Option<Arc<Snapshot>>, next: Arc<Snapshot>, is_unchanged: bool, failures: u32 },
    Failed { error: KeySetError, failures: u32, retry_after: Duration },
}

impl FetchState {
    pub(super) fn new(source: Arc<dyn KeySource>) -> Self {
        Self { source: Some(source), ..Self::default() }
    }

    pub(super) fn unknown_kid_fetches(&self, now: Duration) -> usize {
        let is_recent = |at: &Duration| now.saturating_sub(*at) < KeyPolicy::UNKNOWN_KID_WINDOW;
        self.unknown_kid_attempts.iter().flatten().filter(|at| is_recent(at)).count()
    }

    /// How long until one more fetch for an unknown `kid` is within the budget.
    pub(super) fn until_budget(&self, now: Duration) -> Duration {
        let freed_at = |at: &Option<Duration>| at.map(|at| at.saturating_add(KeyPolicy::UNKNOWN_KID_WINDOW));
        let frees = self.unknown_kid_attempts.iter().map(|at| freed_at(at).unwrap_or_default());
        frees.min().unwrap_or_default().saturating_sub(now)
    }

    pub(super) fn latest_attempt(&self) -> Option<Attempt> {
        if self.in_flight.is_some() {
            Some(Attempt::UnderWay)
        } else if self.failures > 0 {
            Some(Attempt::Failed)
        } else {
            (self.begun > 0).then_some(Attempt::Succeeded)
        }
    }

    /// The moment of a request that arrives now.
    pub(super) const fn arrival(&self) -> Arrival {
        Arrival { fetches_begun: self.begun }
    }

    fn note_unknown_kid_attempt(&mut self, now: Duration) {
        self.counts.for_unknown_kids += 1;
        self.unknown_kid_attempts.rotate_right(1);
        if let Some(latest) = self.unknown_kid_attempts.first_mut() {
            *latest = Some(now);
        }
    }
}

/// Without random numbers there is no jitter, which is a pity and no fault.
pub(super) fn jitter() -> Jitter {
    let mut random = [0; 2];
    let _ = aws_lc_rs::rand::fill(&mut random);
    Jitter::from_random(u16::from_ne_bytes(random))
}
