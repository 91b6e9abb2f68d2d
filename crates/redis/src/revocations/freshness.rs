//! How old the list is, measured when a token is used: if the task that reads the server is stuck or gone, the list
//! grows old all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tower_bearer::RevocationState;
use tower_bearer::time::Clock;

/// In normal operation the list is confirmed more than twice a second.
const CURRENT_WITHIN: Duration = Duration::from_secs(2);
/// What an outage adds to the age of the list in addition to its duration: the list was confirmed some time before, and
/// it takes another moment to connect again.
const AROUND_AN_OUTAGE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Freshness {
    clock: Arc<dyn Clock>,
    /// The highest age.
    tolerated: Duration,
    is_accepted_after: bool,
    /// When the list last had every entry of the server: milliseconds of monotonic time, plus one; 0 for never.
    complete_at: AtomicU64,
}

impl Freshness {
    pub(super) fn new(clock: Arc<dyn Clock>, tolerated: Duration, is_accepted_after: bool) -> Self {
        let tolerated = tolerated.saturating_add(AROUND_AN_OUTAGE);
        Self { clock, tolerated, is_accepted_after, complete_at: AtomicU64::new(0) }
    }

    /// The time to give to [`set_complete`](Self::set_complete), before the server is asked.
    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The list has every entry that was in the server at this time.
    pub(super) fn set_complete(&self, at: Duration) {
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX - 1);
        self.complete_at.store(at.saturating_add(1), Ordering::Release);
    }

    /// An entry is missing, and which one is unknown.
    pub(super) fn set_incomplete(&self) {
        self.complete_at.store(0, Ordering::Release);
    }

    /// `None` if the list has never been complete.
    pub(super) fn age(&self) -> Option<Duration> {
        let at = self.complete_at.load(Ordering::Acquire).checked_sub(1)?;
        Some(self.clock.monotonic_coarse().saturating_sub(Duration::from_millis(at)))
    }

    /// Whether the list is good enough to decide about a token, and to fill a server that lost its own.
    pub(super) fn is_usable(&self) -> bool {
        self.age().is_some_and(|age| age <= self.tolerated || self.is_accepted_after)
    }

    pub(super) fn state(&self) -> RevocationState {
        match self.age() {
            Some(age) if age <= CURRENT_WITHIN.min(self.tolerated) => RevocationState::Current,
            _ if self.is_usable() => RevocationState::Stale,
            _ => RevocationState::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use tower_bearer::time::{ManualClock, UnixTime};

    use super::*;

    fn freshness(is_accepted_after: bool) -> (ManualClock, Freshness) {
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        let freshness = Freshness::new(Arc::new(clock.clone()), Duration::from_secs(300), is_accepted_after);
        (clock, freshness)
    }

    #[test]
    fn n09_the_list_is_usable_up_to_the_tolerated_age_and_not_before_it_was_complete() {
        use RevocationState::{Current, Stale, Unavailable};
        let (clock, freshness) = freshness(false);
        assert_eq!((freshness.state(), freshness.is_usable()), (Unavailable, false));
        freshness.set_complete(freshness.now());
        for (milliseconds, state) in [(2_000, Current), (1, Stale), (298_999, Stale), (1, Unavailable)] {
            clock.advance(Duration::from_millis(milliseconds));
            assert_eq!((freshness.state(), freshness.is_usable()), (state, state != Unavailable), "{milliseconds}");
        }
        freshness.set_complete(freshness.now());
        assert_eq!(freshness.state(), Current);
        freshness.set_incomplete();
        assert_eq!((freshness.state(), freshness.age()), (Unavailable, None));
    }

    #[test]
    fn n09_a_jump_of_the_wall_clock_changes_nothing() {
        let (clock, freshness) = freshness(false);
        freshness.set_complete(freshness.now());
        for wall in [None, Some(UnixTime::from_secs(0)), Some(UnixTime::MAX)] {
            clock.set_wall(wall);
            assert_eq!(freshness.state(), RevocationState::Current);
        }
    }

    #[test]
    fn accepting_after_an_outage_needs_a_list_that_was_complete() {
        let (clock, freshness) = freshness(true);
        assert!(!freshness.is_usable());
        freshness.set_complete(freshness.now());
        clock.advance(Duration::from_secs(100_000));
        assert_eq!((freshness.state(), freshness.is_usable()), (RevocationState::Stale, true));
    }
}
