//! Which path leads where, and what happens to each request on its way: it is counted, logged, and given its fault.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

use super::paths::{self, Paths};
use super::state::ServerState;
use super::{
    Endpoint, StartError, authorize_endpoint, consent_endpoint, device_authorization_endpoint, device_page,
    introspection_endpoint, jwk_set_endpoint, login_endpoint, metadata_endpoint, misbehaviour,
    pushed_authorization_endpoint, request_log, revocation_endpoint, token_endpoint, userinfo_endpoint,
};

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
            router = router.route(&path, watched.with_state(Arc::clone(state)));
        }
    }
    Ok(router)
}

fn routes(state: &ServerState) -> Vec<(String, Endpoint, MethodRouter<Arc<ServerState>>)> {
    let Paths { issuer, authorize, token } = &state.paths;
    // RFC 8414 §3.1 puts the well-known part before the issuer's path, OpenID Connect Discovery 1.0 §4.1 after it.
    let rfc_8414 = format!("/.well-known/oauth-authorization-server{issuer}");
    let openid = format!("{issuer}/.well-known/openid-configuration");

    let mut routes = vec![
        (rfc_8414, Endpoint::Metadata, get(metadata_endpoint::respond)),
        (openid, Endpoint::Metadata, get(metadata_endpoint::respond)),
        (state.path(paths::JWK_SET), Endpoint::JwkSet, get(jwk_set_endpoint::respond)),
        (state.path(token), Endpoint::Token, post(token_endpoint::respond)),
        (state.path(paths::INTROSPECTION), Endpoint::Introspection, post(introspection_endpoint::respond)),
        (state.path(paths::REVOCATION), Endpoint::Revocation, post(revocation_endpoint::respond)),
    ];
    if state.clients.ask_users() {
        let authorization = get(authorize_endpoint::respond).post(authorize_endpoint::respond);
        routes.extend([
            (state.path(authorize), Endpoint::Authorization, authorization),
            (state.path(paths::LOGIN), Endpoint::Login, post(login_endpoint::respond)),
            (state.path(paths::PUSHED), Endpoint::PushedAuthorization, post(pushed_authorization_endpoint::respond)),
            (state.path(paths::CONSENT), Endpoint::Consent, post(consent_endpoint::respond)),
        ]);
    }
    if state.clients.act_for_users() {
        let userinfo = get(userinfo_endpoint::respond).post(userinfo_endpoint::respond);
        routes.push((state.path(paths::USERINFO), Endpoint::Userinfo, userinfo));
    }
    if state.clients.have_devices() {
        let asking = post(device_authorization_endpoint::respond);
        let pages = get(device_page::show).post(device_page::respond);
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
                misbehaviour::misbehave(fault, &state, endpoint, request, next).await
            }
        }
    };
    let (answer, client_id) = request_log::with_client(answer).await;
    state.request_log.end(number, answer.status(), client_id);
    answer
}
