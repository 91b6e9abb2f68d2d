//! What is counted, a file for each subject. With the feature `metrics` it goes to the facade of that name, without it
//! nowhere.
//!
//! Nothing that a client sent becomes a label. Where a label names an issuer, it is the one of the configuration.

mod decisions;
mod facade;
mod introspection;
mod key_sets;
mod revocation;
mod token_cache;

pub(crate) use decisions::{Judgement, route_refused};
pub(crate) use facade::Waiting;
pub(crate) use introspection::IntrospectionMeter;
pub(crate) use key_sets::{FetchRecord, IssuerMeter, UnknownKid};
pub(crate) use revocation::RevocationMeter;
pub(crate) use token_cache::TokenCacheMeter;

/// Tells a recorder that is already there the units and help texts.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    crate::metrics::describe();
}
