//! Has the keys fetched before the first token, so that a wrong address shows as what it is.

use std::time::Duration;

use tower_bearer::{Issuer, KeySetStatus, ResourceServer};

use super::settings::Settings;
use super::{remedy, warn};
use crate::outcome::Failure;

/// How often the fetches are asked how they are.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

pub(super) fn is_url(place: &str) -> bool {
    let is_scheme = |scheme: &str| place.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    is_scheme("https://") || is_scheme("http://")
}

/// Trusts the authorities of a file beside those of the system, for an issuer inside the own network.
pub(super) fn trust_certificate(issuer: Issuer, file: &str) -> Result<Issuer, Failure> {
    let pem = std::fs::read(file).map_err(|error| Failure::run(format_args!("{file:?} cannot be read"), error))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|error| Failure::run(format_args!("{file:?} has no certificates in PEM"), error))?;
    Ok(issuer.http_client(move |client| client.tls_certs_merge(certificates.clone())))
}

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
    let error = status.last_error.as_deref().unwrap_or("they were not fetched yet");
    let remedy = remedy::for_keys(error, &status.issuer, settings);
    format!("no keys of {:?}: {error}\n  {remedy}", status.issuer)
}
