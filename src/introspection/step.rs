//! What a request does next, and what the end of a call means.

use std::time::Duration;

use tokio::sync::watch;

use super::policy::{Class, Health};
use super::wakeups::Slot;
use crate::digest::Digest;
use crate::keys::Jitter;
use crate::single_flight::{Landed as Wakes, Started, Waiter};

/// The `Retry-After` when nothing better is known.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A request that has found no answer.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) token: Digest,
    pub(super) class: Class,
    /// How many calls had ended when it looked.
    pub(super) landings: u64,
    /// It is counted among those that wait.
    pub(super) has_place: bool,
}

/// What a request does next.
pub(super) enum Step {
    /// Calls have ended since it looked: the answer may be known.
    LookAgain,
    /// No call is made at the moment.
    Paused(Duration),
    /// Too many requests wait.
    Busy,
    /// Wait for the token's turn.
    Queue { id: u64, slot: Slot, wake: watch::Receiver<()> },
    /// Wait for the call; run it first, if there is one. It may be turned away meanwhile, by `wake`.
    Join { id: u64, slot: Slot, wake: watch::Receiver<()>, waiter: Waiter, start: Option<Started> },
}

/// A call that has ended, and how the calls of its class are now.
pub(super) struct Landed {
    /// Those who wait for it, unless they have their outcome by then.
    pub(super) wakes_last: Wakes,
    pub(super) slot: Slot,
    /// Closing it wakes them, too.
    pub(super) _wake: watch::Sender<()>,
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
