//! What the endpoints and the handle share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use tower_bearer_test::TestIssuer;

use super::endpoint::PerEndpoint;
use super::grants::{DeviceSettings, Grants, Issuing, OnRevocation};
use super::misbehaviour::Faults;
use super::pages::Sessions;
use super::paths::{self, Paths};
use super::pushed_requests::PushedRequests;
use super::registration::{Clients, RegisteredClient, Users};
use super::request_log::RequestLog;
use super::scripts::{DeviceScripts, NextTokens};
use super::used_assertions::UsedAssertions;
use super::{ClientSummary, Endpoint, UserSummary};

/// Five minutes: what a resource server takes without the header too, so that both ways are alike.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("max-age=300");

/// Who is known to the server, what scopes mean, and how devices are treated.
pub(super) struct Registered {
    pub(super) clients: Clients,
    pub(super) users: Users,
    pub(super) scope_descriptions: BTreeMap<String, String>,
    pub(super) client_summaries: Vec<ClientSummary>,
    pub(super) user_summaries: Vec<UserSummary>,
    pub(super) device_settings: DeviceSettings,
    pub(super) on_revocation: OnRevocation,
}

/// Issuer, clients, users, grants, faults and counters; it outlives a stop and a restart.
pub(super) struct ServerState {
    pub(super) issuer: TestIssuer,
    pub(super) clients: Clients,
    pub(super) users: Users,
    /// In words, by scope.
    pub(super) scope_descriptions: BTreeMap<String, String>,
    pub(super) sessions: Sessions,
    pub(super) grants: Grants,
    pub(super) pushed_requests: PushedRequests,
    pub(super) used_assertions: UsedAssertions,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) paths: Paths,
    /// Who is registered, without secrets.
    pub(super) client_summaries: Vec<ClientSummary>,
    pub(super) user_summaries: Vec<UserSummary>,
    pub(super) faults: Faults,
    pub(super) request_log: RequestLog,
    pub(super) device_settings: DeviceSettings,
    pub(super) device_scripts: DeviceScripts,
    pub(super) next_tokens: NextTokens,
    /// Of the JWK Set.
    cache_control: Mutex<Option<HeaderValue>>,
    requests: PerEndpoint<AtomicU64>,
    not_modified: AtomicU64,
}

impl ServerState {
    pub(super) fn new(issuer: TestIssuer, registered: Registered, paths: Paths, port: u16) -> Self {
        let Registered {
            clients,
            users,
            scope_descriptions,
            client_summaries,
            user_summaries,
            device_settings,
            on_revocation,
        } = registered;
        let url = |path: &str| format!("{}{path}", issuer.url());
        Self {
            sessions: Sessions::new(port, &paths.issuer, issuer.url().starts_with("https:")),
            grants: Grants::new(on_revocation),
            pushed_requests: PushedRequests::default(),
            used_assertions: UsedAssertions::default(),
            authorization_endpoint: url(&paths.authorize),
            token_endpoint: url(&paths.token),
            jwks_uri: url(paths::JWK_SET),
            issuer,
            clients,
            users,
            scope_descriptions,
            paths,
            client_summaries,
            user_summaries,
            faults: Faults::default(),
            request_log: RequestLog::default(),
            device_settings,
            device_scripts: DeviceScripts::default(),
            next_tokens: NextTokens::default(),
            cache_control: Mutex::new(Some(CACHE_CONTROL)),
            requests: PerEndpoint::default(),
            not_modified: AtomicU64::new(0),
        }
    }

    /// The path of an endpoint on this host.
    pub(super) fn path(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.paths.issuer)
    }

    /// The URL of an endpoint.
    pub(super) fn url(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.issuer.url())
    }

    /// Tokens for this client, now.
    pub(super) fn issuing<'a>(&'a self, client: &'a RegisteredClient) -> Issuing<'a> {
        Issuing { issuer: &self.issuer, next_tokens: &self.next_tokens, client, now: self.issuer.now() }
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
