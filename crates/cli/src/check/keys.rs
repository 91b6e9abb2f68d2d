//! The state of the issuers' keys, for tokens that cannot be validated without them.

use std::time::Duration;

use tower_bearer::{KeySetStatus, ResourceServer};

use super::api::Api;
use super::remedy;

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Waits until the first fetch of each issuer's keys has ended, well or not.
///
/// An API that has been running for a while has done so too. The layer itself waits for less than a fetch may take.
pub(super) async fn settle(server: &ResourceServer) {
    // Starts the fetches that are due. Each ends within the policy's time and then counts as a success or a failure.
    while server.readiness().issuers.iter().any(|status| !status.is_ready() && status.failures == 0) {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Why there are no keys, and what to do about it.
pub(super) fn problem(status: &KeySetStatus, api: &Api) -> Vec<String> {
    let Some(failure) = &status.last_error else {
        return vec![format!("The keys of {:?} are still being fetched: check the token again.", status.issuer)];
    };
    let cause = format!("The keys of {:?} are unavailable: {failure}.", status.issuer);
    let mut problem = vec![cause, remedy::for_keys(failure.error(), &status.issuer, api)];
    problem.extend(api.unknown_places(&status.issuer));
    problem
}
