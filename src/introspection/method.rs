//! How an issuer is asked.

use std::sync::Arc;

use super::answer::Form;
use super::failure::Failure;
#[cfg(feature = "remote-keys")]
use super::remote::RemoteEndpoint;
use super::source::IntrospectionSource;
use crate::keys::Keys;
use crate::time::UnixTime;

/// How an issuer is asked.
pub(crate) enum Method {
    /// RFC 7662.
    #[cfg(feature = "remote-keys")]
    Endpoint(Box<RemoteEndpoint>),
    Source(Arc<dyn IntrospectionSource>),
}

/// An issuer's response, not yet parsed.
pub(super) enum Said {
    Json(Vec<u8>, Form),
    Inactive,
}

impl Method {
    /// `keys` are the issuer's, for signed answers.
    #[cfg_attr(not(feature = "remote-keys"), expect(unused_variables, reason = "only an endpoint signs"))]
    pub(super) async fn ask(&self, token: &str, keys: Option<&Keys>, now: UnixTime) -> Result<Said, Failure> {
        match self {
            #[cfg(feature = "remote-keys")]
            Self::Endpoint(endpoint) => Ok(Said::Json(endpoint.ask(token, keys, now).await?, Form::Introspection)),
            Self::Source(source) => {
                let said = source.introspect(token).await.map_err(|error| Failure::source(&error))?;
                Ok(said.map_or(Said::Inactive, |claims| Said::Json(claims.into_bytes(), Form::Claims)))
            }
        }
    }

    /// Whether it is known where to ask.
    pub(super) fn is_found(&self) -> bool {
        match self {
            #[cfg(feature = "remote-keys")]
            Self::Endpoint(endpoint) => endpoint.is_found(),
            Self::Source(_) => true,
        }
    }
}
