//! <https://docs.rs/jwt-authorizer/0.15.0>

use jwt_authorizer::layer::AuthorizationLayer;
use jwt_authorizer::{IntoLayer, JwtAuthorizer, Validation};
use tower::{Layer, service_fn};

use super::none::{NONE_AXUM_07, handler_07, router_07};
use super::{App, Claims, Peer};
use crate::request::requests;
use crate::token::{AUDIENCE, ISSUER};
use crate::trusted::{Trusted, wait};

pub(super) const PEER: Peer = Peer {
    name: "jwt-authorizer 0.15",
    note: "axum 0.7; jsonwebtoken 9 with ring",
    without_check: Some(&NONE_AXUM_07),
    requests: |trusted, tokens| Some(Box::new(requests(layer(trusted).layer(service_fn(handler_07)), tokens))),
    app: |trusted| App::Axum07(router_07().route_layer(layer(trusted))),
};

fn layer(trusted: &Trusted) -> AuthorizationLayer<Claims> {
    let validation = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]).exp(true).nbf(true);
    let authorizer = JwtAuthorizer::from_jwks_text(&trusted.jwk_set.to_string()).validation(validation);
    wait(authorizer.build()).unwrap().into_layer()
}
