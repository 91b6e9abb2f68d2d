//! Ours.

use tower::{Layer, service_fn};
use tower_bearer::{BearerLayer, Issuer, ResourceServer, ResourceServerBuilder};

use super::none::{NONE, router};
use super::{App, Peer};
use crate::request::{handler, requests};
use crate::token::{AUDIENCE, ISSUER};
use crate::trusted::Trusted;

pub(crate) const PEER: Peer = Peer {
    name: "tower-bearer",
    note: "",
    without_check: Some(&NONE),
    requests: |trusted, tokens| Some(Box::new(requests(layer(trusted).layer(service_fn(handler)), tokens))),
    app: |trusted| App::Axum08(router().route_layer(layer(trusted))),
};

/// axum puts a layer of any kind into boxes, one for each route; around the whole `Router` there are none.
pub(crate) const AROUND_ROUTER: Peer = Peer {
    name: "tower-bearer, around the Router",
    app: |trusted| App::AroundRouter(layer(trusted).layer(router())),
    ..PEER
};

/// As if no token ever came twice.
pub(crate) const WITHOUT_CACHE: Peer = Peer {
    name: "tower-bearer, cache off",
    app: |trusted| {
        let api = server(trusted).token_cache_bytes(0).build().unwrap();
        App::Axum08(router().route_layer(api.layer()))
    },
    ..PEER
};

fn layer(trusted: &Trusted) -> BearerLayer {
    server(trusted).build().unwrap().layer()
}

fn server(trusted: &Trusted) -> ResourceServerBuilder {
    let issuer = Issuer::new(ISSUER).jwk_set(trusted.jwk_set.to_string());
    ResourceServer::builder().audience(AUDIENCE).issuer(issuer)
}
