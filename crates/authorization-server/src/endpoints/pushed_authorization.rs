//! The endpoint for authorization requests that are sent ahead (RFC 9126 §2).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::authorization_request::AuthorizationRequest;
use crate::client_authentication::authenticated_form;
use crate::oauth_error::{self, NO_STORE, OAuthError};
use crate::pushed_requests::LIFETIME;
use crate::state::ServerState;

/// The most that is kept of a request, and as much as a URL may be long.
const MAX_BYTES: usize = 16 * 1024;

/// Checks the request as the authorization endpoint would, and keeps it for the client's user.
pub(crate) async fn respond(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, OAuthError> {
    let (client, parameters) = authenticated_form(request, &state).await?;
    if parameters.value("request_uri").is_some() {
        return Err(OAuthError::InvalidRequest("a pushed request has no request_uri"));
    }
    // What nobody would read is not kept; the client's id always is.
    let pushed = parameters.only(AuthorizationRequest::PARAMETERS).with("client_id", &client.id);
    if pushed.to_query().len() > MAX_BYTES {
        return Err(OAuthError::BodyTooLarge);
    }
    if let Err(error) = AuthorizationRequest::read(&state, &pushed) {
        return Ok(oauth_error::answer(StatusCode::BAD_REQUEST, error.code()));
    }
    let request_uri = state.pushed_requests.keep(pushed, state.issuer.now())?;
    tracing::debug!(client_id = client.id, "authorization request pushed");
    let body = Json(json!({ "request_uri": request_uri, "expires_in": LIFETIME.as_secs() }));
    Ok((StatusCode::CREATED, NO_STORE, body).into_response())
}
