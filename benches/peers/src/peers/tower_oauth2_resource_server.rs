//! <https://docs.rs/tower-oauth2-resource-server/0.12.5>

use tower::{Layer, service_fn};
use tower_oauth2_resource_server::layer::OAuth2ResourceServerLayer;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

use super::none::{NONE, router};
use super::{App, Claims, Peer};
use crate::request::{handler, requests};
use crate::token::{AUDIENCE, ISSUER};
use crate::trusted::{Trusted, wait};

pub(super) const PEER: Peer = Peer {
    name: "tower-oauth2-resource-server 0.12",
    note: "jsonwebtoken 11 with aws-lc-rs (jwt-aws-lc-rs, not its default)",
    without_check: Some(&NONE),
    requests: |trusted, tokens| Some(Box::new(requests(layer(trusted).layer(service_fn(handler)), tokens))),
    app: |trusted| App::Axum08(router().route_layer(layer(trusted))),
};

fn layer<B: Default>(trusted: &Trusted) -> OAuth2ResourceServerLayer<B, Claims> {
    let spec = ClaimsValidationSpec::recommended(ISSUER, &vec![AUDIENCE.to_owned()]);
    let tenant = TenantConfiguration::static_builder(trusted.jwk_set.to_string()).claims_validation(spec);
    let server = OAuth2ResourceServer::builder().add_tenant(tenant.build().unwrap());
    wait(server.build()).unwrap().into_layer()
}
