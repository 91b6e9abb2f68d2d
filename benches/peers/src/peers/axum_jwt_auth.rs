//! <https://docs.rs/axum-jwt-auth/0.7.0>

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use axum_jwt_auth::{Decoder, LocalDecoder};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, crypto};

use super::none::NONE_ROUTER;
use super::{App, Claims, Peer};
use crate::request::requests;
use crate::token::{AUDIENCE, ISSUER};
use crate::trusted::Trusted;

pub(super) const PEER: Peer = Peer {
    name: "axum-jwt-auth 0.7",
    note: "extractor; tries each key in turn; aws-lc-rs put in the place of RustCrypto, its own choice",
    without_check: Some(&NONE_ROUTER),
    requests: |trusted, tokens| Some(Box::new(requests(router(trusted), tokens))),
    app: |trusted| App::Axum08(router(trusted)),
};

fn router(trusted: &Trusted) -> Router {
    // Installed already where this is not the first.
    let _ = crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let mut validation = Validation::new(trusted.algorithm.name().parse().unwrap());
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    let set: JwkSet = serde_json::from_value(trusted.jwk_set.clone()).unwrap();
    let keys = set.keys.iter().map(|key| DecodingKey::from_jwk(key).unwrap()).collect();
    let decoder: Decoder<Claims> = Arc::new(LocalDecoder::new(keys, validation).unwrap());
    Router::new().route("/leads", get(async |_: axum_jwt_auth::Claims<Claims>| {})).with_state(decoder)
}
