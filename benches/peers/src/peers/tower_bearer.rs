//! Ours.

use tower::{Layer, service_fn};
use tower_bearer::{BearerLayer, Issuer, ResourceServer};

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

fn layer(trusted: &Trusted) -> BearerLayer {
    let issuer = Issuer::new(ISSUER).jwk_set(trusted.jwk_set.to_string());
    ResourceServer::builder().audience(AUDIENCE).issuer(issuer).build().unwrap().layer()
}
