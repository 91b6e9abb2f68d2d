//! The names of what is counted (feature `metrics`).
//!
//! The crate counts through the [`metrics`](https://docs.rs/metrics) facade; the application installs whatever recorder
//! it likes, before or after it builds its resource server. The [guide](crate::guide::monitoring) says what each name
//! means, which labels it has, and what to alert on. `issuer` is a configured issuer, or `resolved` for all that a
//! resolver brings. Names, labels and their values are part of the interface.
//!
//! ```
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut builder = PrometheusBuilder::new();
//! for (name, buckets) in tower_bearer::metrics::BUCKETS {
//!     builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)?;
//! }
//! let recorder = builder.install_recorder()?;
//! tower_bearer::metrics::describe();
//! assert!(!recorder.render().contains("tower_bearer_decisions_total{"), "nothing was decided yet");
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "metrics")]
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Counter: requests that a bearer layer decided, by `outcome` and `reason`.
pub const DECISIONS: &str = "tower_bearer_decisions_total";
/// Counter: requests that a route layer or an extractor refused after that, by `reason`.
pub const ROUTE_REFUSALS: &str = "tower_bearer_route_refusals_total";
/// Histogram: how long the check of a token took that was not in the cache, the wait for its key included, by
/// `outcome`.
pub const CHECK_DURATION: &str = "tower_bearer_check_duration_seconds";
/// Histogram: how long an accepted token was still good for.
pub const TOKEN_LIFE_LEFT: &str = "tower_bearer_token_life_left_seconds";
/// Counter: tokens that were looked for among those accepted before, by `result`.
pub const TOKEN_CACHE_LOOKUPS: &str = "tower_bearer_token_cache_lookups_total";
/// Gauge: tokens that are kept now, by all resource servers of the process.
pub const TOKEN_CACHE_TOKENS: &str = "tower_bearer_token_cache_tokens";
/// Gauge: how many bytes of memory they take.
pub const TOKEN_CACHE_BYTES: &str = "tower_bearer_token_cache_bytes";
/// Counter: fetches of a key set that ended, by `issuer` and `result`.
pub const KEY_FETCHES: &str = "tower_bearer_key_fetches_total";
/// Histogram: how long a fetch of a key set took, by `issuer`.
pub const KEY_FETCH_DURATION: &str = "tower_bearer_key_fetch_duration_seconds";
/// Histogram: how old a key set had become when a fetch replaced or confirmed it, by `issuer`.
pub const KEY_SET_AGE: &str = "tower_bearer_key_set_age_seconds";
/// Gauge: when the key set was last replaced or confirmed, in seconds since 1970, by `issuer`.
pub const KEY_SET_REFRESHED: &str = "tower_bearer_key_set_refreshed_timestamp_seconds";
/// Gauge: usable keys in the set, by `issuer`.
pub const KEY_SET_KEYS: &str = "tower_bearer_key_set_keys";
/// Gauge: keys in the set that are not used, by `issuer`.
pub const KEY_SET_DROPPED_KEYS: &str = "tower_bearer_key_set_dropped_keys";
/// Counter: requests whose `kid` the issuer's set did not have, also after a fetch, by `issuer` and `answer`.
pub const UNKNOWN_KIDS: &str = "tower_bearer_unknown_kids_total";
/// Gauge: requests that wait for a fetch now, by `issuer`.
pub const WAITING_REQUESTS: &str = "tower_bearer_waiting_requests";
/// Counter: introspection calls that have ended, by `issuer` and `result`.
pub const INTROSPECTIONS: &str = "tower_bearer_introspections_total";
/// Histogram: how long such a call took, by `issuer`.
pub const INTROSPECTION_DURATION: &str = "tower_bearer_introspection_duration_seconds";
/// Counter: requests that were decided without a call and without a cached answer, by `issuer` and `result`.
pub const INTROSPECTION_WITHOUT_CALL: &str = "tower_bearer_introspection_without_call_total";
/// Gauge: requests that wait for an answer now, by `issuer`.
pub const INTROSPECTION_WAITING_REQUESTS: &str = "tower_bearer_introspection_waiting_requests";
/// Gauge: entries of the revocation lists of the process.
pub const REVOCATION_ENTRIES: &str = "tower_bearer_revocation_entries";
/// Gauge: time since a list that replicas share was last known to have every entry.
pub const REVOCATION_LIST_AGE: &str = "tower_bearer_revocation_list_age_seconds";
/// Gauge: 1 while the server that replicas share is connected, else 0.
pub const REVOCATION_CONNECTED: &str = "tower_bearer_revocation_connected";
/// Histogram: how long entries of other replicas took to arrive.
pub const REVOCATION_PROPAGATION: &str = "tower_bearer_revocation_propagation_seconds";

