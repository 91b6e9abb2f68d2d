//! Authorization requests that clients have sent ahead (RFC 9126).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tower_bearer::time::UnixTime;

use super::grants::{Expiring, Handle, HandleDigest};
use super::oauth_error::OAuthError;
use super::parameters::Parameters;

/// Long enough to log in and to read a page: the request is read again with each form (RFC 9126 §2.2 allows ten
/// minutes).
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

const CAPACITY: usize = 1_000;

/// RFC 9126 §2.2.
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// Requests that no user has decided on yet.
pub(super) struct PushedRequests(Mutex<Expiring<HandleDigest, Parameters>>);

impl Default for PushedRequests {
    fn default() -> Self {
        Self(Mutex::new(Expiring::with_capacity(CAPACITY)))
    }
}

impl PushedRequests {
    /// Keeps a request that makes sense, and returns its `request_uri`.
    pub(super) fn keep(&self, request: Parameters, now: UnixTime) -> Result<String, OAuthError> {
        let handle = Handle::random()?;
        self.requests().insert(handle.digest(), request, now.saturating_add(LIFETIME), now);
        Ok(format!("{PREFIX}{}", handle.into_secret()))
    }

    /// Whether this names a pushed request, known or not; no other `request_uri` is ever looked up.
    pub(super) fn is_pushed(request_uri: &str) -> bool {
        request_uri.starts_with(PREFIX)
    }

    /// The request of this `request_uri`.
    pub(super) fn get(&self, request_uri: &str, now: UnixTime) -> Option<Parameters> {
        self.requests().get(digest(request_uri)?, now).cloned()
    }

    /// Forgets a request that was decided on: it is good for one decision (§7.3). `false` when it was before.
    pub(super) fn spend(&self, request_uri: &str) -> bool {
        digest(request_uri).is_some_and(|digest| self.requests().remove(digest).is_some())
    }

    fn requests(&self) -> MutexGuard<'_, Expiring<HandleDigest, Parameters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(request_uri: &str) -> Option<HandleDigest> {
    request_uri.strip_prefix(PREFIX).map(HandleDigest::of)
}
