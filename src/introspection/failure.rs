//! Why nothing is known about a token: the call failed, or its answer cannot be used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::source::{IntrospectionSourceError, IntrospectionSourceFailure};
use crate::error::JsonFault;
#[cfg(feature = "remote-keys")]
use crate::error::KeySetError;
#[cfg(feature = "remote-keys")]
use crate::keys::bounded;

/// How many characters of a header field from the server are shown.
#[cfg(feature = "remote-keys")]
const MAX_SHOWN_CHARS: usize = 100;

/// Why a call brought no answer. Clients never see it: they get 503. Its `Display` is for the log.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    reason: &'static str,
    text: Arc<str>,
    /// What a health report says instead, if the text may hold what is not for the public.
    public_text: Option<&'static str>,
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
            public_text: None,
            url: error.url().map(Arc::from),
            retry_after: error.retry_after(),
            blame,
        }
    }

    /// The response has another media type than was asked for, so it is from something else: a proxy, a login page.
    #[cfg(feature = "remote-keys")]
    pub(super) fn content_type(url: Arc<str>, expected: &str, found: &str) -> Self {
        let found = bounded(found, MAX_SHOWN_CHARS);
        let text = format!("{url} answered with status 200 and content type {found:?}, not {expected:?}");
        Self { url: Some(url), ..Self::new("content_type", text) }
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
        let said = IntrospectionSourceFailure::find(error);
        let is_of_token = said.is_some_and(|failure| failure.is_of_token);
        Self {
            public_text: Some("the introspection source failed; the log says why"),
            retry_after: said.and_then(|failure| failure.retry_after),
            blame: if is_of_token { Blame::Token } else { Blame::Endpoint },
            ..Self::new("source", format!("the introspection source failed: {error}"))
        }
    }

    #[cfg(feature = "remote-keys")]
    pub(super) fn authentication(error: &super::client_authentication::ClientAuthenticationError) -> Self {
        Self {
            public_text: Some("our own credentials could not be added; the log says why"),
            ..Self::new("client_authentication", format!("our own credentials could not be added: {error}"))
        }
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
        Self { reason, text: text.into(), public_text: None, url: None, retry_after: None, blame: Blame::Endpoint }
    }

    /// A stable code for logs and metrics.
    pub(super) const fn reason(&self) -> &'static str {
        self.reason
    }

    /// What happened, without what only operators may see, such as paths of files.
    pub(super) fn public_text(&self) -> &str {
        self.public_text.unwrap_or(&self.text)
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
