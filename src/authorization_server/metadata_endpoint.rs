//! Authorization server metadata (RFC 8414 §2).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::state::ServerState;

/// The metadata document. The same one serves those who look where OpenID Connect says: they find the keys there, but
/// this server is no OpenID provider and does not claim to be.
#[derive(Serialize)]
pub(super) struct Metadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    /// Empty without an authorization endpoint. RFC 8414 §3.2 leaves out empty arrays, §2 requires this one: readers
    /// that check for required members decide it.
    response_types_supported: [&'static str; 0],
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    scopes_supported: BTreeSet<String>,
}

pub(super) async fn respond(State(state): State<Arc<ServerState>>) -> Json<Metadata> {
    Json(Metadata::of(&state))
}

impl Metadata {
    pub(super) fn of(state: &ServerState) -> Self {
        Self {
            issuer: state.issuer.url().to_owned(),
            token_endpoint: state.token_endpoint.clone(),
            jwks_uri: state.jwks_uri.clone(),
            grant_types_supported: ["client_credentials"],
            token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
            response_types_supported: [],
            scopes_supported: state.clients.iter().flat_map(|client| client.scopes.iter().cloned()).collect(),
        }
    }
}
