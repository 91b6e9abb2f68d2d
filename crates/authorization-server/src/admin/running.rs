//! An outage, and its end.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::AdminState;
use super::refusal::Refusal;

/// `POST /stop`
pub(super) async fn stop(State(state): State<AdminState>) -> Result<Json<Value>, Refusal> {
    state.service.upgrade().ok_or_else(Refusal::gone)?.stop().await;
    Ok(Json(json!({ "running": false })))
}

/// `POST /restart`
pub(super) async fn restart(State(state): State<AdminState>) -> Result<Json<Value>, Refusal> {
    state.service.upgrade().ok_or_else(Refusal::gone)?.restart().await?;
    Ok(Json(json!({ "running": true })))
}
