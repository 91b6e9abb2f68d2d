//! A rule applies one check and describes it. Only the functions in this file report a check, after applying it.

use std::fmt;

use super::step::{Check, Found, Step, StepListener};
use crate::error::TokenError;

/// One check of a token.
pub(crate) trait Rule {
    const CHECK: Check;
    /// What the check yields when the token passes.
    type Passed;
    type Failed: Failure;

    fn apply(&mut self) -> Result<Self::Passed, Self::Failed>;

    /// What the configuration expects.
    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// What the token has. Called only after [`apply`](Self::apply).
    fn found(&self) -> Found<'_>;
}

/// The error of a check.
pub(crate) trait Failure {
    /// Whether we have to wait before this check can be made. Then there is nothing to report.
    fn is_pending(&self) -> bool;
}

impl Failure for TokenError {
    fn is_pending(&self) -> bool {
        false
    }
}

/// Applies a rule and reports the result.
#[inline(always)]
pub(crate) fn check<R: Rule, L: StepListener>(listener: &mut L, rule: R) -> Result<R::Passed, R::Failed> {
    check_or(listener, rule, |_, _| Ok(()))
}

/// As [`check`], but if the token fails, `other` may find a reason that takes precedence and is reported instead.
#[inline(always)]
pub(crate) fn check_or<R: Rule, L: StepListener>(
    listener: &mut L,
    mut rule: R,
    other: impl FnOnce(&R, &mut L) -> Result<(), R::Failed>,
) -> Result<R::Passed, R::Failed> {
    let verdict = rule.apply();
    match &verdict {
        Ok(_) => report(listener, &rule, true),
        Err(failure) if failure.is_pending() => {}
        Err(_) => {
            other(&rule, listener)?;
            report(listener, &rule, false);
        }
    }
    verdict
}

/// Applies a rule ahead of its turn, and reports it only if the token fails.
pub(crate) fn check_early<R: Rule, L: StepListener>(listener: &mut L, mut rule: R) -> Result<(), R::Failed> {
    rule.apply().map(drop).inspect_err(|_| report(listener, &rule, false))
}

#[inline(always)]
fn report<R: Rule, L: StepListener>(listener: &mut L, rule: &R, passed: bool) {
    let expected = format_args!("{}", Expected(rule));
    listener.step(Step { check: R::CHECK, passed, expected, found: rule.found() });
}

struct Expected<'a, R>(&'a R);

impl<R: Rule> fmt::Display for Expected<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expected(f)
    }
}
