//! How far a replica is with reading the server, and what kept it from that.

use std::time::Duration;

use crate::failure::ServerFailure;

/// How far the replica is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Phase {
    #[default]
    Disconnected,
    /// Position, entries, upload.
    Reading,
    /// Connected, but the server does not hold the list.
    NotHeld,
    /// The list is complete, and stays so.
    Following,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) phase: Phase,
    /// What kept the replica from following; `None` while it does.
    pub(super) failure: Option<ServerFailure>,
    pub(super) propagation: Option<Duration>,
    /// How often the list was read as a whole.
    pub(super) times_read: u64,
}
