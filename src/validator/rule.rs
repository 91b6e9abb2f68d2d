//! A rule makes a check and describes it. Only the functions here report a check, and each of them makes it first.

use std::fmt;

use super::step::{Check, Found, Step, StepListener};
use crate::error::TokenError;

/// One check of a token.
pub(crate) trait Rule {
    const CHECK: Check;
    /// What a token that passes brings to light.
    type Passed;
    type Failed: Failure;

    fn apply(&mut self) -> Result<Self::Passed, Self::Failed>;

    /// What the configuration expects.
    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// What the token has. Only asked for after [`apply`](Self::apply).
    fn found(&self) -> Found<'_>;
}

/// How a check fails.
pub(crate) trait Failure {
    /// The check could not be made yet: there is nothing to report.
    fn is_undecided(&self) -> bool;
}

impl Failure for TokenError {
    fn is_undecided(&self) -> bool {
        false
    }
}

/// Makes a check and reports it.
#[inline(always)]
pub(crate) fn check<R: Rule, L: StepListener>(listener: &mut L, rule: R) -> Result<R::Passed, R::Failed> {
    check_or(listener, rule, |_, _| Ok(()))
}

/// As [`check`]; but where the token fails, `other` may find a reason that comes first, which is reported in its place.
#[inline(always)]
pub(crate) fn check_or<R: Rule, L: StepListener>(
    listener: &mut L,
    mut rule: R,
    other: impl FnOnce(&R, &mut L) -> Result<(), R::Failed>,
) -> Result<R::Passed, R::Failed> {
    let verdict = rule.apply();
    match &verdict {
        Ok(_) => report(listener, &rule, true),
        Err(failure) if failure.is_undecided() => {}
        Err(_) => {
            other(&rule, listener)?;
            report(listener, &rule, false);
        }
    }
    verdict
}

/// Makes a check ahead of its turn: it is reported only if the token fails.
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
