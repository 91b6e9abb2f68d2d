//! Why nothing is known about a token: the call failed, or its answer cannot be used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::source::IntrospectionSourceError;
use crate::error::JsonFault;
#[cfg(feature = "remote-keys")]
use crate::error::KeySetError;

/// Why a call brought no answer. Clients never see it: they get 503.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    reason: &'static str,
    text: Arc<str>,
    url: Option<Arc<str>>,
    retry_after: Option<Duration>,
    blame: Blame,
}

/// Whom a failure counts against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Blame {
    /// The endpoint: calls pause when it happens again and again.
    Endpoint,
    /// This token alone: anybody may have made it up.
    Token,
}

impl Failure {
    /// The request or its response.
    #[cfg(feature = "remote-keys")]
    pub(super) fn http(error: &KeySetError) -> Self {
        let status = match error.reported() {
            KeySetError::Status { status, .. } => Some(*status),
            _ => None,
        };
        let (reason, remedy) = match status {
            Some(401 | 403) => (
                "credentials_refused",
                "; it refuses our own credentials: check the client id and secret of `.client(..)`, and that this \
                 client may introspect",
            ),
            Some(404 | 405 | 410) => (error.reason(), "; check the URL of the introspection endpoint"),
            Some(429) => (error.reason(), "; it asks for fewer calls: cache answers for longer, or raise its limit"),
            _ => (error.reason(), ""),
        };
        let blame = match (status, error.reported()) {
            (Some(401 | 403 | 408 | 429), _) => Blame::Endpoint,
            (Some(400..=499), _) | (_, KeySetError::TooLarge { .. }) => Blame::Token,
            _ => Blame::Endpoint,
        };
        Self {
            reason,
            text: format!("{error}{remedy}").into(),
            url: error.url().map(Arc::from),
            retry_after: error.retry_after(),
            blame,
        }
    }

    /// The response has another media type than was asked for, so it is from something else: a proxy, a login page.
    #[cfg(feature = "remote-keys")]
    pub(super) fn content_type(url: Arc<str>, expected: &str, found: &str) -> Self {
        let text = format!("{url} answered with status 200 and content type {found:?}, not {expected:?}");
        Self { reason: "content_type", text: text.into(), url: Some(url), retry_after: None, blame: Blame::Endpoint }
    }

    /// The signed answer cannot be trusted.
    #[cfg(feature = "remote-keys")]
    pub(super) fn signed(problem: impl fmt::Display) -> Self {
        Self::new("signed_answer", format!("the signed answer {problem}"))
    }

    /// The answer is not JSON that can be trusted to mean one thing.
    pub(super) fn json(fault: JsonFault) -> Self {
        // What is not JSON at all does not come from the endpoint; the rest may be due to this token's claims.
        let blame = if fault == JsonFault::Invalid { Blame::Endpoint } else { Blame::Token };
        Self { blame, ..Self::new("answer", format!("the members of the answer {fault}")) }
    }

    pub(super) fn source(error: &IntrospectionSourceError) -> Self {
        Self::new("source", format!("the introspection source failed: {error}"))
    }

    #[cfg(feature = "remote-keys")]
    pub(super) fn authentication(error: &super::client_authentication::ClientAuthenticationError) -> Self {
        Self::new("client_authentication", format!("our own credentials could not be added: {error}"))
    }

    pub(super) fn timeout(limit: Duration) -> Self {
        Self::new("timeout", format!("the call took longer than {} ms", limit.as_millis()))
    }

    pub(super) fn interrupted() -> Self {
        Self::new("interrupted", String::from("the call was interrupted"))
    }

    pub(super) fn abandoned() -> Self {
        Self::new(
            "abandoned",
            String::from("the call was not polled, because its runtime is blocked or no longer driven"),
        )
    }

    fn new(reason: &'static str, text: String) -> Self {
        Self { reason, text: text.into(), url: None, retry_after: None, blame: Blame::Endpoint }
    }

    /// A stable code for logs and metrics.
    pub(super) const fn reason(&self) -> &'static str {
        self.reason
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The server's `Retry-After`.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(super) const fn blame(&self) -> Blame {
        self.blame
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
