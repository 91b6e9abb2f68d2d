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
    detail: Option<Arc<Detail>>,
}

impl Refusal {
    pub(crate) const fn new(error: TokenError, server: Option<Arc<ServerContext>>) -> Self {
        Self { error, server, detail: None }
    }

    pub(crate) fn with_detail(self, detail: Detail) -> Self {
        Self { detail: Some(Arc::new(detail)), ..self }
    }

    /// Why.
    #[must_use]
    pub const fn error(&self) -> &TokenError {
        &self.error
    }

    /// The response of a route layer or an extractor, which log what they refuse as the bearer layer does.
    pub(crate) fn to_logged_response(&self) -> Response<Bytes> {
        log(&self.error, self.detail.as_deref());
        self.to_response()
    }

    /// The response: status, challenge and body, with the [`TokenError`] in its extensions. This logs and counts
    /// nothing, unlike axum's `IntoResponse`.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        match &self.server {
            Some(server) => server.responder.respond(&self.error),
            None => Responder::unconfigured().respond(&self.error),
        }
    }
}

/// The log target of every refusal, from layers, extractors and handlers alike.
pub(crate) const LOG_TARGET: &str = "tower_bearer::refusal";

/// What the log says beyond the reason. Nothing in it comes from the token.
#[derive(Debug)]
pub(crate) enum Detail {
    /// The check that the token failed, and what the configuration expects.
    Check { check: Check, expected: String },
    /// The type that the claims were to fit, its field that they do not fit, and why.
    Misfit { shape: &'static str, field: String, problem: String },
}

/// One line for each refusal. The method and route are in the span of the layer that traces requests.
pub(crate) fn log(error: &TokenError, detail: Option<&Detail>) {
    let reason = error.reason();
    let (check, expected) = match detail {
        Some(Detail::Check { check, expected }) => (Some(display(check.name())), Some(display(expected))),
        _ => (None, None),
    };
    match RefusalKind::from(error) {
        RefusalKind::Misconfigured => {
            tracing::error!(target: LOG_TARGET, reason, %error, "the service is misconfigured");
        }
        RefusalKind::Unavailable if matches!(error, TokenError::ClockUnavailable) => {
            tracing::warn!(target: LOG_TARGET, reason, %error, "cannot decide about a request");
        }
        // An outage is logged where it is noticed, once for each attempt: a line for each request would bury it.
        RefusalKind::Unavailable | RefusalKind::KeyNotProvenAbsent => {
            tracing::debug!(target: LOG_TARGET, reason, %error, check, expected, "cannot decide about a request");
        }
        _ => {
            let (shape, field, problem) = match detail {
                Some(Detail::Misfit { shape, field, problem }) => {
                    (Some(display(shape)), Some(display(field)), Some(display(problem)))
                }
                _ => (None, None, None),
            };
            tracing::debug!(
                target: LOG_TARGET, reason, %error, check, expected, shape, field, problem, "refused a request"
            );
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
