//! Who watches a decision: logs, metrics, listeners.

use crate::time::{Clock, UnixTime};
use crate::token::ValidatedToken;
use crate::validator::{NoListener, Step, StepListener};

/// Hears of a decision while it is made.
pub(crate) trait Observer: StepListener {
    /// Whether a token that was accepted before may pass without the steps.
    const TAKES_KNOWN_TOKENS: bool = true;

    /// A token that was accepted before was still good at this time.
    fn recalled(&mut self, _token: &ValidatedToken, _now: UnixTime) {}

    /// The token is not known: the steps begin.
    fn begins(&mut self, _clock: &dyn Clock) {}
}

impl Observer for NoListener {}

/// A listener that is to hear of every step, also of those that a known token would skip.
pub(super) struct EveryStep<'l, L>(pub(super) &'l mut L);

impl<L: StepListener> StepListener for EveryStep<'_, L> {
    fn step(&mut self, step: Step<'_>) {
        self.0.step(step);
    }
}

impl<L: StepListener> Observer for EveryStep<'_, L> {
    const TAKES_KNOWN_TOKENS: bool = false;
}
