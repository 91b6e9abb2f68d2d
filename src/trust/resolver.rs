//! Issuers that are not in the configuration: the application says who they are.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::TrustedIssuers;
use crate::error::TokenError;
use crate::issuer::Issuer;
use crate::keys::{WaitingPlaces, bounded};
use crate::sync::{Mutex, MutexGuard};
use crate::urls::check_issuer_name;

/// Longer issuers are nobody's honest choice.
const MAX_ISSUER_BYTES: usize = 512;

/// How many issuers are remembered as not ours.
const MAX_REMEMBERED: u64 = 10_000;

/// For how long an issuer that is not ours is not asked for again.
const NOT_OURS_FOR: Duration = Duration::from_secs(30);

/// For how long an issuer is not asked for again after the resolver failed.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// How many calls may be under way, or have come to nothing, within [`WINDOW`].
const MAX_CALLS: usize = 100;
const WINDOW: Duration = Duration::from_secs(30);

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
    /// Bounded, and keyed against hash flooding.
    negative: moka::sync::Cache<Box<str>, NegativeEntry>,
    state: Mutex<Resolving>,
}

/// A call that brought no issuer, or one in the place of another that had not been of use.
#[derive(Clone, Copy)]
struct NegativeEntry {
    at: Duration,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    NotOurs,
    Failed,
    /// It is ours, and pushed out one that had not been of use yet: whoever names tenants in turn, with tokens that are
    /// not theirs, must not have each resolved again and again, and its keys fetched.
    Evicting,
}

#[derive(Default)]
struct Resolving {
    /// Each is closed when its call ends. No more than [`MAX_CALLS`].
    in_flight: HashMap<Box<str>, watch::Receiver<()>>,
    /// When the last calls ended that came to nothing, or to no more than churn. No more than [`MAX_CALLS`].
    negative_at: VecDeque<Duration>,
}

impl Resolutions {
    pub(super) fn new(resolver: Arc<dyn IssuerResolver>) -> Self {
        Self {
            resolver,
            waiting: WaitingPlaces::default(),
            negative: moka::sync::Cache::new(MAX_REMEMBERED),
            state: Mutex::default(),
        }
    }

    /// `Ok` when waiting may bring the issuer.
    pub(super) fn look_up(&self, url: &str, now: Duration, has_waited: bool) -> Result<(), TokenError> {
        if url.len() > MAX_ISSUER_BYTES || check_issuer_name(url).is_err() {
            return Err(TokenError::IssuerMismatch);
        }
        let unavailable = |retry_after| TokenError::KeysUnavailable { retry_after };
        match self.negative.get(url).and_then(|negative| negative.left(now).map(|left| (negative.outcome, left))) {
            Some((Outcome::NotOurs, _)) => Err(TokenError::IssuerMismatch),
            Some((Outcome::Failed | Outcome::Evicting, left)) => Err(unavailable(left)),
            None if has_waited => Err(unavailable(FAILED_FOR)),
            None => Ok(()),
        }
    }

    pub(super) async fn wait(&self, issuers: &Arc<TrustedIssuers>, url: &str) {
        let Some(_waiting) = self.waiting.take() else { return };
        let Some(mut done) = self.join_or_start(issuers, url) else { return };
        let _ = tokio::time::timeout(REQUEST_WAIT, done.changed()).await;
    }

    fn join_or_start(&self, issuers: &Arc<TrustedIssuers>, url: &str) -> Option<watch::Receiver<()>> {
        let now = issuers.now();
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!("issuers cannot be resolved outside of a tokio runtime");
            return None;
        };
        let mut state = self.state();
        if let Some(in_flight) = state.in_flight.get(url) {
            return Some(in_flight.clone());
        }
        let is_settled = issuers.table().get(url).is_some() || self.look_up(url, now, false).is_err();
        if is_settled || !state.has_budget(now) {
            return None;
        }
        let (done, in_flight) = watch::channel(());
        state.in_flight.insert(url.into(), in_flight.clone());
        // A runtime that shuts down drops the task here and now, which then takes the lock.
        drop(state);
        let call = Call {
            issuers: Arc::downgrade(issuers),
            resolver: Arc::clone(&self.resolver),
            url: url.into(),
            ended: false,
            _done: done,
        };
        runtime.spawn(call.run(issuers.closing.subscribe()));
        Some(in_flight)
    }

    fn finish(&self, url: &str, negative: Option<NegativeEntry>) {
        let mut state = self.state();
        state.in_flight.remove(url);
        if let Some(negative) = negative {
            state.negative_at.push_back(negative.at);
            if negative.outcome != Outcome::Evicting {
                self.negative.insert(url.into(), negative);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, Resolving> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolving {
    fn has_budget(&mut self, now: Duration) -> bool {
        while self.negative_at.front().is_some_and(|at| now.saturating_sub(*at) >= WINDOW) {
            self.negative_at.pop_front();
        }
        self.in_flight.len() + self.negative_at.len() < MAX_CALLS
    }
}

impl NegativeEntry {
    /// For how long it still counts.
    fn left(self, now: Duration) -> Option<Duration> {
        let counts_for = match self.outcome {
            Outcome::NotOurs => NOT_OURS_FOR,
            Outcome::Failed | Outcome::Evicting => FAILED_FOR,
        };
        let left = counts_for.saturating_sub(now.saturating_sub(self.at));
        (!left.is_zero()).then_some(left)
    }
}

/// One call, in a task of its own: a cancelled request cannot cancel it, and the last handle's end does.
struct Call {
    issuers: Weak<TrustedIssuers>,
    resolver: Arc<dyn IssuerResolver>,
    url: Box<str>,
    ended: bool,
    _done: watch::Sender<()>,
}

impl Call {
    async fn run(mut self, closed: watch::Receiver<()>) {
        let resolver = Arc::clone(&self.resolver);
        let answer = match bounded(resolver.resolve(&self.url), CALL_TIMEOUT, closed).await {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Err("the resolver took longer than 5 s".into()),
            None => Err("the resource server is gone".into()),
        };
        self.end(answer);
    }

    /// Should it panic, for the issuer's configuration may have code of the application's, it is done again as a
    /// failure.
    fn end(&mut self, answer: Result<Option<Issuer>, IssuerResolverError>) {
        let Some(issuers) = self.issuers.upgrade() else { return };
        let Some(resolutions) = &issuers.resolutions else { return };
        let taken_in = answer.and_then(|answer| match answer {
            None => Ok(Some(Outcome::NotOurs)),
            Some(issuer) if *issuer.url != *self.url => Err("the resolver answered with another issuer".into()),
            Some(issuer) => Ok((!issuers.take_in(&issuer)?).then_some(Outcome::Evicting)),
        });
        let outcome = match taken_in {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%error, "an issuer could not be resolved");
                Some(Outcome::Failed)
            }
        };
        self.ended = true;
        resolutions.finish(&self.url, outcome.map(|outcome| NegativeEntry { at: issuers.now(), outcome }));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Err("the call was interrupted".into()));
        }
    }
}

impl fmt::Debug for Resolutions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolutions").finish_non_exhaustive()
    }
}
