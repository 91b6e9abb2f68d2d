//! The admin API: what the handle does, over HTTP, on a port of its own. The [module](super) has the list of paths.
//!
//! It asks nobody who he is, as everybody on the machine may use it; [`guard`] keeps web pages out.

mod clients;
mod clock;
mod faults;
mod guard;
mod json_body;
mod keys;
mod overview;
mod refusal;
mod running;
mod steering;

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;

use self::refusal::AdminRefusal;
use super::connections::{Connections, Transport};
use super::service::Service;
use super::state::ServerState;

/// The running admin API; dropping it closes its port and connections.
pub(super) struct Admin {
    pub(super) url: String,
    _connections: Connections,
}

/// What the handlers work on.
#[derive(Clone)]
struct AdminState {
    server: Arc<ServerState>,
    /// The handle owns it: a server must not live on because someone asks it to stop.
    service: Weak<Service>,
}

impl Admin {
    pub(super) fn serve(
        server: Arc<ServerState>,
        service: &Arc<Service>,
        address: SocketAddr,
        listener: TcpListener,
    ) -> Self {
        tracing::warn!(%address, "the admin API of the bundled authorization server is open to this machine");
        let router = router(AdminState { server, service: Arc::downgrade(service) });
        Self { url: format!("http://{address}"), _connections: Connections::accept(listener, router, Transport::Plain) }
    }
}

fn router(state: AdminState) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/clients", get(overview::clients))
        .route("/clients/{id}/secret", post(clients::rotate_secret))
        .route("/users", get(overview::users))
        .route("/requests", get(overview::requests))
        .route("/requests/log", get(overview::request_log).delete(overview::clear_request_log))
        .route("/faults", get(faults::show_all))
        .route("/faults/{endpoint}", get(faults::show).put(faults::set).delete(faults::clear))
        .route("/cache-control", get(faults::show_cache_control).put(faults::set_cache_control))
        .route("/keys", get(keys::show))
        .route("/keys/rotate", post(keys::rotate))
        .route("/keys/next", post(keys::publish_next))
        .route("/keys/{kid}", delete(keys::withdraw))
        .route("/keys/{kid}/replace", post(keys::replace))
        .route("/clock", get(clock::show).put(clock::set))
        .route(
            "/next-tokens",
            get(steering::next_tokens).post(steering::script_next_token).delete(steering::clear_next_tokens),
        )
        .route("/devices/next", post(steering::script_device).delete(steering::clear_scripted_devices))
        .route("/tokens", get(steering::issued))
        .route("/tokens/revoke", post(steering::revoke))
        .route("/stop", post(running::stop))
        .route("/restart", post(running::restart))
        .fallback(async || AdminRefusal::no_such_path())
        .method_not_allowed_fallback(async || AdminRefusal::method())
        .layer(from_fn(guard::admit))
        .with_state(state)
}
