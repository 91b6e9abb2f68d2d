//! Tokens and devices, as a test wants them.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminState;
use super::json_body::JsonBody;
use super::refusal::AdminRefusal;
use crate::{DevicePoll, NextToken};

/// `GET /next-tokens`
pub(super) async fn next_tokens(State(state): State<AdminState>) -> Json<Value> {
    Json(json!({ "next_tokens": state.server.next_tokens.all() }))
}

/// `POST /next-tokens`
pub(super) async fn script_next_token(
    State(state): State<AdminState>,
    JsonBody(next): JsonBody<NextToken>,
) -> Result<StatusCode, AdminRefusal> {
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
) -> Result<StatusCode, AdminRefusal> {
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
    Json(json!({ "tokens": state.server.grants.issued(state.server.issuer.now()) }))
}

/// One of the three, by its name.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Revocation {
    Token(String),
    /// Of an access token that was issued.
    Number(u64),
    /// All of a user.
    Subject(String),
}

/// `POST /tokens/revoke`
pub(super) async fn revoke(
    State(state): State<AdminState>,
    body: Result<JsonBody<Revocation>, AdminRefusal>,
) -> Result<Json<Value>, AdminRefusal> {
    let JsonBody(revocation) = body.map_err(AdminRefusal::without_what_was_sent)?;
    let (grants, now) = (&state.server.grants, state.server.issuer.now());
    let revoked = match revocation {
        Revocation::Token(token) => grants.revoke(&token, None, now),
        Revocation::Number(number) => grants.revoke_issued(number, now)?,
        Revocation::Subject(subject) => grants.revoke_subject(&subject, now),
    };
    Ok(Json(json!({ "revoked": revoked })))
}
