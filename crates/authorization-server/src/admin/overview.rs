//! What the server is and has been asked.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::AdminState;
use crate::Endpoint;

/// `GET /`
pub(super) async fn show(State(state): State<AdminState>) -> Json<Value> {
    let running = state.service.upgrade().is_some_and(|service| service.is_running());
    Json(json!({ "issuer": state.server.issuer.url(), "running": running }))
}

/// `GET /requests`
pub(super) async fn requests(State(state): State<AdminState>) -> Json<Value> {
    let mut counters: Map<String, Value> = Endpoint::ALL
        .iter()
        .map(|endpoint| (endpoint.name().to_owned(), state.server.requests(*endpoint).into()))
        .collect();
    counters.insert("not_modified".to_owned(), state.server.not_modified().into());
    Json(Value::Object(counters))
}

/// `GET /clients`
pub(super) async fn clients(State(state): State<AdminState>) -> Json<Value> {
    Json(json!({ "clients": state.server.client_summaries }))
}

/// `GET /users`
pub(super) async fn users(State(state): State<AdminState>) -> Json<Value> {
    Json(json!({ "users": state.server.user_summaries }))
}

/// `GET /requests/log`
pub(super) async fn request_log(State(state): State<AdminState>) -> Json<Value> {
    Json(json!({ "requests": state.server.request_log.latest() }))
}

/// `DELETE /requests/log`
pub(super) async fn clear_request_log(State(state): State<AdminState>) -> StatusCode {
    state.server.request_log.clear();
    StatusCode::NO_CONTENT
}
