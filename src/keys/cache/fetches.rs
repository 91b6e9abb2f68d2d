//! Which fetches are made: one at a time, within the budgets of the policy.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::fetch::{Fetch, Fetched, FetchedSet, Job};
use super::report::Ended;
use super::snapshot::Snapshot;
use super::{KeyCache, millis};
use crate::error::KeySetError;
use crate::keys::Arrival;
use crate::keys::policy::{Jitter, KeyPolicy};
use crate::keys::source::KeySource;
use crate::keys::status::FetchCounts;
use crate::keys::unknown_kid::Attempt;
use crate::single_flight::{Budget, Call, Ending, Flights, Landed, Waiter, Window, current_runtime, may_restart};
use crate::sync::Ordering;

/// How many fetches unknown `kid`s may start.
const UNKNOWN_KID_BUDGET: Budget =
    Budget { calls: KeyPolicy::UNKNOWN_KID_FETCHES, window: KeyPolicy::UNKNOWN_KID_WINDOW };

pub(super) struct FetchState {
    /// The fetch under way, if there is one.
    pub(super) fetches: Flights<()>,
    /// Where keys come from; none when the issuer is not trusted any more.
    pub(super) source: Option<Arc<dyn KeySource>>,
    pub(super) failures: u32,
    pub(super) last_error: Option<KeySetError>,
    pub(super) counts: FetchCounts,
    pub(super) unknown_kid_fetches: Window,
    /// When an interrupted fetch was last restarted at once.
    restarted_at: Option<Duration>,
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
    pub(super) waiter: Waiter,
    /// To be run by the first one that asked.
    pub(super) start: Option<(Call<Fetch>, Job)>,
}

impl KeyCache {
    /// Fetches until there is a set that serves, or an error that time does not heal.
    pub(crate) async fn load(self: &Arc<Self>) -> Result<(), KeySetError> {
        let mut need = Need::Due;
        while !self.serves(self.clock.monotonic()) {
            if let Some(mut fetch) = self.fetch(need) {
                let limit = self.until_due(self.clock.monotonic()).saturating_add(self.policy.fetch_timeout / 20);
                if timeout(limit, fetch.ended()).await.is_err() {
                    // Its runtime does not poll it.
                    need = Need::Due;
                    continue;
                }
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
            sleep(self.until_due(self.clock.monotonic())).await;
            need = Need::Retry { failures };
        }
        Ok(())
    }

    /// Starts the fetch that is due, if one is, for callers that do not wait and may not be in a runtime.
    #[inline]
    pub(crate) fn fetch_if_due(self: &Arc<Self>) {
        if self.is_due(self.clock.monotonic_coarse()) && Handle::try_current().is_ok() {
            self.fetch_in_background();
        }
    }

    /// Starts the fetch that is due, and does not wait for it. A thread that cannot run a fetch looks again, and
    /// logs it again, only after a while: this is on the path of requests with a known key.
    #[cold]
    pub(super) fn fetch_in_background(self: &Arc<Self>) {
        let (now, thread) = (self.clock.monotonic(), std::thread::current().id());
        let threads = || self.without_runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if threads().get(&thread).is_some_and(|again| now < *again) {
            return;
        }
        match current_runtime() {
            Ok(_) => drop(self.fetch(Need::Due)),
            Err(missing) => {
                let mut threads = threads();
                threads.retain(|_, again| now < *again);
                threads.insert(thread, now.saturating_add(KeyPolicy::MIN_BACKOFF));
                drop(threads);
                self.report_no_runtime(missing);
            }
        }
    }

    /// Forgets the keys for good: the issuer is not trusted any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        let (source, cancelled) = (state.source.take(), state.fetches.cancel(&()));
        let last = self.snapshot.swap(None);
        drop(state);
        // It is the application's: what it does at its end is not done under our lock.
        drop(source);
        self.meter.closed();
        if let Some(last) = last {
            last.set.withdraw_missing(None);
        }
        drop(cancelled);
    }

    /// Joins the fetch under way, or starts one in a task of its own if the policy's budgets allow it.
    pub(super) fn fetch(self: &Arc<Self>, need: Need<'_>) -> Option<Waiter> {
        let runtime = current_runtime().map_err(|missing| self.report_no_runtime(missing)).ok()?;
        // The lock is not held here: a runtime that shuts down drops the task at once, which then takes the lock.
        let joined = self.join(need)?;
        if let Some((call, job)) = joined.start {
            runtime.spawn(call.run(job.run()));
        }
        Some(joined.waiter)
    }

