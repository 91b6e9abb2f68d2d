//! Logs and counts the decision about one request.

use crate::error::TokenError;
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
    }
}

/// Logs the setting that the token did not meet, for debugging a refusal. What the token says does not belong in logs.
impl StepListener for Watch {
    fn step(&mut self, step: Step<'_>) {
        if !step.passed {
            tracing::debug!(check = ?step.check, expected = %step.expected, "a token failed a check");
        }
    }
}

impl Observer for Watch {
    fn cache_hit(&mut self, token: &ValidatedToken, now: UnixTime) {
        Judgement::recalled(now, token.expires_at());
    }

    fn begins(&mut self, clock: &dyn Clock) {
        self.judgement.get_or_insert_with(|| Judgement::begin(clock));
    }
}
