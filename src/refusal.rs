//! A request that is not let through, and the response it gets.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tracing::field::display;

use crate::error::TokenError;
use crate::response::Responder;
use crate::server_context::ServerContext;
use crate::status_policy::RefusalKind;
use crate::validator::Check;

/// A refusal together with the way in which its resource server answers.
///
/// Handlers return it with `?`; with the feature `axum` it is a response.
#[derive(Clone, Debug)]
pub struct Refusal {
    error: TokenError,
    server: Option<Arc<ServerContext>>,
}

impl Refusal {
    pub(crate) const fn new(error: TokenError, server: Option<Arc<ServerContext>>) -> Self {
        Self { error, server }
    }

    /// Why.
    #[must_use]
    pub const fn error(&self) -> &TokenError {
        &self.error
    }

    /// The response of a route layer or an extractor, which log what they refuse as the bearer layer does.
    pub(crate) fn to_logged_response(&self) -> Response<Bytes> {
        log(&self.error, None);
        self.to_response()
    }

    /// The response: status, challenge and body, with the [`TokenError`] in its extensions.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        match &self.server {
            Some(server) => server.responder.respond(&self.error),
            None => Responder::unconfigured().respond(&self.error),
        }
    }
}

/// The check that a token did not pass.
#[derive(Debug)]
pub(crate) struct FailedCheck {
    pub(crate) check: Check,
    /// What the configuration expects.
    pub(crate) expected: String,
}

/// One line for each refusal. Method and route are in the span of whoever traces requests.
pub(crate) fn log(error: &TokenError, failed: Option<&FailedCheck>) {
    let reason = error.reason();
    match RefusalKind::from(error) {
        RefusalKind::Misconfigured => tracing::error!(reason, %error, "the service is wired up wrongly"),
        RefusalKind::Unavailable if matches!(error, TokenError::ClockUnavailable) => {
            tracing::warn!(reason, %error, "cannot decide about a request");
        }
        // An outage is logged where it is noticed, once for each attempt: a line for each request would bury it.
        RefusalKind::Unavailable | RefusalKind::KeyNotProvenAbsent => {
            tracing::debug!(reason, %error, "cannot decide about a request");
        }
        _ => {
            let check = failed.map(|failed| display(failed.check.name()));
            let expected = failed.map(|failed| display(&failed.expected));
            tracing::debug!(reason, %error, check, expected, "refused a request");
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
