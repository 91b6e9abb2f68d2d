//! An outage, and its end.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::AdminState;
use super::refusal::AdminRefusal;

/// `POST /stop`
pub(super) async fn stop(State(state): State<AdminState>) -> Result<Json<Value>, AdminRefusal> {
    state.service.upgrade().ok_or_else(AdminRefusal::gone)?.stop().await;
    Ok(Json(json!({ "running": false })))
}

/// `POST /restart`
pub(super) async fn restart(State(state): State<AdminState>) -> Result<Json<Value>, AdminRefusal> {
    state.service.upgrade().ok_or_else(AdminRefusal::gone)?.restart().await?;
    Ok(Json(json!({ "running": true })))
}
