//! The device authorization endpoint (RFC 8628 §3.1).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::client_authentication::authenticated_form;
use crate::grant_type::GrantType;
use crate::grants::{DeviceRequest, UserCode};
use crate::oauth_error::{NO_STORE, OAuthError};
use crate::state::ServerState;
use crate::{paths, requested};

/// RFC 8628 §3.2.
#[derive(Serialize)]
struct DeviceAuthorization {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    /// Seconds, as the next.
    expires_in: u64,
    interval: u64,
}

pub(crate) async fn respond(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, OAuthError> {
    let (client, parameters) = authenticated_form(request, &state).await?;
    if !client.may_use(GrantType::DeviceCode) {
        return Err(OAuthError::UnauthorizedClient);
    }
    let request = DeviceRequest {
        client_id: client.id.clone(),
        scopes: requested::scopes(client, &parameters)?,
        audiences: requested::audiences(client, &parameters)?,
    };
    let user_code = UserCode::random()?;
    let settings = state.device_settings;
    let script = state.device_scripts.take();
    let device_code = state.grants.authorize_device(request, user_code, settings, script, state.issuer.now())?;
    tracing::debug!(client_id = client.id, "device code issued");

    let verification_uri = state.url(paths::DEVICE);
    let answer = DeviceAuthorization {
        device_code: device_code.into_secret(),
        user_code: user_code.to_string(),
        verification_uri_complete: format!("{verification_uri}?user_code={user_code}"),
        verification_uri,
        expires_in: settings.lifetime.as_secs(),
        interval: settings.interval.as_secs(),
    };
    Ok((NO_STORE, Json(answer)).into_response())
}
