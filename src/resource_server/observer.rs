//! Observers of a decision: logs, metrics, listeners.

use crate::time::{Clock, UnixTime};
use crate::token::ValidatedToken;
use crate::validator::{NoListener, Step, StepListener};

/// Is notified while a decision is made.
pub(crate) trait Observer: StepListener {
    /// Whether a cached token may pass without the steps.
    const USES_CACHE: bool = true;

    /// A cache hit: the token was still valid at this time.
    fn cache_hit(&mut self, _token: &ValidatedToken, _now: UnixTime) {}

    /// The steps begin. Called again after a wait.
    fn begins(&mut self, _clock: &dyn Clock) {}
}

impl Observer for NoListener {}

/// A listener that needs every step, including those that a cache hit skips.
pub(super) struct EveryStep<'l, L>(pub(super) &'l mut L);

impl<L: StepListener> StepListener for EveryStep<'_, L> {
    fn step(&mut self, step: Step<'_>) {
        self.0.step(step);
    }
}

impl<L: StepListener> Observer for EveryStep<'_, L> {
    const USES_CACHE: bool = false;
}
