//! Error answers of the token endpoint (RFC 6749 §5.2).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// Why the token endpoint refuses a request. The texts are fixed: nothing that the client sent goes back to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OAuthError {
    /// The request is not one that the endpoint can read; the text says why.
    InvalidRequest(&'static str),
    /// The body is larger than the endpoint reads.
    BodyTooLarge,
    /// The client did not prove who it is. Whether the id or the secret was wrong is not said.
    InvalidClient,
    UnsupportedGrantType,
    /// The scope asked for is not scope text, or more than the client may have.
    InvalidScope,
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::InvalidRequest(reason) => (StatusCode::BAD_REQUEST, "invalid_request", reason),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is too large"),
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client", "client authentication failed"),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "the grant type is not client_credentials")
            }
            Self::InvalidScope => {
                (StatusCode::BAD_REQUEST, "invalid_scope", "the scope is malformed or more than the client may have")
            }
        };
        tracing::debug!(error, description, "token request refused");
        let body = Json(json!({ "error": error, "error_description": description }));
        let mut response = (status, NO_STORE, body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6749 §5.2 asks for this when the client used HTTP authentication, RFC 9110 §15.5.2 with every 401.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, BASIC_CHALLENGE);
        }
        response
    }
}

/// RFC 6749 §5.1: answers of the token endpoint are not kept by caches.
pub(super) const NO_STORE: [(header::HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];

const BASIC_CHALLENGE: header::HeaderValue = header::HeaderValue::from_static("Basic realm=\"token endpoint\"");
