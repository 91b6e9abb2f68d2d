//! <https://docs.rs/aliri_tower/0.6.1>

use aliri::{Jwks, jwt};
use aliri_clock::UnixTime;
use aliri_oauth2::scope::{HasScope, Scope};
use aliri_oauth2::{Authority, ScopePolicy};
use aliri_tower::Oauth2Authorizer;
use serde::Deserialize;
use tower::{ServiceBuilder, service_fn};
use tower_bearer::jose::Algorithm;

use super::none::{NONE, router};
use super::{App, Peer};
use crate::request::{handler, requests};
use crate::token::{AUDIENCE, ISSUER};
use crate::trusted::Trusted;

pub(super) const PEER: Peer = Peer {
    name: "aliri_tower 0.6",
    note: "checks a scope too; RSA by ring, ECDSA by OpenSSL",
    without_check: Some(&NONE),
    requests: |trusted, tokens| {
        let authority = authority(trusted)?;
        let authorizer = Oauth2Authorizer::new().with_claims::<Claims>().with_terse_error_handler();
        let layers = ServiceBuilder::new()
            .layer(authorizer.jwt_layer(authority))
            .layer(authorizer.scope_layer(ScopePolicy::allow_one_from_static("read:leads")));
        Some(Box::new(requests(layers.service(service_fn(handler)), tokens)))
    },
    app: |trusted| {
        let authority = authority(trusted).unwrap();
        let authorizer = Oauth2Authorizer::new().with_claims::<Claims>().with_terse_error_handler();
        let layers = ServiceBuilder::new()
            .layer(authorizer.jwt_layer(authority))
            .layer(authorizer.scope_layer(ScopePolicy::allow_one_from_static("read:leads")));
        App::Axum08(router().route_layer(layers))
    },
};

/// It wants some of them in types of its own.
#[derive(Clone, Debug, Deserialize)]
#[expect(dead_code, reason = "read for the time it takes")]
struct Claims {
    iss: jwt::Issuer,
    sub: jwt::Subject,
    aud: jwt::Audiences,
    exp: UnixTime,
    iat: UnixTime,
    nbf: UnixTime,
    jti: Option<String>,
    client_id: Option<String>,
    scope: Scope,
    tenant: String,
    roles: Vec<String>,
}

impl jwt::CoreClaims for Claims {
    fn nbf(&self) -> Option<UnixTime> {
        Some(self.nbf)
    }

    fn exp(&self) -> Option<UnixTime> {
        Some(self.exp)
    }

    fn aud(&self) -> &jwt::Audiences {
        &self.aud
    }

    fn iss(&self) -> Option<&jwt::IssuerRef> {
        Some(&self.iss)
    }

    fn sub(&self) -> Option<&jwt::SubjectRef> {
        Some(&self.sub)
    }
}

impl HasScope for Claims {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// It has no EdDSA.
fn authority(trusted: &Trusted) -> Option<Authority> {
    if trusted.algorithm == Algorithm::EdDSA {
        return None;
    }
    // From text: out of a `Value` it drops every key without a word.
    let keys: Jwks = serde_json::from_str(&trusted.jwk_set.to_string()).unwrap();
    let algorithm = serde_json::from_value(trusted.algorithm.name().into()).unwrap();
    let validator = jwt::CoreValidator::default()
        .add_approved_algorithm(algorithm)
        .add_allowed_audience(jwt::Audience::from_static(AUDIENCE))
        .require_issuer(jwt::Issuer::from_static(ISSUER))
        .check_expiration()
        .check_not_before();
    Some(Authority::new(keys, validator))
}
