//! The services that are compared.

mod aliri_tower;
mod axum_jwt_auth;
mod extension_alone;
mod jwt_authorizer;
mod none;
mod oauth_resource_server;
mod signature_alone;
mod tower_bearer;
mod tower_oauth2_resource_server;

use ::tower_bearer::layer::BearerService;
use http::StatusCode;
use serde::Deserialize;

use crate::trusted::Trusted;

/// A service with some check of tokens, or none, in front of the same handler.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// What has to be known to compare it.
    pub(crate) note: &'static str,
    /// Which of the services without a check it is compared with.
    pub(crate) without_check: Option<&'static Self>,
    /// Whole requests, with these tokens in turn. `None`: it has not got the algorithm.
    pub(crate) requests: fn(&Trusted, &[String]) -> Option<Requests>,
    /// The same as an application.
    pub(crate) app: fn(&Trusted) -> App,
}

impl Peer {
    /// Whether it looks at tokens at all.
    pub(crate) fn checks(&self) -> bool {
        self.without_check.is_some() && self.name != EXTENSION_ALONE.name
    }
}

/// Sends a request, and gives the status of the answer.
pub(crate) type Requests = Box<dyn FnMut() -> StatusCode + Send>;

/// axum's version is the peer's choice.
pub(crate) enum App {
    Axum08(axum::Router),
    AroundRouter(BearerService<axum::Router>),
    Axum07(axum_07::Router),
}

pub(crate) use self::extension_alone::EXTENSION_ALONE;
pub(crate) use self::none::{NONE, NONE_AXUM_07, NONE_ROUTER};
pub(crate) use self::signature_alone::SIGNATURE_ALONE;
pub(crate) use self::tower_bearer::{AROUND_ROUTER, PEER as OURS, WITHOUT_CACHE};

/// The other crates.
pub(crate) const OTHERS: [&Peer; 5] = [
    &jwt_authorizer::PEER,
    &axum_jwt_auth::PEER,
    &tower_oauth2_resource_server::PEER,
    &oauth_resource_server::PEER,
    &aliri_tower::PEER,
];

/// The claims, for those who read them for the handler.
#[derive(Clone, Debug, Deserialize)]
#[expect(dead_code, reason = "read for the time it takes")]
pub(crate) struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    nbf: u64,
    jti: Option<String>,
    client_id: Option<String>,
    scope: String,
    tenant: String,
    roles: Vec<String>,
}
