//! Authorization server metadata (RFC 8414 §2).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::grant_type::GrantType;
use crate::paths;
use crate::registration::{ClientKeys, PRIVATE_KEY_JWT, SECRET_METHODS};
use crate::state::ServerState;

/// The metadata document. The same one serves those who look where OpenID Connect says: they find the keys there, but
/// without a client that may ask for `openid` this server is no OpenID provider, and does not claim to be.
#[derive(Serialize)]
pub(crate) struct Metadata {
    issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_authorization_endpoint: Option<String>,
    token_endpoint: String,
    jwks_uri: String,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// RFC 9701 §7.
    introspection_signing_alg_values_supported: [&'static str; 1],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    grant_types_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// Of assertions (RFC 8414 §2), with a client that signs them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// Empty without an authorization endpoint. RFC 8414 §3.2 leaves out empty arrays, §2 requires this one: readers
    /// that check for required members decide it.
    response_types_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    response_modes_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    code_challenge_methods_supported: &'static [&'static str],
    /// RFC 9207 §3.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    authorization_response_iss_parameter_supported: bool,
    /// RFC 9126 §5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed_authorization_request_endpoint: Option<String>,
    /// Left out it means yes (OpenID Connect Discovery 1.0 §3): no request is fetched from anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_uri_parameter_supported: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    userinfo_endpoint: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    subject_types_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    id_token_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    scopes_supported: BTreeSet<String>,
}

pub(crate) async fn respond(State(state): State<Arc<ServerState>>) -> Json<Metadata> {
    Json(Metadata::of(&state))
}

impl Metadata {
    pub(crate) fn of(state: &ServerState) -> Self {
        let clients = &state.clients;
        let asks_users = clients.can_use(GrantType::AuthorizationCode);
        let with_users = |values: &'static [&'static str]| if asks_users { values } else { &[] };
        let has_implicit = clients.can_use(GrantType::Implicit);
        let has_devices = clients.can_use(GrantType::DeviceCode);
        let is_openid = clients.has_openid_client();
        let grant_types = GrantType::ALL.into_iter().filter(|grant_type| clients.can_use(*grant_type));
        let mut with_proof = SECRET_METHODS.to_vec();
        let mut assertion_algorithms = Vec::new();
        if clients.iter().any(|client| client.keys().is_some()) {
            with_proof.push(PRIVATE_KEY_JWT);
            assertion_algorithms.extend(ClientKeys::ALGORITHMS.iter().map(|algorithm| algorithm.name()));
        }
        let mut authentication = with_proof.clone();
        if clients.iter().any(|client| client.is_public()) {
            authentication.push("none");
        }
        Self {
            issuer: state.issuer.url().to_owned(),
            authorization_endpoint: asks_users.then(|| state.authorization_endpoint.clone()),
            device_authorization_endpoint: has_devices.then(|| state.url(paths::DEVICE_AUTHORIZATION)),
            token_endpoint: state.token_endpoint.clone(),
            jwks_uri: state.jwks_uri.clone(),
            introspection_endpoint: state.url(paths::INTROSPECTION),
            introspection_endpoint_auth_methods_supported: with_proof,
            introspection_endpoint_auth_signing_alg_values_supported: assertion_algorithms.clone(),
            introspection_signing_alg_values_supported: [state.issuer.signing_key().algorithm().name()],
            revocation_endpoint: state.url(paths::REVOCATION),
            revocation_endpoint_auth_methods_supported: authentication.clone(),
            revocation_endpoint_auth_signing_alg_values_supported: assertion_algorithms.clone(),
            grant_types_supported: grant_types.map(GrantType::name).collect(),
            token_endpoint_auth_methods_supported: authentication,
            token_endpoint_auth_signing_alg_values_supported: assertion_algorithms,
            response_types_supported: with_users(if has_implicit { &["code", "token"] } else { &["code"] }),
            response_modes_supported: with_users(if has_implicit { &["query", "fragment"] } else { &["query"] }),
            code_challenge_methods_supported: with_users(&["S256"]),
            authorization_response_iss_parameter_supported: asks_users,
            pushed_authorization_request_endpoint: asks_users.then(|| state.url(paths::PUSHED)),
            request_uri_parameter_supported: asks_users.then_some(false),
            userinfo_endpoint: is_openid.then(|| state.url(paths::USERINFO)),
            subject_types_supported: if is_openid { &["public"] } else { &[] },
            id_token_signing_alg_values_supported: is_openid
                .then(|| state.issuer.signing_key().algorithm().name())
                .into_iter()
                .collect(),
            scopes_supported: clients.iter().flat_map(|client| client.scopes.iter().cloned()).collect(),
        }
    }
}
