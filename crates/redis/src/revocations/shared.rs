//! What the task that reads the server and the callers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tower_bearer::time::{Clock, UnixTime};
use tower_bearer::{Revocation, RevocationCheck as _, RevocationError, RevocationList};

use super::freshness::Freshness;
use super::names::Names;
use super::progress::Report;
use crate::connection::Commands;
use crate::failure::ServerFailure;
use crate::server::CheckedServer;

pub(super) struct Shared {
    pub(super) server: Arc<CheckedServer>,
    pub(super) names: Names,
    pub(super) list: RevocationList,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) freshness: Freshness,
    pub(super) commands: Commands,
    pub(super) write_timeout: Duration,
    pub(super) believes_after_restart: bool,
    /// For how long this replica accepts a token after its `iat`.
    pub(super) own_lifetime: Duration,
    /// The same of the replica that accepts them longest, in seconds.
    pub(super) longest_lifetime: AtomicU64,
    /// Something that was revoked here may not be in the server.
    pub(super) has_unshared: AtomicBool,
    pub(super) report: watch::Sender<Report>,
}

impl Shared {
    /// Takes what was read from the server into the list.
    pub(super) fn apply(&self, entry: &Revocation) -> Result<(), ServerFailure> {
        self.list.revoke(entry).map(drop).map_err(|error| {
            // Who is revoked is unknown from here on.
            self.freshness.set_incomplete();
            match error {
                RevocationError::Full { max_entries } => ServerFailure::ListFull { max_entries },
                RevocationError::ClockUnavailable => ServerFailure::ClockUnavailable,
                _ => ServerFailure::UnreadableEntry,
            }
        })
    }

    /// Somebody is revoked, and it is unknown who: the list no longer counts, however recent it is.
    pub(super) fn note_unreadable(&self, failure: &ServerFailure) {
        if *failure == ServerFailure::UnreadableEntry {
            self.freshness.set_incomplete();
        }
    }

    pub(super) fn longest_lifetime(&self) -> Duration {
        Duration::from_secs(self.longest_lifetime.load(Ordering::Acquire))
    }

    /// The same entry, for as long as the replica accepts tokens that accepts them longest.
    pub(super) fn for_all_replicas(&self, entry: &Revocation) -> Result<Revocation, RevocationError> {
        let longest = self.longest_lifetime();
        if longest <= self.own_lifetime {
            return Ok(entry.clone());
        }
        let until = match (entry.issued_up_to(), entry.ends()) {
            (None, Some(_)) => return Ok(entry.clone()),
            (None, None) => self.now()?.saturating_add(longest),
            (Some(latest), ends) => ends.into_iter().fold(latest.saturating_add(longest), UnixTime::max),
        };
        Ok(entry.clone().until(until))
    }

    /// The latest `iat` that a token can have now.
    pub(super) fn latest_issued_at(&self) -> Result<UnixTime, RevocationError> {
        Ok(self.now()?.saturating_add(self.list.max_leeway().unwrap_or_default()))
    }

    pub(super) fn now(&self) -> Result<UnixTime, RevocationError> {
        self.clock.now().ok_or(RevocationError::ClockUnavailable)
    }
}
