//! What the admin API says when it does not do something.

use std::fmt::Display;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;
use tower_bearer_test::{KeyChangeError, SigningError};

use super::super::{ClientSecretError, Endpoint, FaultError, NoSuchTokenError, ScriptError, StartError};

/// A status, a name for programs, and a sentence that says what to do.
#[derive(Debug)]
pub(super) struct AdminRefusal {
    status: StatusCode,
    error: &'static str,
    description: String,
}

const UNREADABLE_BODY: &str = "unreadable_body";

impl AdminRefusal {
    fn new(status: StatusCode, error: &'static str, description: impl Display) -> Self {
        Self { status, error, description: description.to_string() }
    }

    pub(super) fn cross_site(description: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "cross_site", description)
    }

    pub(super) fn no_such_path() -> Self {
        let description = "there is nothing at this path; the documentation of the crate `tower-bearer-authorization-server` has \
                           a list of those that there are";
        Self::new(StatusCode::NOT_FOUND, "no_such_path", description)
    }

    pub(super) fn method() -> Self {
        let description = "this path does not have this method; the header `Allow` names those that it has";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", description)
    }

    pub(super) fn no_such_endpoint() -> Self {
        let names: Vec<_> = Endpoint::ALL.iter().map(|endpoint| format!("`{endpoint}`")).collect();
        let description = format!("there is no such endpoint; there are {}", names.join(", "));
        Self::new(StatusCode::NOT_FOUND, "no_such_endpoint", description)
    }

    pub(super) fn media_type() -> Self {
        let description = "the body is not JSON by its content type; send `Content-Type: application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", description)
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        let description = format!("the body is too large, or breaks off; send at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", description)
    }

    pub(super) fn unreadable(error: &serde_json::Error) -> Self {
        let description = format!("the body is not what this path takes: {error}; see the documentation of the path");
        Self::new(StatusCode::BAD_REQUEST, UNREADABLE_BODY, description)
    }

    /// The same for a path that takes secrets: what cannot be read of the body may be one, and is not repeated.
    pub(super) fn without_what_was_sent(self) -> Self {
        if self.error == UNREADABLE_BODY {
            let description = "the body is not what this path takes; see the documentation of the path".to_owned();
            Self { description, ..self }
        } else {
            self
        }
    }

    pub(super) fn header_value() -> Self {
        let description = "this cannot stand in a header; give `value` printable ASCII characters, or null";
        Self::new(StatusCode::BAD_REQUEST, "unusable_value", description)
    }

    pub(super) fn too_many_keys(limit: usize) -> Self {
        let description = format!("{limit} keys are published; rotate without overlap, or withdraw some, first");
        Self::new(StatusCode::CONFLICT, "too_many_keys", description)
    }

    pub(super) fn failed(error: impl Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", error)
    }

    pub(super) fn gone() -> Self {
        let description = "the handle of the server was dropped; start another server";
        Self::new(StatusCode::GONE, "gone", description)
    }
}

impl From<FaultError> for AdminRefusal {
    fn from(error: FaultError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unusable_fault", error)
    }
}

impl From<ScriptError> for AdminRefusal {
    fn from(error: ScriptError) -> Self {
        match error {
            ScriptError::TooMany { .. } => Self::new(StatusCode::CONFLICT, "too_many_scripts", error),
            _ => Self::new(StatusCode::BAD_REQUEST, "unusable_script", error),
        }
    }
}

impl From<NoSuchTokenError> for AdminRefusal {
    fn from(error: NoSuchTokenError) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_token", error)
    }
}

impl From<ClientSecretError> for AdminRefusal {
    fn from(error: ClientSecretError) -> Self {
        match error {
            ClientSecretError::NoSuchClient { .. } => Self::new(StatusCode::NOT_FOUND, "no_such_client", error),
            _ => Self::new(StatusCode::BAD_REQUEST, "unusable_secret", error),
        }
    }
}

impl From<KeyChangeError> for AdminRefusal {
    fn from(error: KeyChangeError) -> Self {
        match error {
            KeyChangeError::NoSuchKey { .. } => Self::new(StatusCode::NOT_FOUND, "no_such_key", error),
            KeyChangeError::Signing(error) => error.into(),
            _ => Self::failed(error),
        }
    }
}

impl From<SigningError> for AdminRefusal {
    fn from(error: SigningError) -> Self {
        Self::failed(error)
    }
}

impl From<StartError> for AdminRefusal {
    fn from(error: StartError) -> Self {
        Self::new(StatusCode::CONFLICT, "not_started", error)
    }
}

impl IntoResponse for AdminRefusal {
    fn into_response(self) -> Response {
        let Self { status, error, description } = self;
        // The description may repeat what was sent, which may be a token.
        tracing::debug!(error, "admin request refused");
        let body = Json(json!({ "error": error, "error_description": description }));
        (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
    }
}
