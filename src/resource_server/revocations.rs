//! Revocation at each use of a token, and the wait for a verdict that takes time.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::asked::Asked;
use super::door::Stop;
use super::observer::Observer;
use super::waits::{Pending, Waited};
use crate::claims::is_identifier;
use crate::error::{ClaimFault, TokenError};
use crate::evidence::Usage;
use crate::revocation::{
    RevocationAnswer, RevocationCheck, RevocationFuture, RevocationSignal, RevocationStatus, RevocationVerdict,
};
use crate::single_flight::{NoRuntime, current_runtime};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::time::Clock;
use crate::token::ValidatedToken;
use crate::validator::{Check, Found, Rule, check};

/// How long a request waits for a verdict, unless configured otherwise.
pub(super) const DEFAULT_WAIT: Duration = Duration::from_millis(250);

/// How many verdicts may be under way at once.
const MAX_WAITS: usize = 1_024;

/// When to try again after a verdict that did not come.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A failure is logged again after so long, and it is over when none has come for that long.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_secs(5);

/// The revocation check of a resource server.
pub(super) struct Revocations {
    check: Arc<dyn RevocationCheck>,
    wait: Duration,
    places: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    /// Tokens were refused because of a failure, and it is not over yet.
    is_failing: AtomicBool,
    /// In milliseconds of monotonic time; zero for never.
    failed_at: AtomicU64,
    warned_at: AtomicU64,
}

/// RFC 7009 §2.2: a revoked token is of no use, wherever it is kept.
struct NotRevoked<'a> {
    revocations: &'a Revocations,
    token: &'a ValidatedToken,
    usage: Usage,
    waited: Waited<'a>,
    found: Option<RevocationVerdict>,
}

/// Why there is no verdict.
#[derive(Debug)]
enum Failure {
    NoRuntime(NoRuntime),
    Busy,
    TimedOut(Duration),
    Panicked,
    Interrupted,
    /// The check itself says that it does not know.
    Unknown,
}

impl Revocations {
    pub(super) fn new(check: Arc<dyn RevocationCheck>, wait: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            check,
            wait,
            places: Arc::new(Semaphore::new(MAX_WAITS)),
            clock,
            is_failing: AtomicBool::new(false),
            failed_at: AtomicU64::new(0),
            warned_at: AtomicU64::new(0),
        }
    }

    /// Whether a token may be used, given the verdict that was waited for. The steps of a new token are reported, and
    /// every refusal.
    #[inline]
    pub(super) fn check_use<O: Observer>(
        &self,
        token: &ValidatedToken,
        usage: Usage,
        waited: Waited<'_>,
        observer: &mut O,
    ) -> Result<(), Stop> {
        let mut rule = NotRevoked { revocations: self, token, usage, waited, found: None };
        if usage == Usage::New {
            check_session_id(token)?;
            return check(observer, rule);
        }
        rule.apply().or_else(|stop| match rule.found {
            // A hit begins without steps, and ends with one here.
            Some(_) => {
                observer.begins(&*self.clock);
                check(observer, rule)
            }
            None => Err(stop),
        })
    }

    /// Waits for a verdict. Neither code that panics nor code that blocks its thread can hold the request for longer
    /// than it may wait: the verdict has a task of its own.
    pub(super) async fn wait(&self, asked: Asked) -> (ValidatedToken, Usage, RevocationVerdict) {
        let Asked { token, usage, future } = asked;
        let verdict = match self.verdict_of(future).await {
            Ok(verdict) => {
                if matches!(verdict, RevocationVerdict::Unavailable { .. }) {
                    self.note_failure(&Failure::Unknown);
                }
                verdict
            }
            Err(failure) => self.unavailable(&failure),
        };
        (token, usage, verdict)
    }

    /// Wakes when tokens were revoked.
    pub(super) fn changes(&self) -> Option<watch::Receiver<()>> {
        self.check.changes().map(RevocationSignal::subscribe)
    }

    pub(super) fn status(&self) -> RevocationStatus {
        self.check.status()
    }

    fn ask(&self, token: &ValidatedToken) -> RevocationAnswer {
        match catch_unwind(AssertUnwindSafe(|| self.check.check(token))) {
            Ok(answer) => answer,
            Err(_) => self.unavailable(&Failure::Panicked).into(),
        }
    }

    async fn verdict_of(&self, future: RevocationFuture) -> Result<RevocationVerdict, Failure> {
        let runtime = current_runtime().map_err(Failure::NoRuntime)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let mut task = Task(runtime.spawn(async move {
            let verdict = future.await;
            drop(place);
            verdict
        }));
        match timeout(self.wait, &mut task.0).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(error)) if error.is_panic() => Err(Failure::Panicked),
            Ok(Err(_)) => Err(Failure::Interrupted),
            Err(_) => Err(Failure::TimedOut(self.wait)),
        }
    }

    #[inline]
    fn note_verdict(&self) {
        if self.is_failing.load(Ordering::Relaxed) {
            self.note_recovery();
        }
    }

    #[cold]
    fn note_recovery(&self) {
        let is_quiet = self.since(&self.failed_at).is_none_or(|elapsed| elapsed >= QUIET);
        if is_quiet && self.is_failing.swap(false, Ordering::Relaxed) {
            self.warned_at.store(0, Ordering::Relaxed);
            tracing::info!("revocation can be checked again");
        }
    }

    #[cold]
    fn unavailable(&self, failure: &Failure) -> RevocationVerdict {
        self.note_failure(failure);
        RevocationVerdict::Unavailable { retry_after: RETRY_AFTER }
    }

    #[cold]
    fn note_failure(&self, failure: &Failure) {
        let now = millis(self.clock.monotonic());
        self.failed_at.store(now, Ordering::Relaxed);
        self.is_failing.store(true, Ordering::Relaxed);
        let (last, order) = (self.warned_at.load(Ordering::Relaxed), Ordering::Relaxed);
        let is_recent = self.since(&self.warned_at).is_some_and(|elapsed| elapsed < BETWEEN_WARNINGS);
        if is_recent || self.warned_at.compare_exchange(last, now, order, order).is_err() {
            return;
        }
        let status = catch_unwind(AssertUnwindSafe(|| self.status())).ok();
        let error = status.and_then(|status| status.last_error).unwrap_or_else(|| failure.to_string());
        tracing::warn!(reason = failure.reason(), error, "revocation cannot be checked; tokens are refused with 503");
    }

    fn since(&self, moment: &AtomicU64) -> Option<Duration> {
        let moment = moment.load(Ordering::Relaxed);
        (moment != 0).then(|| Duration::from_millis(millis(self.clock.monotonic()).saturating_sub(moment)))
    }
}

