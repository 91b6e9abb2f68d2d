//! Error answers of the endpoints that clients ask directly (RFC 6749 §5.2).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// Why a client's request is refused. The texts are fixed: nothing that the client sent goes back to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OAuthError {
    /// The request is not one that the endpoint can read; the text says why.
    InvalidRequest(&'static str),
    /// The body is larger than the endpoint reads.
    BodyTooLarge,
    /// The client did not prove who it is. Whether the id or the secret was wrong is not said.
    InvalidClient,
    /// The code or the refresh token is not good, or not for this client or this use; the text says why.
    InvalidGrant(&'static str),
    /// The client may not use this grant type.
    UnauthorizedClient,
    UnsupportedGrantType,
    /// The scope asked for is not scope text, or more than the client may have.
    InvalidScope,
    /// A `resource` that is not among the client's audiences (RFC 8707 §2).
    InvalidTarget,
    /// The user of the device has not decided yet (RFC 8628 §3.5, as the next three).
    AuthorizationPending,
    /// The device asks too often.
    SlowDown,
    /// The user of the device said no.
    AccessDenied,
    /// The device's codes have ended.
    ExpiredToken,
    /// The machine has no random numbers to give.
    NoRandomness,
}

impl OAuthError {
    /// `error` and `error_description`.
    pub(super) const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidRequest(reason) => ("invalid_request", reason),
            Self::BodyTooLarge => ("invalid_request", "the body is too large"),
            Self::InvalidClient => ("invalid_client", "client authentication failed"),
            Self::InvalidGrant(reason) => ("invalid_grant", reason),
            Self::UnauthorizedClient => ("unauthorized_client", "the client may not use this grant type"),
            Self::UnsupportedGrantType => {
                ("unsupported_grant_type", "the grant type is not one of the metadata's grant_types_supported")
            }
            Self::InvalidScope => ("invalid_scope", "the scope is malformed or more than the client may have"),
            Self::InvalidTarget => ("invalid_target", "a resource is not one of the client's audiences"),
            Self::AuthorizationPending => ("authorization_pending", "the user has not decided yet"),
            Self::SlowDown => ("slow_down", "wait five seconds longer from now on"),
            Self::AccessDenied => ("access_denied", "the user said no"),
            Self::ExpiredToken => ("expired_token", "the device code has expired"),
            Self::NoRandomness => ("server_error", "there are no random numbers"),
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = answer(status, self.texts());
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6749 §5.2 asks for this when the client used HTTP authentication, RFC 9110 §15.5.2 with every 401.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, BASIC_CHALLENGE);
        }
        response
    }
}

/// The answer with `error` and `error_description`, for a client that asked directly.
pub(super) fn answer(status: StatusCode, (error, description): (&'static str, &'static str)) -> Response {
    tracing::debug!(error, description, "token request refused");
    let body = Json(json!({ "error": error, "error_description": description }));
    (status, NO_STORE, body).into_response()
}

/// RFC 6749 §5.1: answers with tokens, and refusals of them, are not kept by caches.
pub(super) const NO_STORE: [(header::HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];

const BASIC_CHALLENGE: header::HeaderValue = header::HeaderValue::from_static("Basic realm=\"token endpoint\"");
