//! Logs and counts the decision about one request.

use crate::error::TokenError;
use crate::refusal::{FailedCheck, log};
use crate::resource_server::Observer;
use crate::telemetry::Judgement;
use crate::time::{Clock, UnixTime};
use crate::token::ValidatedToken;
use crate::validator::{Step, StepListener};

/// Watches the decision about one request.
#[derive(Default)]
pub(super) struct Watch {
    /// `None` until the steps begin: a cache hit has none.
    judgement: Option<Judgement>,
    /// Boxed, because it is seldom there.
    failed: Option<Box<FailedCheck>>,
}

impl Watch {
    pub(super) fn accepted(&self, clock: &dyn Clock, token: &ValidatedToken) {
        if let Some(judgement) = &self.judgement {
            judgement.accepted(clock, token.expires_at());
        }
    }

    pub(super) fn refused(&self, clock: &dyn Clock, error: &TokenError) {
        if let Some(judgement) = &self.judgement {
            judgement.refused(clock, error);
        }
        log(error, self.failed.as_deref());
    }
}

/// Keeps the setting that the token did not meet, for the log. What the token says does not belong there.
impl StepListener for Watch {
    fn step(&mut self, step: Step<'_>) {
        if !step.passed && tracing::enabled!(tracing::Level::DEBUG) {
            self.failed = Some(Box::new(FailedCheck { check: step.check, expected: step.expected.to_string() }));
        }
    }
}

impl Observer for Watch {
    fn cache_hit(&mut self, token: &ValidatedToken, now: UnixTime) {
        Judgement::recalled(now, token.expires_at());
    }

    fn begins(&mut self, clock: &dyn Clock) {
        self.failed = None;
        self.judgement.get_or_insert_with(|| Judgement::begin(clock));
    }
}
