//! Questions about tokens: who asks, who waits, and for how long.

use std::future::Future;
use std::sync::Arc;

use tokio::time::timeout;

use super::answer::{ActiveAnswer, AskedAt, Unusable};
use super::failure::Failure;
use super::method::Said;
use super::outcome::Outcome;
use super::policy::Class;
use super::question::{Asked, Question, Reply};
use super::step::Step;
use super::wakeups::Wakeups;
use super::{Introspector, RETRY_AFTER};
use crate::digest::Digest;
use crate::error::TokenError;
use crate::single_flight::{Call, Started, Wakeup, current_runtime};
use crate::telemetry::Waiting;

impl Introspector {
    /// What is known about a token without asking: a refusal, or that no call is made at the moment.
    pub(crate) fn look_up(&self, token: &[u8]) -> Option<TokenError> {
        let (digest, now) = (self.digester.digest(token), self.clock.monotonic());
        if let Some(refusal) = self.memory.refusal(&digest, now) {
            self.meter.known_refused();
            return Some(refusal);
        }
        let pause = self.calls().health(self.memory.class(&digest)).pause(now)?;
        Some(TokenError::IntrospectionUnavailable { retry_after: pause })
    }

    /// Waits for the answer about a token, for as long as a request may. `job` [asks](Self::ask) and keeps what is good;
    /// `is_known` says whether that was done in the meantime, and then there is no outcome.
    pub(crate) async fn wait<F>(
        self: &Arc<Self>,
        token: &[u8],
        is_known: impl Fn() -> bool,
        job: impl Fn() -> F,
    ) -> Option<Outcome>
    where
        F: Future<Output = Asked> + Send + 'static,
    {
        if let Err(missing) = current_runtime() {
            self.report_no_runtime(missing);
            return Some(Outcome::unavailable(RETRY_AFTER));
        }
        let digest = self.digester.digest(token);
        let class = self.memory.class(&digest);
        let Some(_place) = self.take_place(class) else {
            self.meter.turned_away();
            return Some(Outcome::unavailable(RETRY_AFTER));
        };
        let outcome = timeout(self.settings.request_wait, self.outcome(digest, class, is_known, job)).await;
        outcome.unwrap_or(Some(Outcome::unavailable(RETRY_AFTER)))
    }

    async fn outcome<F>(
        self: &Arc<Self>,
        token: Digest,
        class: Class,
        is_known: impl Fn() -> bool,
        job: impl Fn() -> F,
    ) -> Option<Outcome>
    where
        F: Future<Output = Asked> + Send + 'static,
    {
        let mut interruptions = 0;
        // Kept until the next step is taken: a turn that is given up goes to others.
        let mut _queued = None;
        loop {
            // Read before the memory and the cache: a call that ends after this look makes `step` look again.
            let landings = self.calls().landings();
            if let Some(refusal) = self.memory.refusal(&token, self.clock.monotonic()) {
                return Some(Outcome::Refused(refusal));
            }
            if is_known() {
                return None;
            }
            match self.step(token, class, landings) {
                Step::LookAgain => {}
                Step::Paused(left) => return Some(Outcome::unavailable(left)),
                Step::Queue { id, slot, mut turn } => {
                    _queued = Some(Queued { introspector: self, token, id });
                    let _ = turn.changed().await;
                    if let Some(outcome) = slot.get() {
                        return Some(outcome.clone());
                    }
                }
                Step::Join { mut waiter, slot, start } => {
                    if let Some(started) = start {
                        self.run(token, started, job());
                    }
                    let wakeup = waiter.ended().await;
                    if let Some(outcome) = slot.get() {
                        return Some(outcome.clone());
                    }
                    interruptions += usize::from(wakeup == Wakeup::Interrupted);
                    if interruptions > 1 {
                        return Some(Outcome::unavailable(RETRY_AFTER));
                    }
                }
            }
        }
    }

    /// Asks again about a token that is in use, before its answer is too old, if that is possible at once. Nothing
    /// waits for it.
    pub(crate) fn ask_ahead<F>(self: &Arc<Self>, token: &[u8], job: impl FnOnce() -> F)
    where
        F: Future<Output = Asked> + Send + 'static,
    {
        if current_runtime().is_err() {
            return;
        }
        let (token, now) = (self.digester.digest(token), self.clock.monotonic());
        let started = self.calls().start_ahead(token, now);
        if let Some(started) = started {
            self.run(token, started, job());
        }
    }

    /// Asks about a token, at once and without regard to others.
    pub(crate) async fn ask(&self, token: &str) -> Reply {
        let Some(wall) = self.clock.now() else { return Reply::Refused(TokenError::ClockUnavailable) };
        let asked_at = AskedAt { monotonic: self.clock.monotonic(), wall };
        let limit = self.settings.timeout;
        let said = timeout(limit, self.method.ask(token)).await.unwrap_or_else(|_| Err(Failure::timeout(limit)));
        match said {
            Ok(Said::Inactive) => Reply::Refused(TokenError::Inactive),
            Ok(Said::Json(json, form)) => match ActiveAnswer::read(&json, form, &self.issuer, asked_at) {
                Ok(answer) => Reply::Active(Arc::new(answer)),
                Err(Unusable::Refused(error)) => Reply::Refused(error),
                Err(Unusable::Json(fault)) => Reply::Failed(Failure::json(fault)),
            },
            Err(failure) => Reply::Failed(failure),
        }
    }

    fn step(&self, token: Digest, class: Class, landings: u64) -> Step {
        let (now, mut wakeups) = (self.clock.monotonic(), Wakeups::default());
        let step = self.calls().step(token, class, Some(landings), now, &mut wakeups);
        wakeups.wake();
        step
    }

    fn run(self: &Arc<Self>, token: Digest, started: Started, job: impl Future<Output = Asked> + Send + 'static) {
        let (introspector, number) = (Arc::downgrade(self), started.number);
        let question = Question { introspector, token, number, started_at: self.clock.monotonic() };
        // The lock is not held here: a runtime that shuts down drops the task at once, which then takes the lock.
        tokio::spawn(Call::new(question, started).run(job));
    }

    fn take_place(&self, class: Class) -> Option<Place<'_>> {
        let mut wakeups = Wakeups::default();
        let is_admitted = self.calls().admit(class, &Outcome::unavailable(RETRY_AFTER), &mut wakeups);
        wakeups.wake();
        is_admitted.then(|| Place { introspector: self, class, _counted: self.meter.waiting() })
    }
}

/// A request that waits.
struct Place<'a> {
    introspector: &'a Introspector,
    class: Class,
    _counted: Waiting,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.introspector.calls().leave(self.class);
    }
}

/// A request that waits for its token's turn.
struct Queued<'a> {
    introspector: &'a Introspector,
    token: Digest,
    id: u64,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let (now, mut wakeups) = (self.introspector.clock.monotonic(), Wakeups::default());
        self.introspector.calls().leave_queue(&self.token, self.id, now, &mut wakeups);
        wakeups.wake();
    }
}
