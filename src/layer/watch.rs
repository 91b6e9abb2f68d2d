//! Logs and counts the decision about one request.

use crate::error::TokenError;
use crate::refusal::{Detail, LOG_TARGET, log};
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
    /// Boxed, because it is rarely present.
    failed: Option<Box<Detail>>,
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

/// Keeps the requirement that the token did not meet, for the log. The token's content does not belong there.
impl StepListener for Watch {
    fn step(&mut self, step: Step<'_>) {
        if !step.passed && tracing::enabled!(target: LOG_TARGET, tracing::Level::DEBUG) {
            self.failed = Some(Box::new(Detail::Check { check: step.check, expected: step.expected.to_string() }));
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
