//! One call, and the wait for it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::flights::{Started, Waiter, Wakeup};
use super::policy::{Ending, grace};

/// What a call is made for.
pub(crate) trait Caller {
    type Output;

    /// The grace period of the superseded call is over. False if this call is no longer needed.
    fn take_over(&self) -> bool;

    /// The call has ended. Called once, unless it was cancelled; never under a lock of ours.
    fn ended(&mut self, ending: Ending<Self::Output>);
}

/// A call, to be run in a task. However it ends, even if its task is dropped, the caller is notified.
pub(crate) struct Call<C: Caller> {
    caller: C,
    started: Started,
    /// It is being polled now. If it is dropped then, the poll panicked.
    is_polled: bool,
    has_ended: bool,
}

impl<C: Caller> Call<C> {
    pub(crate) const fn new(caller: C, started: Started) -> Self {
        Self { caller, started, is_polled: false, has_ended: false }
    }

    /// Runs the work within the call's limit, and reports how it ended.
    pub(crate) async fn run(mut self, work: impl Future<Output = C::Output>) {
        self.is_polled = true;
        match self.ending_of(work).await {
            Some(ending) => self.end(ending),
            None => self.has_ended = true,
        }
    }

    /// `None` when the call was cancelled.
    async fn ending_of(&mut self, work: impl Future<Output = C::Output>) -> Option<Ending<C::Output>> {
        let limit = self.started.limit;
        let mut cancelled = self.started.cancelled.clone();
        let (mut cancelled, mut work) = (pin!(cancelled.changed()), pin!(tokio::time::timeout(limit, work)));
        let mut grace = pin!(self.started.supersedes.then(|| tokio::time::sleep(grace(limit))));
        poll_fn(|context| {
            self.is_polled = true;
            let polled = 'polled: {
                // First, because the result of a call that was superseded is discarded.
                if cancelled.as_mut().poll(context).is_ready() {
                    break 'polled Poll::Ready(None);
                }
                if let Some(elapsed) = grace.as_mut().as_pin_mut() {
                    if elapsed.poll(context).is_pending() {
                        break 'polled Poll::Pending;
                    }
                    grace.set(None);
                    if !self.take_over() {
                        break 'polled Poll::Ready(None);
                    }
                }
                work.as_mut().poll(context).map(|finished| Some(finished.map_or(Ending::TimedOut, Ending::Finished)))
            };
            self.is_polled = false;
            polled
        })
        .await
    }

    pub(crate) fn take_over(&self) -> bool {
        self.caller.take_over()
    }

    pub(crate) fn end(&mut self, ending: Ending<C::Output>) {
        if !self.has_ended {
            self.has_ended = true;
            self.caller.ended(ending);
        }
    }
}

impl<C: Caller> Drop for Call<C> {
    fn drop(&mut self) {
        self.end(if self.is_polled { Ending::Panicked } else { Ending::Interrupted });
    }
}

/// Waits at most `limit` for a call to end. If it is interrupted, `again` joins or starts another.
pub(crate) async fn wait(mut call: Waiter, limit: Duration, mut again: impl FnMut() -> Option<Waiter>) {
    let ended = async {
        while call.ended().await == Wakeup::Interrupted {
            match again() {
                Some(next) => call = next,
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(limit, ended).await;
}
