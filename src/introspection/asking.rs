//! Introspection of tokens: which requests start a call, which wait, and for how long.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};

use super::answer::{ActiveAnswer, AskedAt, Unusable};
use super::failure::Failure;
use super::method::Said;
use super::outcome::{Outcome, RETRY_AFTER};
use super::question::{Asked, Question, Reply};
use super::step::{Request, Step};
use super::turns::Seat;
use super::wakeups::Wakeups;
use super::{Introspector, TURNS_IN_A_CALL};
use crate::digest::Digest;
use crate::error::TokenError;
use crate::keys::Keys;
use crate::single_flight::{Call, Started, Waiter, Wakeup, current_runtime};
use crate::telemetry::Waiting as WaitingRequest;

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

    /// Waits for the answer about a token, for as long as a request may. `job` [asks](Self::ask) and caches a good
    /// answer; `is_known` says whether that was done in the meantime, and then there is no outcome.
    pub(crate) async fn wait<F>(
        self: &Arc<Self>,
        token: &[u8],
        is_known: impl Fn() -> bool,
        job: impl Fn() -> F,
    ) -> Option<Outcome>
    where
        F: Future<Output = Asked> + Send + 'static,
    {
        let token = self.digester.digest(token);
        if let Err(missing) = current_runtime() {
            self.report_no_runtime(missing);
            return Some(self.calls().crowded_out(self.memory.class(&token)));
        }
        let mut limit = pin!(sleep(self.settings.request_wait));
        let (mut seat, mut interruptions, mut is_early) = (None, 0, None);
        let most_of_the_time = self.settings.timeout.min(self.settings.request_wait).mul_f64(0.75);
        loop {
            // Read before the memory and the cache: a call that ends after this look makes `step` look again.
            let landings = self.calls().landings();
            if let Some(refusal) = self.memory.refusal(&token, self.clock.monotonic()) {
                return Some(Outcome::Refused(refusal));
            }
            if is_known() {
                return None;
            }
            let class = self.memory.class(&token);
            let seats = seat.as_ref().map(|taken: &Taken<'_>| taken.id);
            match self.step(Request { token, class, landings, seat: seats }) {
                Step::LookAgain => {}
                Step::Paused(left) => return Some(Outcome::down(left)),
                Step::Closed => return Some(Outcome::crowded_out(false)),
                Step::Busy => {
                    self.meter.turned_away();
                    return Some(self.calls().crowded_out(class));
                }
                Step::Queue(Seat { id, slot, mut wake, .. }) => {
                    Taken::renew(&mut seat, self, token, id);
                    // It looks now and then: others may not take their turns.
                    let turn = timeout(self.settings.timeout / TURNS_IN_A_CALL, wake.changed());
                    let looked = within(limit.as_mut(), turn).await;
                    match slot.get() {
                        Some(outcome) => return Some(outcome.clone()),
                        None if looked.is_none() => return Some(self.calls().crowded_out(class)),
                        None => {}
                    }
                }
                Step::Join { seat: Seat { id, slot, mut wake, .. }, mut waiter, start } => {
                    Taken::renew(&mut seat, self, token, id);
                    let is_early =
                        *is_early.get_or_insert_with(|| sleep(most_of_the_time).deadline() <= limit.deadline());
                    if let Some(started) = start {
                        self.run(token, started, job());
                    }
                    let wakeup = within(limit.as_mut(), ended_or_sent_away(&mut waiter, &mut wake)).await;
                    match (slot.get(), wakeup) {
                        (Some(outcome), _) => return Some(outcome.clone()),
                        (None, None) if is_early => return Some(Outcome::down(RETRY_AFTER)),
                        // Most of its time went by before the call, so that says nothing about the endpoint.
                        (None, None) => return Some(self.calls().crowded_out(class)),
                        (None, Some(Wakeup::Interrupted)) => interruptions += 1,
                        (None, Some(Wakeup::Ended)) => {}
                    }
                    if interruptions > 1 {
                        return Some(self.calls().crowded_out(class));
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

    /// Asks about a token, at once and without regard to others. `keys` are the issuer's, for signed answers.
    pub(crate) async fn ask(&self, token: &str, keys: Option<&Keys>) -> Reply {
        let Some(wall) = self.clock.now() else { return Reply::Undecided(TokenError::ClockUnavailable) };
        let asked_at = AskedAt { monotonic: self.clock.monotonic(), wall };
        let limit = self.settings.timeout;
        let said =
            timeout(limit, self.method.ask(token, keys, wall)).await.unwrap_or_else(|_| Err(Failure::timeout(limit)));
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

    fn step(&self, request: Request) -> Step {
        let (now, mut wakeups) = (self.clock.monotonic(), Wakeups::default());
        let step = self.calls().step(request, now, &mut wakeups);
        wakeups.wake();
        step
    }

    fn run(self: &Arc<Self>, token: Digest, started: Started, job: impl Future<Output = Asked> + Send + 'static) {
        let (introspector, number) = (Arc::downgrade(self), started.number);
        let question = Question { introspector, token, number, started_at: self.clock.monotonic() };
        // The lock is not held here: a runtime that shuts down drops the task at once, which then takes the lock.
        tokio::spawn(Call::new(question, started).run(job));
    }
}

/// Waits for the end of a call, or until it is no longer worth waiting for.
pub(super) async fn ended_or_sent_away(waiter: &mut Waiter, wake: &mut watch::Receiver<()>) -> Wakeup {
    let (mut ended, mut woken) = (pin!(waiter.ended()), pin!(wake.changed()));
    poll_fn(|context| match ended.as_mut().poll(context) {
        Poll::Ready(wakeup) => Poll::Ready(wakeup),
        Poll::Pending => woken.as_mut().poll(context).map(|_| Wakeup::Ended),
    })
    .await
}

/// The result of the work, unless the limit passes first.
async fn within<T>(mut limit: Pin<&mut Sleep>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => limit.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// A seat that a request has at its token, until it leaves.
struct Taken<'a> {
    introspector: &'a Introspector,
    token: Digest,
    id: u64,
    _counted: WaitingRequest,
}

impl<'a> Taken<'a> {
    fn renew(seat: &mut Option<Self>, introspector: &'a Introspector, token: Digest, id: u64) {
        if seat.as_ref().is_none_or(|taken| taken.id != id) {
            *seat = Some(Self { introspector, token, id, _counted: introspector.meter.waiting() });
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let (now, mut wakeups) = (self.introspector.clock.monotonic(), Wakeups::default());
        self.introspector.calls().leave(&self.token, self.id, now, &mut wakeups);
        wakeups.wake();
    }
}
