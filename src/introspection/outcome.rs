//! What a wait for an answer came to.

use std::sync::Arc;
use std::time::Duration;

use super::answer::ActiveAnswer;
use crate::error::TokenError;

/// What a wait for an answer came to.
#[derive(Clone)]
pub(crate) enum Outcome {
    Active(Arc<ActiveAnswer>),
    /// The token is refused, or nobody can tell at the moment.
    Refused(TokenError),
}

impl Outcome {
    pub(super) const fn unavailable(retry_after: Duration) -> Self {
        Self::Refused(TokenError::IntrospectionUnavailable { retry_after })
    }
}
