//! Token introspection (RFC 7662): what APIs ask about tokens that they cannot read, or that may have been revoked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Fault;
use crate::client_authentication::authenticated_form;
use crate::grants::{IssuedToken, Tokens};
use crate::oauth_error::{NO_STORE, OAuthError};
use crate::registration::RegisteredClient;
use crate::signed_introspection;
use crate::state::ServerState;

/// Answers each client with a secret; an API is one too. A public client proves nothing, and learns nothing
/// (RFC 7662 §2.1).
pub(crate) async fn respond(State(state): State<Arc<ServerState>>, request: Request) -> Result<Response, OAuthError> {
    let fault = request.extensions().get::<Fault>().cloned();
    let is_signed = signed_introspection::is_wanted(request.headers()) && fault != Some(Fault::Unsigned);
    let (client, parameters) = authenticated_form(request, &state).await?;
    if client.is_public() {
        return Err(OAuthError::InvalidClient);
    }
    // The hint about the type of the token is not needed to find it (RFC 7662 §2.1).
    let token = parameters.value("token").ok_or(OAuthError::InvalidRequest("token is missing"))?;
    let response = members(&state, client, token, fault.as_ref());
    if !is_signed {
        return Ok((NO_STORE, Json(response)).into_response());
    }
    let defect = fault.as_ref().and_then(Fault::of_signed_introspection);
    let jwt = signed_introspection::sign(&state.issuer, &client.id, response, defect);
    Ok((NO_STORE, [(CONTENT_TYPE, signed_introspection::MEDIA_TYPE)], jwt).into_response())
}

/// What this client may learn about the token. Refresh tokens are for this server alone, so that no API may take one
/// for an access token (RFC 7662 §4).
fn members(state: &ServerState, client: &RegisteredClient, token: &str, fault: Option<&Fault>) -> Map<String, Value> {
    let now = state.issuer.now();
    let mut response = match state.grants.introspect(token, client, now) {
        Some(token) => Introspection::of(state, &token).into_members(),
        None => Introspection::default().into_members(),
    };
    if let Some(members) = fault.and_then(Fault::of_active_refresh_token)
        && let Some(refresh_token) = state.grants.refresh_token(token, now)
    {
        response = Introspection { token_use: None, ..Introspection::of(state, &refresh_token) }.into_members();
        response.extend(members.clone());
    }
    if let Some(fault) = fault {
        fault.spoil_introspection(&mut response);
    }
    response
}

/// RFC 7662 §2.2. Of a token that is not active, nothing is said but that.
#[derive(Default, Serialize)]
struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Not in the RFC, but several servers use it to tell the kinds of tokens apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_use: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aud: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// That of the JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

impl Introspection {
    fn of(state: &ServerState, token: &IssuedToken) -> Self {
        let user = token.auth_time.and_then(|_| state.users.by_subject(&token.subject));
        Self {
            active: true,
            scope: (!token.scopes.is_empty()).then(|| token.scopes.join(" ")),
            client_id: Some(token.client_id.clone()),
            username: user.map(|user| user.username.clone()),
            token_type: Some(Tokens::TYPE),
            token_use: Some("access_token"),
            exp: Some(token.ends.as_secs()),
            iat: Some(token.issued.as_secs()),
            sub: Some(token.subject.clone()),
            aud: token.audiences.clone(),
            iss: Some(state.issuer.url().to_owned()),
            jti: token.jti.clone(),
        }
    }

    fn into_members(self) -> Map<String, Value> {
        // Strings, numbers and lists of strings are always valid JSON.
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        }
    }
}
