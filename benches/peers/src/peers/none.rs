//! No check at all.

use std::convert::Infallible;

use axum::Router;
use axum::routing::get;
use http::{Request, Response};
use tower::service_fn;

use super::{App, Peer};
use crate::request::{handler, requests};

pub(crate) const NONE: Peer = Peer {
    name: "none",
    note: "",
    without_check: None,
    requests: |_, tokens| Some(Box::new(requests(service_fn(handler), tokens))),
    app: |_| App::Axum08(router()),
};

/// For extractors, which are nothing without a `Router`.
pub(crate) const NONE_ROUTER: Peer =
    Peer { name: "none, axum Router", requests: |_, tokens| Some(Box::new(requests(router(), tokens))), ..NONE };

pub(crate) const NONE_AXUM_07: Peer = Peer {
    name: "none, axum 0.7",
    requests: |_, tokens| Some(Box::new(requests(service_fn(handler_07), tokens))),
    app: |_| App::Axum07(router_07()),
    ..NONE
};

pub(super) fn router() -> Router {
    Router::new().route("/leads", get(|| async {}))
}

pub(super) fn router_07() -> axum_07::Router {
    axum_07::Router::new().route("/leads", axum_07::routing::get(|| async {}))
}

/// The same handler with the body of axum 0.7.
pub(super) async fn handler_07<B>(_: Request<B>) -> Result<Response<axum_07::body::Body>, Infallible> {
    Ok(Response::new(axum_07::body::Body::empty()))
}
