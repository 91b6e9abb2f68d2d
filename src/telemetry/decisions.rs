//! What is counted about requests. The keys that a request with a good token needs are made at compile time, because
//! such a request must not allocate.

use std::time::Duration;

use super::facade::{Key, Label, RECORDS, counter, histogram};
use crate::error::TokenError;
use crate::metrics::{CHECK_DURATION, DECISIONS, OUTCOME, REASON, ROUTE_REFUSALS, TOKEN_LIFE_LEFT};
use crate::status_policy::RefusalKind;
use crate::time::{Clock, UnixTime};

static ACCEPTED_LABEL: [Label; 1] = [Label::from_static_parts(OUTCOME, "accepted")];
static ACCEPTED_LABELS: [Label; 2] =
    [Label::from_static_parts(OUTCOME, "accepted"), Label::from_static_parts(REASON, "none")];
static ANONYMOUS_LABELS: [Label; 2] =
    [Label::from_static_parts(OUTCOME, "anonymous"), Label::from_static_parts(REASON, "none")];
static ACCEPTED: Key = Key::from_static_parts(DECISIONS, &ACCEPTED_LABELS);
static ANONYMOUS: Key = Key::from_static_parts(DECISIONS, &ANONYMOUS_LABELS);
static ACCEPTED_DURATION: Key = Key::from_static_parts(CHECK_DURATION, &ACCEPTED_LABEL);
static LIFE_LEFT: Key = Key::from_static_name(TOKEN_LIFE_LEFT);

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
        Self { began: if RECORDS { clock.monotonic() } else { Duration::ZERO } }
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
        if RECORDS { clock.monotonic().saturating_sub(self.began) } else { Duration::ZERO }
    }
}
