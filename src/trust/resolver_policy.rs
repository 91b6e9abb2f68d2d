//! What to do about an issuer that is not in the table: pure functions of what is remembered, without a clock, a lock or
//! I/O. Which issuer is evicted for another is in [`Table`](super::Table).

use std::time::Duration;

use crate::single_flight::{Budget, RESTART_WINDOW};

/// No honest issuer has a longer name.
pub(super) const MAX_ISSUER_BYTES: usize = 512;

/// How many issuers are remembered as not ours.
pub(super) const MAX_REMEMBERED: u64 = 10_000;

/// How long an issuer that is not ours is not looked up again.
const NOT_OURS_FOR: Duration = Duration::from_secs(30);

/// How long an issuer is not looked up again after the resolver failed.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// How many calls may be under way or have failed within [`WINDOW`].
const MAX_CALLS: usize = 100;
const WINDOW: Duration = Duration::from_secs(30);
pub(super) const BUDGET: Budget = Budget { calls: MAX_CALLS, window: WINDOW };

/// The outcome of a call that returned no issuer, or one that evicted another unused issuer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    NotOurs,
    Failed,
    /// It is ours, but evicted an issuer that was not used yet. Counted, so that forged tokens that name one tenant
    /// after another cannot have each resolved, and its keys fetched, again and again.
    Evicting,
    /// The runtime of the call ended. Another call may start at once.
    Interrupted,
}

impl Outcome {
    /// What an interruption counts as, given what is remembered about the issuer: one may be followed by another call
    /// at once, a further one is a failure.
    pub(super) fn of_interruption(remembered: Option<(Self, Duration)>) -> Self {
        match remembered {
            Some((Self::Interrupted, _)) => Self::Failed,
            _ => Self::Interrupted,
        }
    }

    /// How long it is remembered about an issuer, if at all.
    pub(super) const fn retention(self) -> Option<Duration> {
        match self {
            Self::NotOurs => Some(NOT_OURS_FOR),
            Self::Failed => Some(FAILED_FOR),
            Self::Interrupted => Some(RESTART_WINDOW),
            Self::Evicting => None,
        }
    }
}

/// What to do for a request that names an issuer which is not in the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// Wait for the call under way, or start one.
    Wait,
    NotOurs,
    /// It is unknown at the moment whether the issuer is ours.
    Unavailable {
        retry_after: Duration,
    },
}

/// What is known about a request and the issuer that it names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The name is one that an issuer may have.
    pub(super) can_be_an_issuer: bool,
    /// The outcome of the last call, and for how much longer it counts.
    pub(super) remembered: Option<(Outcome, Duration)>,
    pub(super) has_waited: bool,
}

impl Decision {
    pub(super) fn of(seen: &Seen) -> Self {
        match seen.remembered {
            _ if !seen.can_be_an_issuer => Self::NotOurs,
            Some((Outcome::NotOurs, _)) => Self::NotOurs,
            Some((Outcome::Failed, left)) => Self::Unavailable { retry_after: left },
            _ if seen.has_waited => Self::Unavailable { retry_after: FAILED_FOR },
            Some((Outcome::Interrupted | Outcome::Evicting, _)) | None => Self::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Decision::{NotOurs, Unavailable, Wait};
    use super::*;

    const LEFT: Duration = Duration::from_secs(3);

    #[test]
    fn d11_each_thing_known_about_an_issuer_has_its_decision() {
        let remembered_for = Unavailable { retry_after: LEFT };
        let in_a_while = Unavailable { retry_after: FAILED_FOR };
        for (remembered, first, after_the_wait) in [
            (None, Wait, in_a_while),
            (Some(Outcome::NotOurs), NotOurs, NotOurs),
            (Some(Outcome::Failed), remembered_for, remembered_for),
            (Some(Outcome::Interrupted), Wait, in_a_while),
            (Some(Outcome::Evicting), Wait, in_a_while),
        ] {
            let remembered = remembered.map(|outcome| (outcome, LEFT));
            let seen = |has_waited| Seen { can_be_an_issuer: true, remembered, has_waited };
            assert_eq!(
                [Decision::of(&seen(false)), Decision::of(&seen(true))],
                [first, after_the_wait],
                "{remembered:?}"
            );
            for has_waited in [false, true] {
                assert_eq!(Decision::of(&Seen { can_be_an_issuer: false, ..seen(has_waited) }), NotOurs);
            }
        }
    }

    #[test]
    fn f11_each_outcome_is_remembered_for_its_time() {
        let seconds = |outcome: Outcome| outcome.retention().map(|retention| retention.as_secs());
        let all = [Outcome::NotOurs, Outcome::Failed, Outcome::Interrupted, Outcome::Evicting];
        assert_eq!(all.map(seconds), [Some(30), Some(5), Some(30), None]);
    }

    #[test]
    fn f17_one_interruption_is_no_failure_of_the_resolver_but_a_second_one_is() {
        let after = |outcome| Outcome::of_interruption(Some((outcome, LEFT)));
        assert_eq!(Outcome::of_interruption(None), Outcome::Interrupted);
        assert_eq!(after(Outcome::Interrupted), Outcome::Failed);
        assert_eq!([Outcome::Failed, Outcome::NotOurs].map(after), [Outcome::Interrupted; 2]);
    }
}
