//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use super::paths::{self, Paths};
use super::state::ServerState;
use super::{Endpoint, jwk_set_endpoint, metadata_endpoint, misbehaviour, token_endpoint};

/// All routes; another method than the one named gets 405 with `Allow`.
pub(super) fn router(state: Arc<ServerState>) -> Router {
    let Paths { issuer: path, token, .. } = &state.paths;
    // RFC 8414 §3.1 puts the well-known part before the issuer's path, OpenID Connect Discovery 1.0 §4.1 after it.
    let rfc_8414 = format!("/.well-known/oauth-authorization-server{path}");
    let openid = format!("{path}/.well-known/openid-configuration");

    let endpoint = |endpoint: Endpoint, route: MethodRouter<Arc<ServerState>>| {
        // Requests by another method never get to the endpoint.
        route.route_layer(from_fn_with_state((Arc::clone(&state), endpoint), misbehaviour::respond))
    };
    Router::new()
        .route(&rfc_8414, endpoint(Endpoint::Metadata, get(metadata_endpoint::respond)))
        .route(&openid, endpoint(Endpoint::Metadata, get(metadata_endpoint::respond)))
        .route(&format!("{path}{}", paths::JWK_SET), endpoint(Endpoint::JwkSet, get(jwk_set_endpoint::respond)))
        .route(&format!("{path}{token}"), endpoint(Endpoint::Token, post(token_endpoint::respond)))
        .with_state(Arc::clone(&state))
}
