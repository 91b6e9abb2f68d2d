//! What is logged, and what a health endpoint can say. An outage is logged when it begins, when its cause changes, and
//! when it is over.

use std::time::Duration;

use super::progress::Phase;
use super::shared::Shared;
use crate::failure::ServerFailure;

impl Shared {
    pub(super) fn report_reading(&self) {
        self.report.send_modify(|report| {
            // A list that is read again while nothing is wrong is no outage.
            if report.phase != Phase::Following {
                report.phase = Phase::Reading;
            }
            report.times_read = report.times_read.saturating_add(1);
        });
    }

    pub(super) fn report_following(&self) {
        let was = self.report.borrow().clone();
        if was.phase == Phase::Following {
            return;
        }
        self.report.send_modify(|report| (report.phase, report.failure) = (Phase::Following, None));
        tracing::info!(server = %self.server.url, entries = self.list.len(), "the revocation list is complete");
    }

    pub(super) fn report_failure(&self, failure: ServerFailure) {
        let phase = if failure == ServerFailure::NotHeld { Phase::NotHeld } else { Phase::Disconnected };
        let is_new = self.report.borrow().failure.as_ref() != Some(&failure);
        if is_new && phase == Phase::NotHeld {
            tracing::warn!(server = %self.server.url, "the server does not hold the revocation list");
        } else if is_new {
            tracing::warn!(
                server = %self.server.url, reason = failure.reason(), error = %failure,
                "the revocation list of the other replicas cannot be read"
            );
        }
        self.report.send_modify(|report| (report.phase, report.failure) = (phase, Some(failure)));
    }

    pub(super) fn report_propagation(&self, took: Duration) {
        self.report.send_modify(|report| report.propagation = Some(took));
    }

    pub(super) fn report_uploaded(&self, entries: usize) {
        tracing::info!(server = %self.server.url, entries, "entries that the server lacked were uploaded");
    }

    pub(super) fn report_marked(&self) {
        tracing::info!(server = %self.server.url, "the server holds the revocation list from now on");
    }

    /// Once a connection.
    pub(super) fn report_eviction_policy(&self, policy: Option<&str>) {
        match policy {
            Some(policy) if policy.starts_with("allkeys") => tracing::warn!(
                server = %self.server.url, policy,
                "the server may evict the revocation list; set its maxmemory-policy to noeviction"
            ),
            Some(_) => {}
            None => tracing::warn!(
                server = %self.server.url,
                "the server does not say whether it may evict the revocation list; its maxmemory-policy must be \
                 noeviction"
            ),
        }
    }
}
