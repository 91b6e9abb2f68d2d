//! What the endpoints and the handle share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

use super::endpoint::PerEndpoint;
use super::faults::Faults;
use super::jwk_set_endpoint::CACHE_CONTROL;
use super::paths::{self, Paths};
use super::registration::Clients;
use super::request_log::RequestLog;
use super::{ClientSummary, Endpoint, UserSummary};
use crate::test_util::TestIssuer;

/// Issuer, clients, faults and counters; it outlives a stop and a restart.
pub(super) struct ServerState {
    pub(super) issuer: TestIssuer,
    pub(super) clients: Clients,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) paths: Paths,
    /// Who is registered, without secrets.
    pub(super) client_summaries: Vec<ClientSummary>,
    pub(super) user_summaries: Vec<UserSummary>,
    pub(super) faults: Faults,
    pub(super) request_log: RequestLog,
    /// Of the JWK Set.
    cache_control: Mutex<Option<HeaderValue>>,
    requests: PerEndpoint<AtomicU64>,
    not_modified: AtomicU64,
}

impl ServerState {
    pub(super) fn new(issuer: TestIssuer, clients: Clients, paths: Paths) -> Self {
        Self {
            token_endpoint: format!("{}{}", issuer.url(), paths.token),
            jwks_uri: format!("{}{}", issuer.url(), paths::JWK_SET),
            issuer,
            clients,
            paths,
            client_summaries: Vec::new(),
            user_summaries: Vec::new(),
            faults: Faults::default(),
            request_log: RequestLog::default(),
            cache_control: Mutex::new(Some(CACHE_CONTROL)),
            requests: PerEndpoint::default(),
            not_modified: AtomicU64::new(0),
        }
    }

    pub(super) fn showing(self, client_summaries: Vec<ClientSummary>, user_summaries: Vec<UserSummary>) -> Self {
        Self { client_summaries, user_summaries, ..self }
    }

    pub(super) fn count(&self, endpoint: Endpoint) {
        self.requests.at(endpoint).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn requests(&self, endpoint: Endpoint) -> u64 {
        self.requests.at(endpoint).load(Ordering::Relaxed)
    }

    pub(super) fn count_not_modified(&self) {
        self.not_modified.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn not_modified(&self) -> u64 {
        self.not_modified.load(Ordering::Relaxed)
    }

    pub(super) fn cache_control(&self) -> Option<HeaderValue> {
        self.locked_cache_control().clone()
    }

    pub(super) fn set_cache_control(&self, value: Option<HeaderValue>) {
        *self.locked_cache_control() = value;
    }

    fn locked_cache_control(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.cache_control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
