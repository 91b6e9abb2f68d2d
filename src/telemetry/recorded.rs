//! The interface with the feature `metrics`.
//!
//! No handle is kept: a recorder may be installed after the resource server was built, and a handle taken before would
//! count into nothing for ever. What a request with a good token needs is found by keys that are made at compile time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, SharedString, with_recorder};

use super::{FetchRecord, UnknownKid};
use crate::error::{KeySetError, TokenError};
use crate::metrics::{
    ANSWER, CHECK_DURATION, DECISIONS, ISSUER, KEY_FETCH_DURATION, KEY_FETCHES, KEY_SET_AGE, KEY_SET_DROPPED_KEYS,
    KEY_SET_KEYS, KEY_SET_REFRESHED, OUTCOME, REASON, RESULT, ROUTE_REFUSALS, TOKEN_CACHE_BYTES, TOKEN_CACHE_LOOKUPS,
    TOKEN_CACHE_TOKENS, TOKEN_LIFE_LEFT, UNKNOWN_KIDS, WAITING_REQUESTS,
};
use crate::status_policy::RefusalKind;
use crate::time::{Clock, UnixTime};

pub(crate) use crate::metrics::describe;

static METADATA: Metadata<'_> = Metadata::new("tower_bearer", Level::INFO, Some("tower_bearer"));

static ACCEPTED_LABEL: [Label; 1] = [Label::from_static_parts(OUTCOME, "accepted")];
static ACCEPTED_LABELS: [Label; 2] =
    [Label::from_static_parts(OUTCOME, "accepted"), Label::from_static_parts(REASON, "none")];
static ANONYMOUS_LABELS: [Label; 2] =
    [Label::from_static_parts(OUTCOME, "anonymous"), Label::from_static_parts(REASON, "none")];
static ACCEPTED: Key = Key::from_static_parts(DECISIONS, &ACCEPTED_LABELS);
static ANONYMOUS: Key = Key::from_static_parts(DECISIONS, &ANONYMOUS_LABELS);
static ACCEPTED_DURATION: Key = Key::from_static_parts(CHECK_DURATION, &ACCEPTED_LABEL);
static LIFE_LEFT: Key = Key::from_static_name(TOKEN_LIFE_LEFT);

static HIT_LABEL: [Label; 1] = [Label::from_static_parts(RESULT, "hit")];
static MISS_LABEL: [Label; 1] = [Label::from_static_parts(RESULT, "miss")];
static HIT: Key = Key::from_static_parts(TOKEN_CACHE_LOOKUPS, &HIT_LABEL);
static MISS: Key = Key::from_static_parts(TOKEN_CACHE_LOOKUPS, &MISS_LABEL);
static CACHED_TOKENS: Key = Key::from_static_name(TOKEN_CACHE_TOKENS);
static CACHED_BYTES: Key = Key::from_static_name(TOKEN_CACHE_BYTES);

/// Adding up what a cache holds takes a lock on each of its parts, so it is done once in so many insertions.
const INSERTIONS_BETWEEN_SUMS: u64 = 64;

pub(super) fn counter(key: &Key) -> Counter {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA))
}

pub(super) fn gauge(key: &Key) -> Gauge {
    with_recorder(|recorder| recorder.register_gauge(key, &METADATA))
}

pub(super) fn histogram(key: &Key) -> Histogram {
    with_recorder(|recorder| recorder.register_histogram(key, &METADATA))
}

/// A route layer or an extractor refused a request that the bearer layer had let through, or had not seen.
pub(crate) fn route_refused(error: &TokenError) {
    counter(&Key::from_parts(ROUTE_REFUSALS, vec![Label::new(REASON, error.reason())])).increment(1);
}

/// One request whose token is not in the cache, from the moment when a bearer layer looks at it. Ends in one of its
/// methods, or is forgotten when the client leaves.
pub(crate) struct Judgement {
    began: Duration,
}

impl Judgement {
    pub(crate) fn begin(clock: &dyn Clock) -> Self {
        Self { began: clock.monotonic() }
    }