    pub(super) fn join(self: &Arc<Self>, need: Need<'_>) -> Option<Joined> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let source = state.source.clone()?;
        if let Some(waiter) = state.fetches.join(&(), now) {
            return Some(Joined { waiter, start: None });
        }
        let is_due = self.is_due(now);
        let has_budget = UNKNOWN_KID_BUDGET.has_room(state.unknown_kid_fetches.spent(now));
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
            state.counts.for_unknown_kids += 1;
            state.unknown_kid_fetches.note(now);
        }
        let limit = self.policy.fetch_timeout;
        let (started, waiter) = state.fetches.start((), now, limit);
        self.due.store(millis(now.saturating_add(limit)), Ordering::Relaxed);
        drop(state);
        let wanted = match need {
            Need::Key(key_id) => Some(key_id.into()),
            Need::Due | Need::Retry { .. } => None,
        };
        let fetch = Fetch { cache: Arc::downgrade(self), number: started.number, started_at: now, wanted };
        let job = Job { source, algorithms: Arc::clone(&self.algorithms), last: self.snapshot.load_full() };
        Some(Joined { waiter, start: Some((Call::new(fetch, started), job)) })
    }

    /// Supersedes a fetch that is past its limit. False if that one has ended after all, or the keys are no longer needed.
    ///
    /// The superseded fetch counts as failed in the status and the metrics, but causes no backoff.
    pub(super) fn supersede(&self, number: u64) -> bool {
        let now = self.clock.monotonic();
        let error = KeySetError::Abandoned(self.policy.fetch_timeout);
        let (began_at, failures, _last_error) = {
            let mut state = self.state();
            let Some(began_at) = state.fetches.take_over(&(), number) else { return false };
            // As in `finish`, dropped after the lock.
            let last_error = state.last_error.clone();
            state.note_failed(error.clone());
            (began_at, state.failures, last_error)
        };
        self.report(&Ended::Superseded { error, failures }, now, now.saturating_sub(began_at));
        true
    }

    /// Records how a fetch ended, unless it was superseded. Dropping the result wakes the waiters.
    pub(super) fn finish(
        &self,
        number: u64,
        started_at: Duration,
        ending: Ending<Result<Fetched, KeySetError>>,
    ) -> Option<Landed> {
        // Clocks, logs and recorders are the application's: none is called under the lock.
        let now = self.clock.monotonic();
        let (landed, ended, _last_error) = {
            let mut state = self.state();
            if matches!(ending, Ending::Interrupted) && state.fetches.is_predecessor(&(), number) {
                // The fetch that is about to supersede it goes on.
                return None;
            }
            let landed = state.fetches.land(&(), number)?;
            // An error may be the application's. This clone is dropped after the lock.
            let last_error = state.last_error.clone();
            let (due, ended) = match ending {
                Ending::Finished(Ok(fetched)) => self.publish(&mut state, number, started_at, fetched),
                Ending::Finished(Err(error)) => self.note_failure(&mut state, now, error),
                Ending::TimedOut => self.note_failure(&mut state, now, KeySetError::Timeout(self.policy.fetch_timeout)),
                Ending::Interrupted if state.note_interrupted(now) => (now, Ended::Interrupted),
                Ending::Interrupted | Ending::Panicked => self.note_failure(&mut state, now, KeySetError::Interrupted),
            };
            self.due.store(millis(due), Ordering::Relaxed);
            (landed, ended, last_error)
        };
        self.report(&ended, now, now.saturating_sub(started_at));
        match ended {
            Ended::Interrupted => {
                landed.interrupted();
                None
            }
            _ => Some(landed),
        }
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
        state.note_failed(error.clone());
        let retry_after = KeyPolicy::backoff(state.failures, error.retry_after(), jitter());
        (now.saturating_add(retry_after), Ended::Failed { error, failures: state.failures, retry_after })
    }
}

impl FetchState {
    pub(super) fn new(source: Arc<dyn KeySource>) -> Self {
        Self {
            fetches: Flights::default(),
            source: Some(source),
            failures: 0,
            last_error: None,
            counts: FetchCounts::default(),
            unknown_kid_fetches: Window::new(UNKNOWN_KID_BUDGET),
            restarted_at: None,
        }
    }

    pub(super) fn latest_attempt(&self) -> Option<Attempt> {
        if self.fetches.is_under_way(&()) {
            Some(Attempt::UnderWay)
        } else if self.last_error.is_some() {
            Some(Attempt::Failed)
        } else {
            (self.fetches.begun() > 0).then_some(Attempt::Succeeded)
        }
    }

    /// The moment of a request that arrives now.
    pub(super) const fn arrival(&self) -> Arrival {
        Arrival { fetches_begun: self.fetches.begun() }
    }

    pub(super) fn note_failed(&mut self, error: KeySetError) {
        self.counts.failed += 1;
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error);
    }

    /// Records an interruption. True if another fetch may start at once; then it does not count in `failures`.
    fn note_interrupted(&mut self, now: Duration) -> bool {
        let may = may_restart(self.restarted_at.map(|at| now.saturating_sub(at)));
        if may {
            self.restarted_at = Some(now);
            self.counts.failed += 1;
            self.last_error = Some(KeySetError::Interrupted);
        }
        may
    }
}

/// Without random numbers there is no jitter, which is a pity and no fault.
pub(crate) fn jitter() -> Jitter {
    let mut random = [0; 2];
    let _ = aws_lc_rs::rand::fill(&mut random);
    Jitter::from_random(u16::from_ne_bytes(random))
}
