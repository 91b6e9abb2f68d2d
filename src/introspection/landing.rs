//! The end of a call: what is recorded, and which requests are woken.

use std::sync::Arc;
use std::time::Duration;

use super::Introspector;
use super::failure::{Blame, Failure};
use super::outcome::{Outcome, RETRY_AFTER};
use super::policy::MAX_PAUSE;
use super::question::{Asked, Question, Reply};
use super::step::Landing;
use super::wakeups::Wakeups;
use crate::digest::Digest;
use crate::error::TokenError;
use crate::keys::jitter;
use crate::single_flight::Ending;

impl Introspector {
    /// Supersedes a call that is past its limit. False if that one has ended after all.
    pub(super) fn supersede(&self, token: &Digest, number: u64) -> bool {
        let is_superseded = self.calls().take_over(token, number);
        if is_superseded {
            self.report_superseded(&Failure::abandoned());
        }
        is_superseded
    }

    /// Records how a call ended, unless it was superseded, and wakes those who wait for it.
    pub(super) fn finish(&self, question: &Question, ending: Ending<Asked>) {
        let asked = match ending {
            Ending::Finished(asked) => asked,
            Ending::TimedOut => Failure::timeout(self.settings.timeout).into(),
            Ending::Panicked => Failure::interrupted().into(),
            Ending::Interrupted => return self.interrupted(question),
        };
        let (token, number, now) = (&question.token, question.number, self.clock.monotonic());
        if !self.calls().begin_landing(token, number) {
            return;
        }
        // Before others can see that it has ended: they look into the memory then.
        let landing = self.remember(question, &asked, now);
        let is_found = self.method.is_found();
        let mut wakeups = Wakeups::default();
        let landed = self.calls().land(token, number, landing, is_found, now, &mut wakeups);
        if let Some(landed) = landed {
            let outcome = match &asked.reply {
                Reply::Active(answer) => Outcome::Active(Arc::clone(answer)),
                Reply::Refused(error) | Reply::Undecided(error) => Outcome::Refused(error.clone()),
                Reply::Failed(failure) if failure.blame() == Blame::Token => Outcome::Refused(self.unanswerable()),
                Reply::Failed(_) => Outcome::down(landed.health.pause(now).unwrap_or(RETRY_AFTER)),
            };
            let _ = landed.slot.set(outcome);
            self.report_ended(&asked, &landed, now.saturating_sub(question.started_at));
            drop(landed);
        }
        wakeups.wake();
    }

    /// The runtime of a call has ended: those who wait for it start another at once.
    fn interrupted(&self, question: &Question) {
        let (now, mut wakeups) = (self.clock.monotonic(), Wakeups::default());
        let waiters = self.calls().interrupted(&question.token, question.number, now, &mut wakeups);
        wakeups.wake();
        if let Some(waiters) = waiters {
            waiters.interrupted();
        }
    }

    /// Records what is known about the token now, and returns what the reply says about the endpoint.
    fn remember(&self, question: &Question, asked: &Asked, now: Duration) -> Landing {
        let token = question.token;
        match (&asked.reply, &asked.refusal) {
            (Reply::Active(_), None) => self.memory.accepted(token),
            (Reply::Active(_), Some(error)) => self.memory.refused(token, error.clone(), true, now),
            (Reply::Refused(error), _) => self.memory.refused(token, error.clone(), true, now),
            (Reply::Undecided(_), _) => return Landing::Neutral,
            (Reply::Failed(failure), _) if failure.blame() == Blame::Token => {
                self.memory.refused(token, self.unanswerable(), false, now);
                return Landing::Neutral;
            }
            (Reply::Failed(failure), _) => {
                let (began, retry_after) = (question.started_at, failure.retry_after());
                return Landing::Failed { began, retry_after, jitter: jitter() };
            }
        }
        Landing::Succeeded { began: question.started_at }
    }

    /// The call for one token failed, and no other is made for a while.
    fn unanswerable(&self) -> TokenError {
        TokenError::IntrospectionUnavailable { retry_after: self.settings.inactive_cache.clamp(RETRY_AFTER, MAX_PAUSE) }
    }
}
