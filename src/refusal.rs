//! A request that is not let through, and the response it gets.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use crate::error::TokenError;
use crate::response::{RefusalKind, Responder};
use crate::server_context::ServerContext;

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
        match RefusalKind::from(&self.error) {
            RefusalKind::Misconfigured => {
                tracing::error!(reason = self.error.reason(), error = %self.error, "the service is put together wrongly");
            }
            RefusalKind::Unavailable if matches!(self.error, TokenError::ClockUnavailable) => {
                tracing::warn!(reason = self.error.reason(), error = %self.error, "cannot judge a request");
            }
            // An outage is logged where it is noticed, once for each attempt: a line for each request would bury it.
            RefusalKind::Unavailable | RefusalKind::KeyNotProvenAbsent => {
                tracing::debug!(reason = self.error.reason(), error = %self.error, "cannot judge a request");
            }
            _ => tracing::debug!(reason = self.error.reason(), error = %self.error, "refused a request"),
        }
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
