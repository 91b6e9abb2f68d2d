//! <https://docs.rs/oauth-resource-server/0.4.1>

use std::sync::Arc;

use oauth_resource_server::http_layer::HttpAuthLayer;
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
use tower::{Layer, service_fn};

use super::none::{NONE, router};
use super::{App, Peer};
use crate::request::{handler, requests};
use crate::token::{AUDIENCE, ISSUER};
use crate::trusted::{Trusted, wait};

pub(super) const PEER: Peer = Peer {
    name: "oauth-resource-server 0.4",
    note: "checks a scope too; jsonwebtoken 9 with ring; keys by URL, fetched once",
    without_check: Some(&NONE),
    requests: |trusted, tokens| Some(Box::new(requests(layer(trusted).layer(service_fn(handler)), tokens))),
    app: |trusted| App::Axum08(router().route_layer(layer(trusted))),
};

fn layer(trusted: &Trusted) -> HttpAuthLayer {
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.to_owned(),
        jwks_uri: Some(trusted.jwk_set_url()),
        audience: AUDIENCE.to_owned(),
        resource: AUDIENCE.to_owned(),
        required_scope: Some("read:leads".to_owned()),
        algorithms: vec![trusted.algorithm.name().to_owned()],
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).unwrap().unwrap();
    let validator = Arc::new(OAuthValidator::new(&config).unwrap());
    wait(validator.refresh_now()).unwrap();
    HttpAuthLayer::builder().oauth(validator).build().unwrap()
}
