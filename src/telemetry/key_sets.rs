//! What is counted about fetches of key sets, and about requests that wait for one.

use std::sync::Arc;
use std::time::Duration;

use super::Waiting;
use super::facade::{Key, Label, SharedString, counter, gauge, histogram};
use crate::error::KeySetError;
use crate::metrics::{
    ANSWER, ISSUER, KEY_FETCH_DURATION, KEY_FETCHES, KEY_SET_AGE, KEY_SET_DROPPED_KEYS, KEY_SET_KEYS,
    KEY_SET_REFRESHED, RESULT, UNKNOWN_KIDS, WAITING_REQUESTS,
};
use crate::time::UnixTime;

/// Counts for one issuer, or for all that a resolver brings.
pub(crate) struct IssuerMeter {
    issuer: SharedString,
    /// What has one value at a time has a meaning for one issuer only.
    is_single: bool,
}

impl IssuerMeter {
    /// For an issuer that the configuration names, which has few.
    pub(crate) fn of_configured(issuer: &Arc<str>) -> Self {
        Self { issuer: SharedString::from_shared(Arc::clone(issuer)), is_single: true }
    }

    /// For issuers from a resolver: they are without end, so they share one label.
    pub(crate) const fn of_resolved() -> Self {
        Self { issuer: SharedString::const_str("resolved"), is_single: false }
    }

    /// The issuer is not trusted any more.
    pub(crate) fn closed(&self) {
        if self.is_single {
            gauge(&self.key(KEY_SET_KEYS)).set(0);
            gauge(&self.key(KEY_SET_DROPPED_KEYS)).set(0);
        }
    }

    pub(crate) fn fetched(&self, fetched: &FetchRecord) {
        self.fetch_ended(if fetched.is_unchanged { "unchanged" } else { "success" }, fetched.took);
        if let Some(age) = fetched.last_age {
            histogram(&self.key(KEY_SET_AGE)).record(age);
        }
        if !self.is_single {
            return;
        }
        let count = |keys| u32::try_from(keys).unwrap_or(u32::MAX);
        gauge(&self.key(KEY_SET_KEYS)).set(count(fetched.keys));
        gauge(&self.key(KEY_SET_DROPPED_KEYS)).set(count(fetched.dropped));
        if let Some(now) = fetched.now {
            gauge(&self.key(KEY_SET_REFRESHED)).set(now.saturating_since(UnixTime::from_secs(0)));
        }
    }

    pub(crate) fn fetch_failed(&self, took: Duration, error: &KeySetError) {
        self.fetch_ended(error.reason(), took);
    }

    pub(crate) fn unknown_kid(&self, answer: UnknownKid) {
        let answer = match answer {
            UnknownKid::Refused => "refused",
            UnknownKid::Unproven => "unproven",
            UnknownKid::Unavailable => "unavailable",
        };
        counter(&self.key_with(UNKNOWN_KIDS, ANSWER, answer)).increment(1);
    }

    /// Counts a request as waiting for keys, for as long as the guard lives.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting::on(gauge(&self.key(WAITING_REQUESTS)))
    }

    fn fetch_ended(&self, result: &'static str, took: Duration) {
        counter(&self.key_with(KEY_FETCHES, RESULT, result)).increment(1);
        histogram(&self.key(KEY_FETCH_DURATION)).record(took);
    }

    fn label(&self) -> Label {
        Label::new(ISSUER, self.issuer.clone())
    }

    fn key(&self, name: &'static str) -> Key {
        Key::from_parts(name, vec![self.label()])
    }

    fn key_with(&self, name: &'static str, label: &'static str, value: &'static str) -> Key {
        Key::from_parts(name, vec![self.label(), Label::new(label, value)])
    }
}

/// A fetch that brought a key set, or confirmed the last one.
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
