//! The outcome of a wait for an answer.

use std::sync::Arc;
use std::time::Duration;

use super::answer::ActiveAnswer;
use crate::error::TokenError;

/// The `Retry-After` when nothing better is known.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The outcome of a wait for an answer.
#[derive(Clone)]
pub(crate) enum Outcome {
    Active(Arc<ActiveAnswer>),
    /// The token is refused, or our side cannot decide about this very token at the moment.
    Refused(TokenError),
    /// Nothing was learnt about the token.
    Unknown {
        retry_after: Duration,
        /// Because the endpoint does not respond, or not as it should. Otherwise it may well: too many requests wait.
        is_down: bool,
    },
}

impl Outcome {
    /// The endpoint does not respond.
    pub(super) const fn down(retry_after: Duration) -> Self {
        Self::Unknown { retry_after, is_down: true }
    }

    /// There was no place, no turn or no runtime for the call.
    pub(super) const fn crowded_out(is_down: bool) -> Self {
        Self::Unknown { retry_after: RETRY_AFTER, is_down }
    }
}
