//! The outcome of a wait for an answer.

use std::sync::Arc;
use std::time::Duration;

use super::answer::ActiveAnswer;
use crate::error::TokenError;

/// The outcome of a wait for an answer.
#[derive(Clone)]
pub(crate) enum Outcome {
    Active(Arc<ActiveAnswer>),
    /// The token is refused, or our side cannot decide at the moment.
    Refused(TokenError),
}

impl Outcome {
    pub(super) const fn unavailable(retry_after: Duration) -> Self {
        Self::Refused(TokenError::IntrospectionUnavailable { retry_after })
    }
}
