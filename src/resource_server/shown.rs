//! What is said of a judgement, in logs and to listeners.

use std::fmt;

use crate::claims::untrusted_iss;
use crate::trust::Table;
use crate::validator::{Shown, Step, StepListener};

/// Whoever debugs a refusal wants to see the configuration that the token did not meet. What the token says is left
/// out: logs are not the place for it.
pub(super) struct LogExpectation;

impl StepListener for LogExpectation {
    fn step(&mut self, step: Step<'_>) {
        if !step.passed {
            tracing::debug!(check = ?step.check, expected = %step.expected, "a token failed a check");
        }
    }
}

/// The URLs of the trusted issuers, made into text only where it is shown.
pub(super) struct Urls<'a>(pub(super) &'a Table);

impl fmt::Debug for Urls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|issuer| &issuer.rules.issuer)).finish()
    }
}

/// The issuer that was chosen, or else the one that the token names.
pub(super) struct Choice<'a> {
    pub(super) chosen: Option<&'a str>,
    pub(super) payload: &'a [u8],
}

impl fmt::Display for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.chosen {
            Some(url) => write!(f, "{url:?}"),
            None => Shown(&untrusted_iss(self.payload).ok().flatten()).fmt(f),
        }
    }
}
