//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::state::ServerState;
use super::{jwk_set_endpoint, metadata_endpoint, token_endpoint};

/// All routes; another method than the one named gets 405 with `Allow`.
pub(super) fn router(state: Arc<ServerState>) -> Router {
    let path = &state.issuer_path;
    // RFC 8414 §3.1 puts the well-known part before the issuer's path, OpenID Connect Discovery 1.0 §4.1 after it.
    let rfc_8414 = format!("/.well-known/oauth-authorization-server{path}");
    let openid = format!("{path}/.well-known/openid-configuration");

    Router::new()
        .route(&rfc_8414, get(metadata_endpoint::respond))
        .route(&openid, get(metadata_endpoint::respond))
        .route(&format!("{path}/jwks"), get(jwk_set_endpoint::respond))
        .route(&format!("{path}/token"), post(token_endpoint::respond))
        .with_state(state)
}
