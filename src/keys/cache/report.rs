//! How a fetch ended, for the log and the metrics.

use std::sync::Arc;
use std::time::Duration;

use super::KeyCache;
use super::snapshot::Snapshot;
use crate::error::KeySetError;
use crate::keys::warn_of_dropped;
use crate::single_flight::NoRuntime;
use crate::telemetry::FetchRecord;

pub(super) enum Ended {
    Published {
        last: Option<Arc<Snapshot>>,
        next: Arc<Snapshot>,
        is_unchanged: bool,
        failures: u32,
    },
    Failed {
        error: KeySetError,
        failures: u32,
        retry_after: Duration,
    },
    /// Its runtime ended. Another may start at once.
    Interrupted,
    /// Its runtime did not poll it. Another takes its place.
    Superseded {
        error: KeySetError,
        failures: u32,
    },
}

impl KeyCache {
    pub(super) fn report(&self, ended: &Ended, now: Duration, took: Duration) {
        match ended {
            Ended::Published { last, next, is_unchanged, failures } => {
                let (keys, lifetime_s) = (next.set.len(), next.lifetime.as_secs());
                if *failures > 0 {
                    tracing::info!(issuer = %self.issuer, keys, lifetime_s, failures, "fetched the keys again");
                } else {
                    tracing::debug!(issuer = %self.issuer, keys, lifetime_s, "fetched the keys");
                }
                if !last.as_ref().is_some_and(|last| next.set.has_keys_of(&last.set)) {
                    warn_of_dropped(&self.issuer, &next.set);
                }
                let last_age = last.as_ref().map(|last| last.age(now));
                let (is_unchanged, now, dropped) = (*is_unchanged, self.clock.now(), next.set.dropped().len());
                self.meter.fetched(&FetchRecord { took, last_age, is_unchanged, keys, dropped, now });
            }
            Ended::Failed { error, failures, retry_after } => {
                let meanwhile = match &*self.snapshot.load() {
                    Some(last) if last.bounds.serves(now) => "the last good set is kept",
                    Some(_) => "the last good set is too old, requests are answered with 503",
                    None if error.is_issuer_mismatch() => {
                        "there are none: tokens with the configured `iss` are answered with 503, all others with 401"
                    }
                    None => "there are none, tokens of this issuer are answered with 503",
                };
                tracing::warn!(
                    issuer = %self.issuer, reason = error.reason(), %error, failures,
                    retry_after_s = retry_after.as_secs(), "could not fetch the keys; {meanwhile}"
                );
                self.meter.fetch_failed(took, error);
            }
            Ended::Interrupted => {
                tracing::info!(
                    issuer = %self.issuer,
                    "a fetch of the keys was interrupted because its runtime ended; another may start at once"
                );
                self.meter.fetch_failed(took, &KeySetError::Interrupted);
            }
            Ended::Superseded { error, failures } => {
                tracing::warn!(
                    issuer = %self.issuer, reason = error.reason(), %error, failures,
                    "a fetch of the keys was superseded by another"
                );
                self.meter.fetch_failed(took, error);
            }
        }
    }

    pub(super) fn report_no_runtime(&self, missing: NoRuntime) {
        match missing {
            NoRuntime::Absent => {
                tracing::error!(issuer = %self.issuer, "keys cannot be fetched outside of a tokio runtime");
            }
            NoRuntime::WithoutTimers => {
                tracing::error!(issuer = %self.issuer, "keys cannot be fetched in a tokio runtime without timers");
            }
        }
    }
}