/// A `sid` that no session can have must not be overlooked when that session is revoked.
fn check_session_id(token: &ValidatedToken) -> Result<(), TokenError> {
    match token.claim(&["sid"]) {
        None => Ok(()),
        Some(Value::String(session_id)) if is_identifier(&session_id) => Ok(()),
        Some(Value::String(_)) => Err(TokenError::claim("sid", ClaimFault::Invalid)),
        Some(_) => Err(TokenError::claim("sid", ClaimFault::WrongType)),
    }
}

impl Rule for NotRevoked<'_> {
    const CHECK: Check = Check::Revocation;
    type Passed = ();
    type Failed = Stop;

    #[inline]
    fn apply(&mut self) -> Result<(), Stop> {
        let Self { revocations, token, usage, .. } = *self;
        let known = self.found.or_else(|| self.waited.verdict_on(token));
        let verdict = match known.map_or_else(|| revocations.ask(token), RevocationAnswer::Now) {
            RevocationAnswer::Now(verdict) => verdict,
            RevocationAnswer::Later(future) => {
                let asked = Asked { token: token.clone(), usage, future };
                return Err(Stop::Pending(Pending::Revocation(Box::new(asked))));
            }
        };
        self.found = Some(verdict);
        match verdict {
            RevocationVerdict::NotRevoked => {
                revocations.note_verdict();
                Ok(())
            }
            RevocationVerdict::Revoked(kind) => {
                revocations.note_verdict();
                Err(TokenError::Revoked(kind).into())
            }
            RevocationVerdict::Unavailable { retry_after } => {
                if known.is_none() {
                    revocations.note_failure(&Failure::Unknown);
                }
                Err(TokenError::RevocationUnavailable { retry_after }.into())
            }
        }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not revoked")
    }

    fn found(&self) -> Found<'_> {
        Found::Revocation(match self.found {
            Some(RevocationVerdict::NotRevoked) => Some(None),
            Some(RevocationVerdict::Revoked(kind)) => Some(Some(kind)),
            Some(RevocationVerdict::Unavailable { .. }) | None => None,
        })
    }
}

impl Failure {
    const fn reason(&self) -> &'static str {
        match self {
            Self::NoRuntime(_) => "runtime",
            Self::Busy => "busy",
            Self::TimedOut(_) => "timeout",
            Self::Panicked => "panicked",
            Self::Interrupted => "interrupted",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime(missing) => missing.fmt(f),
            Self::Busy => write!(f, "{MAX_WAITS} requests wait for a verdict already"),
            Self::TimedOut(limit) => write!(f, "no verdict within {} ms", limit.as_millis()),
            Self::Panicked => f.write_str("the revocation check panicked"),
            Self::Interrupted => f.write_str("the runtime ended before the verdict"),
            Self::Unknown => f.write_str("the revocation check does not know"),
        }
    }
}

/// A task that ends with the wait for it.
struct Task(JoinHandle<RevocationVerdict>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
