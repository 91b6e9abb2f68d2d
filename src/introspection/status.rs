//! What a health endpoint can say about introspection.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Introspector;
use super::failure::Failure;
use super::policy::Class;

/// The state of one issuer's introspection. It contains only public values and can be served as JSON; durations are in
/// seconds.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct IntrospectionStatus {
    /// The issuer, as it is configured.
    pub issuer: String,
    /// Whether its tokens are accepted. See [`ResourceServer::disable_issuer`](crate::ResourceServer::disable_issuer).
    pub enabled: bool,
    /// Whether it responds.
    pub state: IntrospectionState,
    /// How much longer no call is made about tokens that were never seen active.
    #[serde(rename = "new_tokens_paused_s", serialize_with = "seconds")]
    pub new_tokens_paused: Option<Duration>,
    /// How much longer no call is made about tokens that were active before.
    #[serde(rename = "seen_tokens_paused_s", serialize_with = "seconds")]
    pub seen_tokens_paused: Option<Duration>,
    /// Why the last call failed; none after one that succeeded.
    pub last_error: Option<IntrospectionFailure>,
    /// How many calls are under way.
    pub calls: usize,
    /// How many requests wait for an answer now.
    pub waiting_requests: usize,
    /// How many tokens are recorded as active at some time, by digest.
    pub seen_tokens: usize,
    /// How many tokens are recorded as refused, by digest.
    pub refused_tokens: usize,
}

/// Whether an issuer responds to introspection calls.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntrospectionState {
    /// No call has been made yet.
    Untried,
    /// The last call brought an answer.
    Answering,
    /// The last call failed.
    Failing,
}

/// Why the last introspection call failed: a code, a URL and a message.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize)]
pub struct IntrospectionFailure {
    /// The stable code: see the [guide](crate::guide::monitoring#results-of-an-introspection).
    pub reason: &'static str,
    /// The URL that was called, without query and fragment, if the failure happened there.
    pub url: Option<String>,
    /// What happened and, where that is known, what to do. It may change in any version.
    pub text: String,
}

impl Introspector {
    pub(crate) fn status(&self, issuer: &str, enabled: bool) -> IntrospectionStatus {
        let now = self.clock.monotonic();
        let last = self.reports.last();
        let state = match (&last.failure, last.has_succeeded) {
            (Some(_), _) => IntrospectionState::Failing,
            (None, true) => IntrospectionState::Answering,
            (None, false) => IntrospectionState::Untried,
        };
        let calls = self.calls();
        IntrospectionStatus {
            issuer: issuer.to_owned(),
            enabled,
            state,
            new_tokens_paused: calls.health(Class::New).pause(now),
            seen_tokens_paused: calls.health(Class::Seen).pause(now),
            last_error: last.failure.as_ref().map(IntrospectionFailure::new),
            calls: calls.calls(),
            waiting_requests: calls.waiting(),
            seen_tokens: self.memory.seen_tokens(),
            refused_tokens: self.memory.refused_tokens(),
        }
    }
}

impl IntrospectionFailure {
    fn new(failure: &Failure) -> Self {
        Self { reason: failure.reason(), url: failure.url().map(str::to_owned), text: failure.public_text().to_owned() }
    }
}

fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}
