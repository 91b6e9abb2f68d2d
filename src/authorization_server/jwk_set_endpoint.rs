//! The public keys as a JWK Set (RFC 7517 §5).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use super::Endpoint;
use super::state::ServerState;

/// Five minutes: what a resource server takes without the header too, so that both ways are alike.
const CACHE_CONTROL: &str = "max-age=300";

/// RFC 7517 §8.5.2.
const MEDIA_TYPE: &str = "application/jwk-set+json";

pub(super) async fn respond(State(state): State<Arc<ServerState>>) -> Response {
    state.count(Endpoint::JwkSet);
    let headers = [(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, CACHE_CONTROL)];
    (headers, state.issuer.jwk_set().to_string()).into_response()
}
