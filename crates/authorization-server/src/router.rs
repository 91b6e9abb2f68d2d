//! Which path leads where, and what happens to each request on its way: it is counted, logged, and given its fault.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler as _;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use super::endpoints::{
    authorization, consent, device, device_authorization, introspection, jwk_set, login, metadata,
    pushed_authorization, revocation, token, userinfo,
};
use super::grant_type::GrantType;
use super::paths::{self, Paths};
use super::state::ServerState;
use super::{Endpoint, StartError, cors, misbehaviour, request_log};

/// The routes of all issuers; another method than the one named gets 405 with `Allow`.
pub(super) fn router<'a>(issuers: impl IntoIterator<Item = &'a Arc<ServerState>>) -> Result<Router, StartError> {
    let (mut router, mut taken) = (Router::new(), HashSet::new());
    for state in issuers {
        for (path, endpoint, route) in routes(state) {
            if !taken.insert(path.clone()) {
                return Err(StartError::SharedPath { path });
            }
            // Requests by another method never get to the endpoint.
            let watched = route.route_layer(from_fn_with_state((Arc::clone(state), endpoint), observe));
            let watched = watched.with_state(Arc::clone(state));
            // Outermost, so that scripts can read a 405 and what a fault made of the response.
            let watched = if endpoint.is_for_scripts() { watched.layer(cors::layer()) } else { watched };
            router = router.route(&path, watched);
        }
    }
    // Nothing is there, and scripts may know that.
    Ok(router.fallback((async || StatusCode::NOT_FOUND).layer(cors::layer())))
}

fn routes(state: &Arc<ServerState>) -> Vec<(String, Endpoint, MethodRouter<Arc<ServerState>>)> {
    let Paths { issuer, authorize, token: token_path } = &state.paths;
    // RFC 8414 §3.1 puts the well-known part before the issuer's path, OpenID Connect Discovery 1.0 §4.1 after it.
    let rfc_8414 = format!("/.well-known/oauth-authorization-server{issuer}");
    let openid = format!("{issuer}/.well-known/openid-configuration");

    let mut routes = vec![
        (rfc_8414, Endpoint::Metadata, get(metadata::respond)),
        (openid, Endpoint::Metadata, get(metadata::respond)),
        (state.path(paths::JWK_SET), Endpoint::JwkSet, get(jwk_set::respond)),
        (state.path(token_path), Endpoint::Token, post(token::respond)),
        (state.path(paths::INTROSPECTION), Endpoint::Introspection, post(introspection::respond)),
        (state.path(paths::REVOCATION), Endpoint::Revocation, post(revocation::respond)),
    ];
    if state.clients.can_use(GrantType::AuthorizationCode) {
        let authorizing = get(authorization::respond).post(authorization::respond);
        routes.extend([
            (state.path(authorize), Endpoint::Authorization, authorizing),
            (state.path(paths::LOGIN), Endpoint::Login, post(login::respond)),
            (state.path(paths::PUSHED), Endpoint::PushedAuthorization, post(pushed_authorization::respond)),
            (state.path(paths::CONSENT), Endpoint::Consent, post(consent::respond)),
        ]);
    }
    if state.clients.has_client_for_users() {
        let asking = get(userinfo::respond).post(userinfo::respond);
        let asking = asking.route_layer(from_fn_with_state(Arc::clone(state), userinfo::protect));
        routes.push((state.path(paths::USERINFO), Endpoint::Userinfo, asking));
    }
    if state.clients.can_use(GrantType::DeviceCode) {
        let asking = post(device_authorization::respond);
        let pages = get(device::show).post(device::respond);
        routes.extend([
            (state.path(paths::DEVICE_AUTHORIZATION), Endpoint::DeviceAuthorization, asking),
            (state.path(paths::DEVICE), Endpoint::Device, pages),
        ]);
    }
    routes
}

/// Counts the request, logs it, and lets the endpoint answer it as well or badly as it is told to.
async fn observe(
    State((state, endpoint)): State<(Arc<ServerState>, Endpoint)>,
    request: Request,
    next: Next,
) -> Response {
    state.count(endpoint);
    let number = state.request_log.begin(request.method(), request.uri().path(), endpoint);
    let answer = async {
        match state.faults.take_turn(endpoint) {
            None => next.run(request).await,
            Some(fault) => {
                tracing::debug!(%endpoint, ?fault, "misbehaving as told");
                misbehaviour::misbehave(fault, &state.issuer, endpoint, request, next).await
            }
        }
    };
    let (answer, notes) = request_log::with_notes(answer).await;
    state.request_log.end(number, answer.status(), notes);
    answer
}
