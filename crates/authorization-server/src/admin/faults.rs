//! Faults, and what the JWK Set says to caches.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AdminState;
use super::json_body::JsonBody;
use super::refusal::AdminRefusal;
use crate::{Endpoint, Fault};

/// A path parameter that may be no text.
type PathText = Result<Path<String>, PathRejection>;

/// `GET /faults`
pub(super) async fn show_all(State(state): State<AdminState>) -> Result<Json<Value>, AdminRefusal> {
    let mut all = Map::new();
    for endpoint in Endpoint::ALL {
        let fault = serde_json::to_value(state.server.faults.current(*endpoint)).map_err(AdminRefusal::failed)?;
        all.insert(endpoint.name().to_owned(), fault);
    }
    Ok(Json(Value::Object(all)))
}

/// `GET /faults/{endpoint}`
pub(super) async fn show(State(state): State<AdminState>, name: PathText) -> Result<Json<Option<Fault>>, AdminRefusal> {
    Ok(Json(state.server.faults.current(endpoint(name)?)))
}

/// `PUT /faults/{endpoint}`
pub(super) async fn set(
    State(state): State<AdminState>,
    name: PathText,
    JsonBody(fault): JsonBody<Fault>,
) -> Result<StatusCode, AdminRefusal> {
    state.server.faults.set(endpoint(name)?, fault)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /faults/{endpoint}`
pub(super) async fn clear(State(state): State<AdminState>, name: PathText) -> Result<StatusCode, AdminRefusal> {
    state.server.faults.clear(endpoint(name)?);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CacheControl {
    // Without this, serde takes a missing member for null.
    #[serde(deserialize_with = "Option::deserialize")]
    value: Option<String>,
}

/// `GET /cache-control`
pub(super) async fn show_cache_control(State(state): State<AdminState>) -> Json<CacheControl> {
    let value = state.server.cache_control();
    Json(CacheControl { value: value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()) })
}

/// `PUT /cache-control`
pub(super) async fn set_cache_control(
    State(state): State<AdminState>,
    JsonBody(CacheControl { value }): JsonBody<CacheControl>,
) -> Result<StatusCode, AdminRefusal> {
    let value =
        value.map(|value| HeaderValue::from_str(&value)).transpose().map_err(|_| AdminRefusal::header_value())?;
    state.server.set_cache_control(value);
    Ok(StatusCode::NO_CONTENT)
}

fn endpoint(name: PathText) -> Result<Endpoint, AdminRefusal> {
    let found = name.ok().and_then(|Path(name)| Endpoint::ALL.iter().copied().find(|known| known.name() == name));
    found.ok_or_else(AdminRefusal::no_such_endpoint)
}
