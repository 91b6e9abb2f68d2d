//! What is counted, behind one interface: with the feature `metrics` it goes to the facade of that name, without it
//! nothing happens, so that no caller needs a `cfg`.
//!
//! Nothing that a client sent becomes a label. Where a label names an issuer, it is the one of the configuration.

#[cfg(feature = "metrics")]
mod introspection;
#[cfg(feature = "metrics")]
mod recorded;
#[cfg(not(feature = "metrics"))]
mod silent;

#[cfg(feature = "metrics")]
pub(crate) use introspection::IntrospectionMeter;
#[cfg(feature = "metrics")]
pub(crate) use recorded::{IssuerMeter, Judgement, TokenCacheMeter, Waiting, describe, route_refused};
#[cfg(not(feature = "metrics"))]
pub(crate) use silent::{
    IntrospectionMeter, IssuerMeter, Judgement, TokenCacheMeter, Waiting, describe, route_refused,
};

use std::time::Duration;

use crate::time::UnixTime;

/// A fetch that brought a key set, or the word that the last one still stands.
#[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "nobody reads it"))]
pub(crate) struct FetchRecord {
    pub(crate) took: Duration,
    /// The age of the set that it replaced or confirmed, if there was one.
    pub(crate) last_age: Option<Duration>,
    pub(crate) is_unchanged: bool,
    /// Usable keys in the set.
    pub(crate) keys: usize,
    /// Keys in the set that are not used.
    pub(crate) dropped: usize,
    pub(crate) now: Option<UnixTime>,
}

/// What a request with an unknown `kid` got.
#[derive(Clone, Copy)]
pub(crate) enum UnknownKid {
    Refused,
    Unproven,
    Unavailable,
}