/// Label: what became of a request: `accepted`, `anonymous`, `refused`, `unavailable` or `unproven`.
pub(crate) const OUTCOME: &str = "outcome";
/// Label: the reason code of a refusal, or `none`.
pub(crate) const REASON: &str = "reason";
/// Label: how a fetch ended, `success`, `unchanged` or a reason code; or a lookup, `hit` or `miss`; or a call, `active`,
/// `inactive`, `refused` or a reason code; or what was done without one, `refused`, `stale` or `busy`.
pub(crate) const RESULT: &str = "result";
/// Label: the configured issuer, or `resolved`.
pub(crate) const ISSUER: &str = "issuer";
/// Label: what a request with an unknown `kid` got: `refused`, `unproven` or `unavailable`.
pub(crate) const ANSWER: &str = "answer";

/// Upper bounds of buckets for each histogram, for exporters that ask for them: Prometheus can only add up histograms
/// with buckets over several replicas.
#[cfg(feature = "metrics")]
pub const BUCKETS: [(&str, &[f64]); 6] = [
    // A check takes some ten microseconds; a request waits at most two seconds for a key.
    (CHECK_DURATION, &[0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.01, 0.1, 0.5, 2.0, 5.0]),
    (TOKEN_LIFE_LEFT, &[0.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 86_400.0]),
    (KEY_FETCH_DURATION, &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0]),
    (INTROSPECTION_DURATION, &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0]),
    // A second at most in normal operation.
    (REVOCATION_PROPAGATION, &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0]),
    // Five minutes of lifetime unless the provider says otherwise, at most an hour, and an hour past it.
    (KEY_SET_AGE, &[60.0, 240.0, 300.0, 600.0, 1_800.0, 3_600.0, 5_400.0, 7_200.0]),
];

/// Tells the recorder units and help texts. Building a resource server does it too; call it when the recorder is
/// installed after that. Calling it twice does no harm.
#[cfg(feature = "metrics")]
pub fn describe() {
    describe_counter!(DECISIONS, Unit::Count, "Requests that a bearer layer decided.");
    describe_counter!(ROUTE_REFUSALS, Unit::Count, "Requests that a route layer or an extractor refused.");
    describe_histogram!(CHECK_DURATION, Unit::Seconds, "How long the check of a token took.");
    describe_histogram!(TOKEN_LIFE_LEFT, Unit::Seconds, "How long an accepted token was still good for.");
    describe_counter!(TOKEN_CACHE_LOOKUPS, Unit::Count, "Tokens looked for among those accepted before.");
    describe_gauge!(TOKEN_CACHE_TOKENS, Unit::Count, "Accepted tokens that are kept.");
    describe_gauge!(TOKEN_CACHE_BYTES, Unit::Bytes, "Memory that accepted tokens take.");
    describe_counter!(KEY_FETCHES, Unit::Count, "Fetches of a key set that ended.");
    describe_histogram!(KEY_FETCH_DURATION, Unit::Seconds, "How long a fetch of a key set took.");
    describe_histogram!(KEY_SET_AGE, Unit::Seconds, "Age of a key set when a fetch replaced or confirmed it.");
    describe_gauge!(KEY_SET_REFRESHED, Unit::Seconds, "When a fetch last replaced or confirmed the key set.");
    describe_gauge!(KEY_SET_KEYS, Unit::Count, "Usable keys in the key set.");
    describe_gauge!(KEY_SET_DROPPED_KEYS, Unit::Count, "Keys in the key set that are not used.");
    describe_counter!(UNKNOWN_KIDS, Unit::Count, "Requests whose kid the issuer's key set did not have.");
    describe_gauge!(WAITING_REQUESTS, Unit::Count, "Requests that wait for a fetch of keys now.");
    describe_counter!(INTROSPECTIONS, Unit::Count, "Introspection calls that have ended.");
    describe_histogram!(INTROSPECTION_DURATION, Unit::Seconds, "How long a call about a token took.");
    describe_counter!(INTROSPECTION_WITHOUT_CALL, Unit::Count, "Requests decided without a call or a cached answer.");
    describe_gauge!(INTROSPECTION_WAITING_REQUESTS, Unit::Count, "Requests that wait for an answer about a token now.");
    describe_gauge!(REVOCATION_ENTRIES, Unit::Count, "Entries of the revocation lists.");
    describe_gauge!(
        REVOCATION_LIST_AGE,
        Unit::Seconds,
        "Time since the shared revocation list was known to be current."
    );
    describe_gauge!(
        REVOCATION_CONNECTED,
        Unit::Count,
        "1 while the server with the shared revocation list is connected."
    );
    describe_histogram!(REVOCATION_PROPAGATION, Unit::Seconds, "How long entries of other replicas took to arrive.");
}
