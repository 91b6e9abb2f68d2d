//! When a call may start, and what its end means: pure functions of ages and counts, without a clock, a lock or I/O.

use std::time::Duration;

/// Within this window, one interrupted call may be restarted at once; further ones back off like failures.
pub(crate) const RESTART_WINDOW: Duration = Duration::from_secs(30);

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending<T> {
    Finished(T),
    /// It took longer than its limit.
    TimedOut,
    /// Its task was dropped while nobody polled it, because its runtime ended: no failure of the other side.
    Interrupted,
    /// It panicked.
    Panicked,
}

/// A call under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    pub(super) age: Duration,
    pub(super) limit: Duration,
    /// It has ended, and its result is being processed.
    pub(super) is_landing: bool,
}

/// What to do for a request that needs the outcome of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Entry {
    /// None is under way.
    Start,
    /// Wait for the one under way.
    Join,
    /// The one under way is past its limit: its runtime does not poll it. Start another in its place.
    Supersede,
}

impl Entry {
    pub(super) fn of(under_way: Option<UnderWay>) -> Self {
        match under_way {
            None => Self::Start,
            // Processing a result is quick unless it panics, and then nothing may wait for it forever.
            Some(call) if call.is_landing && call.age < call.limit.saturating_mul(2) => Self::Join,
            Some(call) if call.age < call.limit => Self::Join,
            Some(_) => Self::Supersede,
        }
    }
}

/// How long a call waits before it supersedes another. A healthy but busy runtime may fire the other call's timeout a
/// little late; that call should still end as an ordinary timeout.
pub(super) fn grace(limit: Duration) -> Duration {
    limit / 20
}

/// Whether a call is abandoned: its limit and the grace period are over.
pub(super) fn is_abandoned(call: UnderWay) -> bool {
    Entry::of(Some(call)) == Entry::Supersede && call.age >= call.limit.saturating_add(grace(call.limit))
}

/// Whether the result of the call `ended` counts: it is the current one, or the one that the current one gives its
/// grace. Any other was superseded or cancelled.
pub(super) fn counts(ended: u64, current: u64, predecessor: Option<u64>) -> bool {
    ended == current || predecessor == Some(ended)
}

/// Whether an interrupted call may be restarted at once, given how long ago the last one was.
pub(crate) fn may_restart(since_last: Option<Duration>) -> bool {
    since_last.is_none_or(|age| age >= RESTART_WINDOW)
}

/// How many calls may be made within a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) calls: usize,
    pub(crate) window: Duration,
}

impl Budget {
    /// Whether a call of this age counts.
    pub(super) fn counts(self, age: Duration) -> bool {
        age < self.window
    }

    pub(crate) const fn has_room(self, spent: usize) -> bool {
        spent < self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn under_way(age_ms: u64) -> UnderWay {
        UnderWay { age: Duration::from_millis(age_ms), limit: LIMIT, is_landing: false }
    }

    #[test]
    fn f16_a_call_is_joined_until_its_limit_and_superseded_from_then_on() {
        assert_eq!(Entry::of(None), Entry::Start);
        for (age_ms, entry, is_abandoned_then) in [
            (0, Entry::Join, false),
            (4_999, Entry::Join, false),
            (5_000, Entry::Supersede, false),
            (5_249, Entry::Supersede, false),
            (5_250, Entry::Supersede, true),
            (u64::MAX, Entry::Supersede, true),
        ] {
            assert_eq!(
                (Entry::of(Some(under_way(age_ms))), is_abandoned(under_way(age_ms))),
                (entry, is_abandoned_then),
                "{age_ms}"
            );
        }
        let endless = UnderWay { limit: Duration::MAX, ..under_way(u64::MAX) };
        assert_eq!((Entry::of(Some(endless)), is_abandoned(endless)), (Entry::Join, false));
    }

    #[test]
    fn f16_a_result_that_is_being_taken_in_is_waited_for_but_not_for_ever() {
        for (age_ms, entry) in
            [(0, Entry::Join), (5_000, Entry::Join), (9_999, Entry::Join), (10_000, Entry::Supersede)]
        {
            assert_eq!(Entry::of(Some(UnderWay { is_landing: true, ..under_way(age_ms) })), entry, "{age_ms}");
        }
    }

    #[test]
    fn f16_the_result_of_a_superseded_call_does_not_count() {
        for (ended, current, predecessor, expected) in [
            (1, 1, None, true),
            (2, 2, Some(1), true),
            (1, 2, Some(1), true),
            (1, 2, None, false),
            (1, 3, Some(2), false),
            (2, 1, None, false),
        ] {
            assert_eq!(counts(ended, current, predecessor), expected, "{ended} {current} {predecessor:?}");
        }
    }

    #[test]
    fn f17_an_interrupted_call_may_be_restarted_at_once_one_time_in_thirty_seconds() {
        let since = |seconds| may_restart(Some(Duration::from_secs(seconds)));
        assert!(may_restart(None));
        assert_eq!([0, 1, 29, 30, 31].map(since), [false, false, false, true, true]);
    }

    #[test]
    fn f02_a_budget_counts_calls_within_its_window() {
        let budget = Budget { calls: 2, window: Duration::from_secs(30) };
        assert_eq!([0, 29, 30, 31].map(|age| budget.counts(Duration::from_secs(age))), [true, true, false, false]);
        assert_eq!([0, 1, 2, 3].map(|spent| budget.has_room(spent)), [true, true, false, false]);
    }
}
