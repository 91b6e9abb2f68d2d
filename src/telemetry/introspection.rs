//! What is counted about introspection.

use std::sync::Arc;
use std::time::Duration;

use super::Waiting;
use super::facade::{Key, Label, SharedString, counter, gauge, histogram};
use crate::metrics::{
    INTROSPECTION_DURATION, INTROSPECTION_WAITING_REQUESTS, INTROSPECTION_WITHOUT_CALL, INTROSPECTIONS, ISSUER, RESULT,
};

/// Counts for one issuer with introspection, or for all issuers of a resolver.
pub(crate) struct IntrospectionMeter {
    issuer: SharedString,
}

impl IntrospectionMeter {
    pub(crate) fn of_configured(issuer: &Arc<str>) -> Self {
        Self { issuer: SharedString::from_shared(Arc::clone(issuer)) }
    }

    pub(crate) const fn of_resolved() -> Self {
        Self { issuer: SharedString::const_str("resolved") }
    }

    /// A call has ended.
    pub(crate) fn asked(&self, result: &'static str, took: Duration) {
        counter(&self.key_with(INTROSPECTIONS, result)).increment(1);
        histogram(&self.key(INTROSPECTION_DURATION)).record(took);
    }

    /// A token was refused because it was refused a moment ago.
    pub(crate) fn known_refused(&self) {
        counter(&self.key_with(INTROSPECTION_WITHOUT_CALL, "refused")).increment(1);
    }

    /// A token was accepted although it was unknown whether it is still active.
    pub(crate) fn served_stale(&self) {
        counter(&self.key_with(INTROSPECTION_WITHOUT_CALL, "stale")).increment(1);
    }

    /// All places for waiting requests were taken.
    pub(crate) fn turned_away(&self) {
        counter(&self.key_with(INTROSPECTION_WITHOUT_CALL, "busy")).increment(1);
    }

    /// Counts a request as waiting for an answer, for as long as the guard lives.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting::on(gauge(&self.key(INTROSPECTION_WAITING_REQUESTS)))
    }

    fn key(&self, name: &'static str) -> Key {
        Key::from_parts(name, vec![Label::new(ISSUER, self.issuer.clone())])
    }

    fn key_with(&self, name: &'static str, result: &'static str) -> Key {
        Key::from_parts(name, vec![Label::new(ISSUER, self.issuer.clone()), Label::new(RESULT, result)])
    }
}
