//! Calls that many requests wait for, such as a fetch of an issuer's keys: at most one is under way for each key, in a
//! task of its own, so that a cancelled request does not cancel it.
//!
//! A user keeps [`Flights`], a [`Window`] of spent budget and a [`NegativeMemory`] behind its own lock, next to what the
//! calls bring, so that both change together. To get a call's outcome it takes a [waiting place](WaitingPlaces), looks
//! for a [runtime that can run calls](current_runtime), then [joins](Flights::join) the call under way or
//! [starts](Flights::start) a [`Call`] and spawns it. [`wait`] waits for the end.
//!
//! A call that its runtime does not poll cannot enforce its own time limit. So the first request after the limit
//! starts another one in its place: the first one is *superseded*, its result is discarded, and it is cancelled if it is
//! ever polled again. A call whose task is dropped because its runtime ended was *interrupted*: its waiters start another at
//! once. `policy.rs` decides when a call may start, be superseded or be restarted, with pure functions of ages and counts.

mod call;
#[cfg(test)]
#[cfg(feature = "unit-tests")]
mod exploration;
mod flights;
mod negative;
mod policy;
mod runtime;
mod waiting;
mod window;

pub(crate) use call::{Call, Caller, wait};
pub(crate) use flights::{Flights, Landed, Started, Waiter, Wakeup};
pub(crate) use negative::NegativeMemory;
pub(crate) use policy::{Budget, Ending, RESTART_WINDOW, may_restart};
pub(crate) use runtime::{NoRuntime, current_runtime};
pub(crate) use waiting::WaitingPlaces;
pub(crate) use window::Window;
