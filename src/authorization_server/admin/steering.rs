//! Tokens and devices, as a test wants them.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminState;
use super::json_body::JsonBody;
use super::refusal::Refusal;
use crate::authorization_server::{DevicePoll, IssuedTokenSummary, NextToken};

/// `GET /next-tokens`
pub(super) async fn next_tokens(State(state): State<AdminState>) -> Json<Value> {
    Json(json!({ "next_tokens": state.server.next_tokens.all() }))
}

/// `POST /next-tokens`
pub(super) async fn script_next_token(
    State(state): State<AdminState>,
    JsonBody(next): JsonBody<NextToken>,
) -> Result<StatusCode, Refusal> {
    state.server.next_tokens.push(next)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /next-tokens`
pub(super) async fn clear_next_tokens(State(state): State<AdminState>) -> StatusCode {
    state.server.next_tokens.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceScript {
    polls: Vec<DevicePoll>,
}

/// `POST /devices/next`
pub(super) async fn script_device(
    State(state): State<AdminState>,
    JsonBody(DeviceScript { polls }): JsonBody<DeviceScript>,
) -> Result<StatusCode, Refusal> {
    state.server.device_scripts.push(polls, &state.server.users)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /devices/next`
pub(super) async fn clear_scripted_devices(State(state): State<AdminState>) -> StatusCode {
    state.server.device_scripts.clear();
    StatusCode::NO_CONTENT
}

/// `GET /tokens`
pub(super) async fn issued(State(state): State<AdminState>) -> Json<Value> {
    let issued = state.server.grants.issued(state.server.issuer.now());
    let issued = issued.iter().map(|(token, active)| IssuedTokenSummary::of(token, *active));
    Json(json!({ "tokens": issued.collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    token: String,
}

/// `POST /tokens/revoke`
pub(super) async fn revoke(
    State(state): State<AdminState>,
    body: Result<JsonBody<Revocation>, Refusal>,
) -> Result<Json<Value>, Refusal> {
    let JsonBody(Revocation { token }) = body.map_err(Refusal::without_what_was_sent)?;
    let revoked = state.server.grants.revoke(&token, None, state.server.issuer.now());
    Ok(Json(json!({ "revoked": revoked })))
}
