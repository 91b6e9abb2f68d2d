//! What cannot be told to the client, because it is not certain who asked, is told to the user.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::page;
use crate::oauth_error::OAuthError;

/// A page that says why nothing happens. Its texts are fixed: nothing that was sent is on it.
#[derive(Template)]
#[template(path = "refusal.html")]
pub(crate) struct PageRefusal {
    status: StatusCode,
    error: &'static str,
    reason: &'static str,
}

impl PageRefusal {
    pub(crate) const fn invalid_request(reason: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: "invalid_request", reason }
    }

    /// `error` and `error_description`.
    pub(crate) const fn code(&self) -> (&'static str, &'static str) {
        (self.error, self.reason)
    }

    /// A form that did not come from a page of this session.
    pub(crate) const fn forged() -> Self {
        let reason = "the form is not one that this server showed to you, or you have logged in elsewhere since";
        Self { status: StatusCode::FORBIDDEN, error: "access_denied", reason }
    }
}

impl From<OAuthError> for PageRefusal {
    fn from(error: OAuthError) -> Self {
        let status = error.status();
        let (error, reason) = error.texts();
        Self { status, error, reason }
    }
}

impl IntoResponse for PageRefusal {
    fn into_response(self) -> Response {
        tracing::debug!(error = self.error, reason = self.reason, "request of a browser refused");
        page(self.status, &self, "")
    }
}
