//! Secrets of clients.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;

use super::AdminState;
use super::json_body::JsonBody;
use super::refusal::AdminRefusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    secret: String,
    #[serde(default)]
    overlap_s: u64,
}

/// `POST /clients/{id}/secret`
pub(super) async fn rotate_secret(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
    body: Result<JsonBody<NewSecret>, AdminRefusal>,
) -> Result<StatusCode, AdminRefusal> {
    let Path(id) = id.map_err(|_| AdminRefusal::no_such_path())?;
    let JsonBody(NewSecret { secret, overlap_s }) = body.map_err(AdminRefusal::without_what_was_sent)?;
    let overlap = Duration::from_secs(overlap_s);
    state.server.clients.rotate_secret(&id, &secret, overlap, state.server.issuer.now())?;
    Ok(StatusCode::NO_CONTENT)
}
