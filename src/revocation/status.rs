//! What a health endpoint can say about revocation.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// The state of a [`RevocationCheck`](super::RevocationCheck). It can be served as JSON; durations are in seconds. A
/// field that does not apply is absent.
///
/// ```
/// use tower_bearer::{RevocationState, RevocationStatus};
///
/// let mut status = RevocationStatus::new(RevocationState::Current);
/// status.entries = Some(12);
/// assert_eq!(serde_json::to_string(&status)?, r#"{"state":"current","entries":12}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RevocationStatus {
    /// Whether it knows what is revoked.
    pub state: RevocationState,
    /// How many entries the list has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<usize>,
    /// How many it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<usize>,
    /// Time since the list was last known to have every entry of the other replicas.
    #[serde(rename = "age_s", serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub age: Option<Duration>,
    /// Whether the server that the replicas share is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// How long the last entry of another replica took to arrive.
    #[serde(rename = "propagation_s", serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Duration>,
    /// Why the state is not [`Current`](RevocationState::Current).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Whether a [`RevocationCheck`](super::RevocationCheck) knows what is revoked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationState {
    /// It does.
    Current,
    /// It may lack what was revoked lately, and still answers.
    Stale,
    /// It does not, and requests get 503.
    Unavailable,
}

impl RevocationStatus {
    /// A status with nothing but its state; the other fields can be set.
    #[must_use]
    pub const fn new(state: RevocationState) -> Self {
        Self {
            state,
            entries: None,
            max_entries: None,
            age: None,
            connected: None,
            propagation: None,
            last_error: None,
        }
    }
}

impl RevocationState {
    /// Whether good tokens are accepted.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Current | Self::Stale)
    }
}

fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}
