//! The token endpoint (RFC 6749 §3.2): authorization codes, device codes, refresh tokens, client credentials, and
//! passwords where they were switched on.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::client_authentication::authenticated_form;
use crate::grant_type::GrantType;
use crate::grants::{Grant, Handle, PresentedCode, Tokens};
use crate::oauth_error::{NO_STORE, OAuthError};
use crate::parameters::Parameters;
use crate::registration::RegisteredClient;
use crate::request_log::note_grant_type;
use crate::state::ServerState;
use crate::{id_token, requested, scope};

pub(crate) async fn respond(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, OAuthError> {
    if let Some(refusal) = state.next_tokens.refusal() {
        return Ok(refusal);
    }
    let (client, parameters) = authenticated_form(request, &state).await?;
    let name = parameters.value("grant_type").ok_or(OAuthError::InvalidRequest("grant_type is missing"))?;
    let grant_type = GrantType::of_token_request(name).ok_or(OAuthError::UnsupportedGrantType)?;
    // Only names of ours are logged: a client could make up any other.
    note_grant_type(grant_type);
    if !state.clients.can_use(grant_type) {
        return Err(OAuthError::UnsupportedGrantType);
    }
    if !client.may_use(grant_type) {
        return Err(OAuthError::UnauthorizedClient);
    }
    let tokens = match grant_type {
        GrantType::AuthorizationCode => authorization_code(&state, client, &parameters),
        GrantType::DeviceCode => device_code(&state, client, &parameters),
        GrantType::RefreshToken => refresh_token(&state, client, &parameters),
        GrantType::ClientCredentials => client_credentials(&state, client, &parameters),
        GrantType::Password => password(&state, client, &parameters),
        GrantType::Implicit => Err(OAuthError::UnsupportedGrantType),
    }?;
    let wants_id_token = tokens.scopes.iter().any(|scope| scope == scope::OPENID);
    let (refresh_token, login) = tokens.of_user.unzip();
    let id_token = login
        .filter(|_| wants_id_token)
        .map(|login| id_token::sign(&state.issuing(client), &login, &tokens.access_token));
    let answer = AccessTokenResponse {
        access_token: tokens.access_token,
        token_type: Tokens::TYPE,
        expires_in: client.token_lifetime.as_secs(),
        refresh_token: refresh_token.map(Handle::into_secret),
        id_token,
        scope: tokens.scopes.join(" "),
    };
    tracing::debug!(client_id = client.id, scope = answer.scope, "token issued");
    Ok((NO_STORE, Json(answer)).into_response())
}

/// A successful answer (RFC 6749 §5.1).
#[derive(Serialize)]
struct AccessTokenResponse {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// OpenID Connect Core 1.0 §3.1.3.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// What was granted, which is all of the client's scopes when it asked for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

/// RFC 6749 §4.4.
fn client_credentials(
    state: &ServerState,
    client: &RegisteredClient,
    parameters: &Parameters,
) -> Result<Tokens, OAuthError> {
    let scopes = requested::scopes(client, parameters)?;
    let audiences = requested::audiences(client, parameters)?;
    state.grants.issue_to_client(&state.issuing(client), scopes, audiences)
}

/// RFC 6749 §4.1.3.
fn authorization_code(
    state: &ServerState,
    client: &RegisteredClient,
    parameters: &Parameters,
) -> Result<Tokens, OAuthError> {
    let presented = PresentedCode {
        code: parameters.value("code").ok_or(OAuthError::InvalidRequest("code is missing"))?,
        redirect_uri: parameters.value("redirect_uri"),
        verifier: parameters.value("code_verifier"),
        resources: requested::resources(parameters),
    };
    state.grants.redeem_code(&state.issuing(client), &presented)
}

/// RFC 8628 §3.4.
fn device_code(state: &ServerState, client: &RegisteredClient, parameters: &Parameters) -> Result<Tokens, OAuthError> {
    let presented = parameters.value("device_code").ok_or(OAuthError::InvalidRequest("device_code is missing"))?;
    state.grants.redeem_device(&state.issuing(client), presented, &requested::resources(parameters))
}

/// RFC 6749 §6.
fn refresh_token(
    state: &ServerState,
    client: &RegisteredClient,
    parameters: &Parameters,
) -> Result<Tokens, OAuthError> {
    let presented = parameters.value("refresh_token").ok_or(OAuthError::InvalidRequest("refresh_token is missing"))?;
    let scopes = match parameters.value("scope") {
        Some(text) => Some(scope::parse(text).ok_or(OAuthError::InvalidScope)?),
        None => None,
    };
    state.grants.refresh(&state.issuing(client), presented, scopes, &requested::resources(parameters))
}

/// RFC 6749 §4.3, where it was switched on. A wrong name and a wrong password are the same, also in time.
fn password(state: &ServerState, client: &RegisteredClient, parameters: &Parameters) -> Result<Tokens, OAuthError> {
    let username = parameters.value("username").ok_or(OAuthError::InvalidRequest("username is missing"))?;
    let password = parameters.value("password").ok_or(OAuthError::InvalidRequest("password is missing"))?;
    let user = state.users.authenticate(username, password);
    let user = user.ok_or(OAuthError::InvalidGrant("name and password do not belong together"))?;
    let issuing = state.issuing(client);
    let grant = Grant {
        client_id: client.id.clone(),
        subject: user.subject.clone(),
        scopes: requested::scopes(client, parameters)?,
        audiences: requested::audiences(client, parameters)?,
        auth_time: issuing.now,
    };
    state.grants.issue_to_user(&issuing, grant)
}
