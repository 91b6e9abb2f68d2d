//! Has the keys fetched before the first token, so that a wrong address shows as what it is.

use std::time::Duration;

use tower_bearer::{KeySetStatus, ResourceServer};

use super::settings::Settings;
use super::{remedy, warn};
use crate::outcome::Failure;

/// How often the fetches are asked how they are.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// One attempt for each issuer: `warm_up` would go on trying while somebody waits for the reason.
///
/// With several issuers, those whose keys are to be had are judged all the same.
///
/// # Errors
///
/// The reason and the remedy, when there are no keys at all.
pub(super) async fn load(server: &ResourceServer, settings: &Settings) -> Result<(), Failure> {
    // Starts the fetches. Each ends within the policy's time.
    while server.readiness().issuers.iter().any(|status| !status.is_ready() && status.failures == 0) {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let sets = server.key_sets();
    let failed: Vec<_> = sets.iter().filter(|status| !status.is_ready()).map(|set| problem(set, settings)).collect();
    if failed.len() == sets.len() {
        return Err(Failure::Run(failed.join("\n")));
    }
    failed.iter().for_each(|problem| warn(problem));
    Ok(())
}

/// Why there are no keys, and what to do about it.
pub(super) fn problem(status: &KeySetStatus, settings: &Settings) -> String {
    let Some(failure) = &status.last_error else {
        return format!("no keys of {:?}: they were not fetched yet", status.issuer);
    };
    let remedy = remedy::for_keys(failure.error(), &status.issuer, settings);
    format!("no keys of {:?}: {failure}\n  {remedy}", status.issuer)
}
