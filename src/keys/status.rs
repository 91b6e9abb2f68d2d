//! What a health endpoint can say about an issuer's keys.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::failure::KeySetFailure;
use crate::jose::{DroppedKey, JwkSet};

/// How the keys of one issuer are. It holds public things only and can be served as JSON; durations are in seconds.
///
/// ```
/// use tower_bearer::{Issuer, ResourceServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys");
/// let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer).build()?;
///
/// let status = &api.key_sets()[0];
/// assert_eq!(serde_json::to_value(status)?["state"], "absent"); // nothing was fetched yet
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct KeySetStatus {
    /// The issuer, as it is configured.
    pub issuer: String,
    /// Whether its tokens are accepted. See [`ResourceServer::disable_issuer`](crate::ResourceServer::disable_issuer).
    pub enabled: bool,
    /// Whether the set can be used.
    pub state: KeySetState,
    /// How long ago the fetch began that brought the set or found it unchanged.
    #[serde(rename = "age_s", serialize_with = "seconds")]
    pub age: Option<Duration>,
    /// For how long the set is current, counted from the same moment.
    #[serde(rename = "lifetime_s", serialize_with = "seconds")]
    pub lifetime: Option<Duration>,
    /// When the next fetch is due: a request that comes then starts it. None while one is under way and within
    /// its [limit](crate::KeyPolicy::fetch_timeout), and for fixed keys.
    #[serde(rename = "next_refresh_s", serialize_with = "seconds")]
    pub next_refresh: Option<Duration>,
    /// How many fetches failed since the last good one.
    pub failures: u32,
    /// Why the last fetch failed; none after a good one.
    pub last_error: Option<KeySetFailure>,
    /// The `kid`s of the set, in alphabetical order.
    pub key_ids: Vec<String>,
    /// The keys of the set that are not used, and why, in the order of the set. A set without any usable key is a
    /// failed fetch, and [`last_error`](Self::last_error) names its keys.
    pub dropped_keys: Vec<DroppedKey>,
    /// How many fetches there were.
    pub fetches: FetchCounts,
    /// How many requests wait for a fetch now.
    pub waiting_requests: usize,
    /// How many requests have waited for a fetch since the start.
    pub waited_requests: u64,
}

/// Whether an issuer's keys can be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySetState {
    /// They stand in the configuration and never change.
    Fixed,
    /// None were fetched yet. The first request that needs them starts a fetch and waits for it.
    Absent,
    /// Within their lifetime.
    Current,
    /// Past their lifetime and within the staleness bound: known keys still serve.
    Stale,
    /// Past the staleness bound. Requests get 503 unless a fetch succeeds.
    Expired,
}

/// How many fetches of one issuer's keys there were, by what they came to.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct FetchCounts {
    /// Brought a set.
    pub fetched: u64,
    /// Found the set unchanged (304).
    pub unchanged: u64,
    /// Failed.
    pub failed: u64,
    /// How many of all these were made for an unknown `kid`.
    pub for_unknown_kids: u64,
}

impl KeySetStatus {
    /// The status of keys that stand in the configuration.
    pub(super) fn fixed(issuer: &str, enabled: bool, set: &JwkSet) -> Self {
        Self {
            issuer: issuer.to_owned(),
            enabled,
            state: KeySetState::Fixed,
            age: None,
            lifetime: None,
            next_refresh: None,
            failures: 0,
            last_error: None,
            key_ids: set.key_ids().into_iter().map(str::to_owned).collect(),
            dropped_keys: set.dropped().to_vec(),
            fetches: FetchCounts::default(),
            waiting_requests: 0,
            waited_requests: 0,
        }
    }

    /// Whether a good token of this issuer would get an answer now: its keys serve, or they have merely grown old
    /// because nobody asked for them. A disabled issuer is always ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.enabled
            || match self.state {
                KeySetState::Fixed | KeySetState::Current | KeySetState::Stale => true,
                KeySetState::Absent => false,
                KeySetState::Expired => self.failures == 0,
            }
    }
}

fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}