    /// A request that passed without a token.
    pub(crate) fn anonymous() {
        counter(&ANONYMOUS).increment(1);
    }

    /// A token that was found in the cache: nothing of it was checked that takes time.
    pub(crate) fn recalled(now: UnixTime, expires_at: UnixTime) {
        counter(&ACCEPTED).increment(1);
        histogram(&LIFE_LEFT).record(expires_at.saturating_since(now));
    }

    pub(crate) fn accepted(&self, clock: &dyn Clock, expires_at: UnixTime) {
        histogram(&ACCEPTED_DURATION).record(self.took(clock));
        match clock.now() {
            Some(now) => Self::recalled(now, expires_at),
            None => counter(&ACCEPTED).increment(1),
        }
    }

    pub(crate) fn refused(&self, clock: &dyn Clock, error: &TokenError) {
        let outcome = Label::new(
            OUTCOME,
            match RefusalKind::from(error) {
                RefusalKind::Unavailable => "unavailable",
                // Anybody can send an unknown `kid`: it is not an outage, and must not page anybody.
                RefusalKind::KeyNotProvenAbsent => "unproven",
                _ => "refused",
            },
        );
        let labels = vec![outcome.clone(), Label::new(REASON, error.reason())];
        counter(&Key::from_parts(DECISIONS, labels)).increment(1);
        // Without one token there was nothing to check.
        if !matches!(error, TokenError::Absent | TokenError::Request(_)) {
            histogram(&Key::from_parts(CHECK_DURATION, vec![outcome])).record(self.took(clock));
        }
    }

    fn took(&self, clock: &dyn Clock) -> Duration {
        clock.monotonic().saturating_sub(self.began)
    }
}

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

/// Takes the request off the gauge of the recorder that it was put on.
pub(crate) struct Waiting(Gauge);

impl Waiting {
    pub(super) fn on(gauge: Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Counts for one cache of accepted tokens.
#[derive(Default)]
pub(crate) struct TokenCacheMeter {
    insertions: AtomicU64,
    tokens: Share,
    bytes: Share,
}

impl TokenCacheMeter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn hit(&self) {
        counter(&HIT).increment(1);
    }

    pub(crate) fn missed(&self) {
        counter(&MISS).increment(1);
    }

    /// Counts an insertion, and now and then asks how many tokens and bytes there are.
    pub(crate) fn inserted(&self, sums: impl FnOnce() -> (u64, u64)) {
        if self.insertions.fetch_add(1, Ordering::Relaxed).is_multiple_of(INSERTIONS_BETWEEN_SUMS) {
            let (tokens, bytes) = sums();
            self.holds(tokens, bytes);
        }
    }

    /// A gauge has one value for all caches of the process, and a recorder that is installed late needs the whole of
    /// it.
    fn holds(&self, tokens: u64, bytes: u64) {
        static ALL_TOKENS: AtomicU64 = AtomicU64::new(0);
        static ALL_BYTES: AtomicU64 = AtomicU64::new(0);
        gauge(&CACHED_TOKENS).set(to_float(self.tokens.set(tokens, &ALL_TOKENS)));
        gauge(&CACHED_BYTES).set(to_float(self.bytes.set(bytes, &ALL_BYTES)));
    }
}

impl Drop for TokenCacheMeter {
    fn drop(&mut self) {
        self.holds(0, 0);
    }
}

/// What one cache adds to a sum.
#[derive(Default)]
struct Share(AtomicU64);

impl Share {
    /// Changes it, and gives the new sum.
    fn set(&self, share: u64, sum: &AtomicU64) -> u64 {
        // What is less now is added as what goes around the end of the numbers.
        let change = share.wrapping_sub(self.0.swap(share, Ordering::Relaxed));
        sum.fetch_add(change, Ordering::Relaxed).wrapping_add(change)
    }
}

/// By way of a duration, whose conversion is the one without a cast.
fn to_float(number: u64) -> f64 {
    Duration::from_secs(number).as_secs_f64()
}
