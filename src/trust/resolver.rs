//! Issuers that are not in the configuration: the application says who they are.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use super::resolver_policy::{BUDGET, Decision, MAX_ISSUER_BYTES, MAX_REMEMBERED, Outcome, Seen};
use super::{TrustedIssuer, TrustedIssuers};
use crate::error::TokenError;
use crate::issuer::Issuer;
use crate::keys::KeyPolicy;
use crate::single_flight::{
    Call, Caller, Ending, Flights, Landed, NegativeMemory, NoRuntime, Waiter, WaitingPlaces, Window, current_runtime,
    wait,
};
use crate::sync::{Mutex, MutexGuard};
use crate::urls::check_issuer_name;

/// For how long one call may take, and for how long a request waits for it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_WAIT: Duration = Duration::from_secs(2);

/// Says which issuers are ours, for an API with more tenants than a configuration can list.
///
/// An async closure is one: see
/// [`ResourceServerBuilder::issuer_resolver`](crate::ResourceServerBuilder::issuer_resolver).
pub trait IssuerResolver: Send + Sync + 'static {
    /// The configuration of this issuer, or `None` when it is not ours.
    ///
    /// **The name comes from a token that nobody has verified**, and it may be any text of up to 512 bytes, not only a URL
    /// (RFC 7519 §4.1.1). Look it up in a list of your own; never make a configuration of it as it stands, or the sender
    /// of a token decides where the keys come from.
    ///
    /// # Errors
    ///
    /// When it cannot be said at the moment. The request gets 503, and the issuer is asked for again after 5 seconds.
    fn resolve<'a>(&'a self, issuer: &'a str) -> IssuerResolverFuture<'a>;
}

/// What [`IssuerResolver::resolve`] returns.
pub type IssuerResolverFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Issuer>, IssuerResolverError>> + Send + 'a>>;

/// Why a resolver could not answer. It is logged.
pub type IssuerResolverError = Box<dyn Error + Send + Sync>;

impl<F, R> IssuerResolver for F
where
    F: Fn(String) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<Issuer>, IssuerResolverError>> + Send + 'static,
{
    fn resolve<'a>(&'a self, issuer: &'a str) -> IssuerResolverFuture<'a> {
        Box::pin(self(issuer.to_owned()))
    }
}

/// The calls to the resolver: one at a time for an issuer, within a budget, and remembered when they came to nothing.
pub(super) struct Resolutions {
    resolver: Arc<dyn IssuerResolver>,
    waiting: WaitingPlaces,
    negative: NegativeMemory<Outcome>,
    state: Mutex<Resolving>,
}

struct Resolving {
    /// By issuer. No more than the budget has calls.
    calls: Flights<Box<str>>,
    /// Calls that found no issuer, or only evicted an unused one.
    fruitless: Window,
}

impl Resolutions {
    pub(super) fn new(resolver: Arc<dyn IssuerResolver>) -> Self {
        Self {
            resolver,
            waiting: WaitingPlaces::new(KeyPolicy::MAX_WAITING_REQUESTS),
            negative: NegativeMemory::new(MAX_REMEMBERED),
            state: Mutex::new(Resolving { calls: Flights::default(), fruitless: Window::new(BUDGET) }),
        }
    }

    /// `Ok` when waiting may bring the issuer.
    pub(super) fn look_up(&self, url: &str, now: Duration, has_waited: bool) -> Result<(), TokenError> {
        let decision = Decision::of(&Seen {
            can_be_an_issuer: url.len() <= MAX_ISSUER_BYTES && check_issuer_name(url).is_ok(),
            remembered: self.remembered(url, now),
            has_waited,
        });
        match decision {
            Decision::Wait => Ok(()),
            Decision::NotOurs => Err(TokenError::IssuerMismatch),
            Decision::Unavailable { retry_after } => Err(TokenError::KeysUnavailable { retry_after }),
        }
    }

    pub(super) async fn wait(&self, issuers: &Arc<TrustedIssuers>, url: &str) {
        let Some(_waiting) = self.waiting.take() else { return };
        let call = || self.join_or_start(issuers, url);
        let Some(first) = call() else { return };
        wait(first, REQUEST_WAIT, call).await;
    }

    fn join_or_start(&self, issuers: &Arc<TrustedIssuers>, url: &str) -> Option<Waiter> {
        let runtime = current_runtime().map_err(report_no_runtime).ok()?;
        // The lock is not held here: a runtime that shuts down drops the task at once, which then takes the lock.
        let (call, waiter) = self.join(issuers, url)?;
        if let Some(call) = call {
            let job = resolve(Arc::clone(&self.resolver), url.to_owned(), Arc::downgrade(issuers));
            runtime.spawn(call.run(job));
        }
        Some(waiter)
    }

    pub(super) fn join(&self, issuers: &Arc<TrustedIssuers>, url: &str) -> Option<(Option<Call<Resolution>>, Waiter)> {
        let now = issuers.now();
        // Dropped after the lock: this wakes those who wait for them.
        let mut _abandoned = Vec::new();
        let mut state = self.state();
        if let Some(waiter) = state.calls.join(url, now) {
            return Some((None, waiter));
        }
        if issuers.table().get(url).is_some() || self.look_up(url, now, false).is_err() {
            return None;
        }
        if !state.has_room(url, now) {
            _abandoned = state.cancel_abandoned(now);
            if !state.has_room(url, now) {
                return None;
            }
        }
        let (started, waiter) = state.calls.start(url.into(), now, CALL_TIMEOUT);
        let caller = Resolution { issuers: Arc::downgrade(issuers), url: url.into(), number: started.number };
        Some((Some(Call::new(caller, started)), waiter))
    }

