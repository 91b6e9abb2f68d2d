//! What a request does next, and what the end of a call means.

use std::time::Duration;

use tokio::sync::watch;

use super::policy::{Class, Health};
use super::turns::{Seat, Slot};
use crate::digest::Digest;
use crate::keys::Jitter;
use crate::single_flight::{Landed as Wakes, Started, Waiter};

/// A request that has found no answer.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) token: Digest,
    pub(super) class: Class,
    /// How many calls had ended when it looked.
    pub(super) landings: u64,
    /// The seat that it has, unless that has ended.
    pub(super) seat: Option<u64>,
}

/// What a request does next.
pub(super) enum Step {
    /// Calls have ended since it looked: the answer may be known.
    LookAgain,
    /// No call is made at the moment.
    Paused(Duration),
    /// Too many requests wait.
    Busy,
    /// The issuer is not trusted any more.
    Closed,
    /// Wait for the token's turn.
    Queue(Seat),
    /// Wait for the call; run it first, if there is one. The request may be turned away meanwhile, through its seat.
    Join { seat: Seat, waiter: Waiter, start: Option<Started> },
}

/// A call that has ended, and how the calls of its class are now.
pub(super) struct Landed {
    /// Those who wait for it, unless they have their outcome by then.
    pub(super) _wakes_last: Wakes,
    pub(super) slot: Slot,
    /// Closing it wakes them, too.
    pub(super) _wake: watch::Sender<()>,
    pub(super) health: Health,
    /// Calls failed before this one, and do not any more.
    pub(super) has_recovered: bool,
    /// It changes what is known about the endpoint: it did not begin before calls paused.
    pub(super) counts: bool,
}

/// How a call ended, as far as it concerns others.
#[derive(Clone, Copy)]
pub(super) enum Landing {
    /// The endpoint answered, a call that began then.
    Succeeded { began: Duration },
    /// A failure of the endpoint, of a call that began then, with the endpoint's `Retry-After`.
    Failed { began: Duration, retry_after: Option<Duration>, jitter: Jitter },
    /// It says nothing about the endpoint.
    Neutral,
}
