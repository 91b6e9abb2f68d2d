//! The token endpoint (RFC 6749 §3.2) with the client credentials grant (§4.4).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::client_authentication::authenticate;
use super::form::Form;
use super::oauth_error::{NO_STORE, OAuthError};
use super::registration::RegisteredClient;
use super::scope;
use super::state::ServerState;

pub(super) async fn respond(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, OAuthError> {
    let headers = request.headers().clone();
    let form = Form::read(request).await?;
    let client = authenticate(&headers, &form, &state.clients)?;
    match form.value("grant_type") {
        Some("client_credentials") => client_credentials(&state, client, &form),
        Some(_) => Err(OAuthError::UnsupportedGrantType),
        None => Err(OAuthError::InvalidRequest("grant_type is missing")),
    }
}

/// A successful answer (RFC 6749 §5.1).
#[derive(Serialize)]
struct AccessTokenResponse {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// What was granted, which is all of the client's scopes when it asked for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

fn client_credentials(state: &ServerState, client: &RegisteredClient, form: &Form) -> Result<Response, OAuthError> {
    let scopes = granted_scopes(client, form.value("scope"))?;
    let answer = AccessTokenResponse {
        access_token: client.token(&state.issuer, &scopes).sign(),
        token_type: "Bearer",
        expires_in: client.token_lifetime.as_secs(),
        scope: scopes.join(" "),
    };
    tracing::debug!(client_id = client.id, scope = answer.scope, "token issued");
    Ok((NO_STORE, Json(answer)).into_response())
}

/// What was asked for, if the client may have all of it. A part of it is not granted: a client that gets less than it
/// asked for fails later, and further from the cause.
fn granted_scopes<'a>(client: &'a RegisteredClient, asked: Option<&'a str>) -> Result<Vec<&'a str>, OAuthError> {
    let Some(asked) = asked else {
        return Ok(client.all_scopes());
    };
    let scopes = scope::parse(asked).ok_or(OAuthError::InvalidScope)?;
    if scopes.iter().all(|scope| client.scopes.iter().any(|allowed| allowed == scope)) {
        Ok(scopes)
    } else {
        Err(OAuthError::InvalidScope)
    }
}
