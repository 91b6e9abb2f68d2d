//! The interface without the feature `metrics`: it does nothing.

use std::sync::Arc;
use std::time::Duration;

use super::{FetchRecord, UnknownKid};
use crate::error::{KeySetError, TokenError};
use crate::time::{Clock, UnixTime};

pub(crate) const fn describe() {}

pub(crate) const fn route_refused(_: &TokenError) {}

pub(crate) struct Judgement;

impl Judgement {
    pub(crate) const fn begin(_: &dyn Clock) -> Self {
        Self
    }

    pub(crate) const fn anonymous() {}

    pub(crate) const fn recalled(_: UnixTime, _: UnixTime) {}

    pub(crate) const fn accepted(&self, _: &dyn Clock, _: UnixTime) {}

    pub(crate) const fn refused(&self, _: &dyn Clock, _: &TokenError) {}
}

pub(crate) struct IssuerMeter;

impl IssuerMeter {
    pub(crate) const fn of_configured(_: &Arc<str>) -> Self {
        Self
    }

    pub(crate) const fn of_resolved() -> Self {
        Self
    }

    pub(crate) const fn closed(&self) {}

    pub(crate) const fn fetched(&self, _: &FetchRecord) {}

    pub(crate) const fn fetch_failed(&self, _: Duration, _: &KeySetError) {}

    pub(crate) const fn unknown_kid(&self, _: UnknownKid) {}

    pub(crate) const fn waiting(&self) -> Waiting {
        Waiting
    }
}

pub(crate) struct Waiting;

pub(crate) struct IntrospectionMeter;

impl IntrospectionMeter {
    pub(crate) const fn of_configured(_: &Arc<str>) -> Self {
        Self
    }

    pub(crate) const fn of_resolved() -> Self {
        Self
    }

    pub(crate) const fn asked(&self, _: &'static str, _: Duration) {}

    pub(crate) const fn known_refused(&self) {}

    pub(crate) const fn served_stale(&self) {}

    pub(crate) const fn turned_away(&self) {}

    pub(crate) const fn waiting(&self) -> Waiting {
        Waiting
    }
}

pub(crate) struct TokenCacheMeter;

impl TokenCacheMeter {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) const fn hit(&self) {}

    pub(crate) const fn missed(&self) {}

    pub(crate) fn inserted(&self, _: impl FnOnce() -> (u64, u64)) {}
}
