//! What is logged and counted about calls. An outage is logged when it begins, when calls pause, and when it is over:
//! a line for each call would bury it.

use std::sync::PoisonError;
use std::time::Duration;

use super::Introspector;
use super::failure::{Blame, Failure};
use super::policy::FAILURES_BEFORE_PAUSE;
use super::question::{Asked, Reply};
use super::step::Landed;
use crate::single_flight::NoRuntime;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// How often failures that anybody can cause are logged.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// What is known about the latest calls, for the log and for health reports.
#[derive(Default)]
pub(super) struct Reports {
    /// When a failure that counts against one token was last logged, in milliseconds of monotonic time; zero for never.
    warned_at: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Clone, Default)]
pub(super) struct Last {
    pub(super) failure: Option<Failure>,
    pub(super) has_succeeded: bool,
}

impl Introspector {
    pub(super) fn report_ended(&self, asked: &Asked, landed: &Landed, took: Duration) {
        let has_recovered = landed.has_recovered;
        let failure = match (&asked.reply, &asked.refusal) {
            (Reply::Failed(failure), _) => failure,
            (Reply::Active(_), None) => return self.report_answer("active", has_recovered, took),
            (Reply::Active(_), Some(_)) => return self.report_answer("refused", has_recovered, took),
            (Reply::Refused(_), _) => return self.report_answer("inactive", has_recovered, took),
            (Reply::Undecided(error), _) => return self.meter.asked(error.reason(), took),
        };
        self.meter.asked(failure.reason(), took);
        self.report_failure(failure, landed);
        self.reports.note(|last| last.failure = Some(failure.clone()));
    }

    fn report_answer(&self, result: &'static str, has_recovered: bool, took: Duration) {
        self.meter.asked(result, took);
        self.reports.note(|last| (last.failure, last.has_succeeded) = (None, true));
        if has_recovered {
            tracing::info!(issuer = %self.issuer, "the introspection endpoint responds again");
        }
    }

    fn report_failure(&self, failure: &Failure, landed: &Landed) {
        let (issuer, reason, failures) = (&self.issuer, failure.reason(), landed.health.failures());
        if failure.blame() == Blame::Token {
            if self.reports.may_warn(self.clock.monotonic()) {
                tracing::warn!(%issuer, reason, error = %failure, "a token could not be introspected");
            }
        } else if failures >= FAILURES_BEFORE_PAUSE && landed.counts {
            tracing::warn!(%issuer, reason, error = %failure, failures, "introspection fails, calls pause");
        } else if failures == 1 {
            tracing::warn!(
                %issuer, reason, error = %failure,
                "introspection failed; requests with tokens of this issuer that are not cached are answered with 503"
            );
        } else {
            tracing::debug!(%issuer, reason, error = %failure, failures, "introspection failed again");
        }
    }

    pub(super) fn report_superseded(&self, failure: &Failure) {
        self.meter.asked(failure.reason(), self.settings.timeout);
        tracing::warn!(issuer = %self.issuer, error = %failure, "an introspection call was superseded by another");
    }

    pub(super) fn report_no_runtime(&self, missing: NoRuntime) {
        match missing {
            NoRuntime::Absent => {
                tracing::error!(issuer = %self.issuer, "tokens cannot be introspected outside of a tokio runtime");
            }
            NoRuntime::WithoutTimers => {
                tracing::error!(issuer = %self.issuer, "tokens cannot be introspected in a tokio runtime without timers");
            }
        }
    }
}

impl Reports {
    pub(super) fn last(&self) -> Last {
        self.locked().clone()
    }

    fn note(&self, change: impl FnOnce(&mut Last)) {
        change(&mut self.locked());
    }

    fn locked(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_warn(&self, now: Duration) -> bool {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        let (last, order) = (self.warned_at.load(Ordering::Relaxed), Ordering::Relaxed);
        let is_recent = last != 0 && Duration::from_millis(now.saturating_sub(last)) < BETWEEN_WARNINGS;
        !is_recent && self.warned_at.compare_exchange(last, now, order, order).is_ok()
    }
}
