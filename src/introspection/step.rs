//! What a request does next, and what the end of a call means.

use std::time::Duration;

use tokio::sync::watch;

use super::policy::Health;
use super::wakeups::Slot;
use crate::keys::Jitter;
use crate::single_flight::{Landed as Wakes, Started, Waiter};

/// What a request does next.
pub(super) enum Step {
    /// Calls have ended since it looked: the answer may be known.
    LookAgain,
    /// No call is made at the moment.
    Paused(Duration),
    /// Wait for the token's turn.
    Queue { id: u64, slot: Slot, turn: watch::Receiver<()> },
    /// Wait for the call; run it first, if there is one.
    Join { waiter: Waiter, slot: Slot, start: Option<Started> },
}

/// A call that has ended, and how the calls of its class are now.
pub(super) struct Landed {
    /// Those who wait for it, unless they have their outcome by then.
    pub(super) wakes_last: Wakes,
    pub(super) slot: Slot,
    pub(super) health: Health,
    /// The call before failed.
    pub(super) was_failing: bool,
}

/// How a call ended, as far as it concerns others.
#[derive(Clone, Copy)]
pub(super) enum Landing {
    Succeeded,
    /// A failure of the endpoint, with its `Retry-After`.
    Failed(Option<Duration>, Jitter),
    /// It says nothing about the endpoint.
    Neutral,
}