    fn supersede(&self, url: &str, number: u64, now: Duration) -> bool {
        {
            let mut state = self.state();
            if state.calls.take_over(url, number).is_none() {
                return false;
            }
            state.fruitless.note(now);
        }
        tracing::warn!("a call of the issuer resolver was superseded by another: its runtime did not poll it for 5 s");
        true
    }

    fn finish(&self, issuers: &TrustedIssuers, call: &Resolution, ending: Ending<Answer>) {
        {
            let mut state = self.state();
            // The call that is about to supersede an interrupted one goes on.
            let is_moot = matches!(ending, Ending::Interrupted) && state.calls.is_predecessor(&*call.url, call.number);
            if is_moot || !state.calls.begin_landing(&*call.url, call.number) {
                return;
            }
        }
        // Neither the log nor the table is touched under the lock.
        let now = issuers.now();
        let (outcome, error) = match ending {
            Ending::Finished(Ok(None)) => (Some(Outcome::NotOurs), None),
            Ending::Finished(Ok(Some(issuer))) => ((!issuers.insert(issuer)).then_some(Outcome::Evicting), None),
            Ending::Finished(Err(error)) => (Some(Outcome::Failed), Some(error)),
            Ending::TimedOut => (Some(Outcome::Failed), Some("the resolver took longer than 5 s".into())),
            Ending::Panicked => (Some(Outcome::Failed), Some("the call panicked".into())),
            Ending::Interrupted => (
                Some(Outcome::of_interruption(self.remembered(&call.url, now))),
                Some("the call was interrupted".into()),
            ),
        };
        if let Some(error) = error {
            tracing::warn!(%error, "an issuer could not be resolved");
        }
        let landed = {
            let mut state = self.state();
            let landed = state.calls.land(&*call.url, call.number);
            if let (Some(outcome), Some(_)) = (outcome, &landed) {
                state.fruitless.note(now);
                if outcome.retention().is_some() {
                    self.negative.insert(&call.url, now, outcome);
                }
            }
            landed
        };
        if let (Some(Outcome::Interrupted), Some(landed)) = (outcome, landed) {
            landed.interrupted();
        }
    }

    fn remembered(&self, url: &str, now: Duration) -> Option<(Outcome, Duration)> {
        self.negative.get(url, now, |outcome| outcome.retention().unwrap_or_default())
    }

    fn state(&self) -> MutexGuard<'_, Resolving> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolving {
    /// Cancels abandoned calls, which would lock out all other issuers.
    fn cancel_abandoned(&mut self, now: Duration) -> Vec<(Box<str>, Landed)> {
        let abandoned = self.calls.cancel_abandoned(now);
        abandoned.iter().for_each(|_| self.fruitless.note(now));
        abandoned
    }

    /// Whether the budget allows another call, for this issuer. The one that it supersedes does not count.
    fn has_room(&self, url: &str, now: Duration) -> bool {
        let others = self.calls.len() - usize::from(self.calls.is_under_way(url));
        BUDGET.has_room(others + self.fruitless.spent(now))
    }
}

/// What the resolver says, its configuration checked.
type Answer = Result<Option<Arc<TrustedIssuer>>, IssuerResolverError>;

/// Calls the resolver and checks its result. Both may run application code.
async fn resolve(resolver: Arc<dyn IssuerResolver>, url: String, issuers: Weak<TrustedIssuers>) -> Answer {
    let Some(issuer) = resolver.resolve(&url).await? else { return Ok(None) };
    if *issuer.url != *url {
        return Err("the resolver answered with another issuer".into());
    }
    let issuers = issuers.upgrade().ok_or("the resource server is gone")?;
    Ok(Some(Arc::new(issuers.common.trust(&issuer, true)?)))
}

/// One call. It does not keep the issuers alive: when the last handle is dropped, it is cancelled.
pub(super) struct Resolution {
    issuers: Weak<TrustedIssuers>,
    url: Box<str>,
    number: u64,
}

impl Caller for Resolution {
    type Output = Answer;

    fn take_over(&self) -> bool {
        let Some(issuers) = self.issuers.upgrade() else { return false };
        issuers.resolutions.as_ref().is_some_and(|it| it.supersede(&self.url, self.number, issuers.now()))
    }

    fn ended(&mut self, ending: Ending<Answer>) {
        let Some(issuers) = self.issuers.upgrade() else { return };
        if let Some(resolutions) = &issuers.resolutions {
            resolutions.finish(&issuers, self, ending);
        }
    }
}

fn report_no_runtime(missing: NoRuntime) {
    match missing {
        NoRuntime::Absent => {
            tracing::error!("issuers cannot be resolved outside of a tokio runtime");
        }
        NoRuntime::WithoutTimers => {
            tracing::error!("issuers cannot be resolved in a tokio runtime without timers");
        }
    }
}

impl fmt::Debug for Resolutions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolutions").finish_non_exhaustive()
    }
}
