//! The server's clock.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::json_body::JsonBody;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockOffset {
    offset_s: i64,
}

/// `GET /clock`
pub(super) async fn show(State(state): State<AdminState>) -> Json<ClockOffset> {
    Json(ClockOffset { offset_s: state.server.issuer.clock_offset() })
}

/// `PUT /clock`
pub(super) async fn set(
    State(state): State<AdminState>,
    JsonBody(ClockOffset { offset_s }): JsonBody<ClockOffset>,
) -> StatusCode {
    state.server.issuer.set_clock_offset(offset_s);
    StatusCode::NO_CONTENT
}
