//! The health of a list that replicas share: what its owner knows, for the log, the metrics and health endpoints.

use std::sync::PoisonError;
use std::time::Duration;

use super::status::{RevocationState, RevocationStatus};
use crate::sync::{Mutex, MutexGuard};
use crate::telemetry::RevocationMeter;

/// Keeps the latest [`RevocationStatus`] of a [`RevocationCheck`](super::RevocationCheck), counts it, and logs each change
/// of its state: for checks that learn what is revoked from elsewhere, as `tower-bearer-redis` does.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::{RevocationHealth, RevocationState, RevocationStatus};
///
/// let health = RevocationHealth::new(RevocationState::Unavailable); // until the first snapshot
/// let mut status = RevocationStatus::new(RevocationState::Current);
/// (status.connected, status.age) = (Some(true), Some(Duration::ZERO));
/// health.update(status); // once a second, or when something changes
/// health.propagated(Duration::from_millis(3));
/// assert_eq!(health.status().propagation, Some(Duration::from_millis(3)));
/// ```
#[derive(Debug)]
pub struct RevocationHealth(Mutex<RevocationStatus>);

impl RevocationHealth {
    /// Nothing is known but this state. It is not logged.
    #[must_use]
    pub fn new(state: RevocationState) -> Self {
        Self(Mutex::new(RevocationStatus::new(state)))
    }

    /// The latest status.
    #[must_use]
    pub fn status(&self) -> RevocationStatus {
        self.locked().clone()
    }

    /// Replaces the status, and logs if its state is another. A status without
    /// [`propagation`](RevocationStatus::propagation) keeps the last one.
    pub fn update(&self, status: RevocationStatus) {
        let before = {
            let mut latest = self.locked();
            let propagation = status.propagation.or(latest.propagation);
            std::mem::replace(&mut *latest, RevocationStatus { propagation, ..status.clone() }).state
        };
        RevocationMeter::list(status.age, status.connected);
        if status.state == before {
            return;
        }
        let age_s = status.age.map(|age| age.as_secs());
        let error = status.last_error.as_deref();
        match status.state {
            RevocationState::Current => tracing::info!("the revocation list is up to date"),
            RevocationState::Stale => {
                tracing::warn!(age_s, error, "the revocation list may lack what other replicas have revoked lately");
            }
            RevocationState::Unavailable => {
                tracing::warn!(age_s, error, "the revocation list is too old; tokens are refused with 503");
            }
        }
    }

    /// An entry of another replica has arrived, so long after it was made.
    pub fn propagated(&self, took: Duration) {
        self.locked().propagation = Some(took);
        RevocationMeter::propagated(took);
    }

    fn locked(&self) -> MutexGuard<'_, RevocationStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
