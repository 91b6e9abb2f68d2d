//! One call, as the [`Introspector`] knows it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Introspector;
use super::answer::ActiveAnswer;
use super::failure::Failure;
use crate::digest::Digest;
use crate::error::TokenError;
use crate::single_flight::{Caller, Ending};

/// What the issuer said about a token.
pub(crate) enum Reply {
    Active(Arc<ActiveAnswer>),
    /// The token is inactive, or not an access token.
    Refused(TokenError),
    Failed(Failure),
    /// Our own side cannot decide, which says nothing about the token or the endpoint.
    Undecided(TokenError),
}

/// The result of a call.
pub(crate) struct Asked {
    pub(super) reply: Reply,
    /// Why the token is refused although it is active.
    pub(super) refusal: Option<TokenError>,
}

/// A call. It does not keep the introspector alive: when the last handle is dropped, it is cancelled.
pub(super) struct Question {
    pub(super) introspector: Weak<Introspector>,
    pub(super) token: Digest,
    pub(super) number: u64,
    pub(super) started_at: Duration,
}

impl Asked {
    /// `refusal` is why the token is refused although the reply says that it is active.
    pub(crate) const fn new(reply: Reply, refusal: Option<TokenError>) -> Self {
        Self { reply, refusal }
    }
}

impl From<Failure> for Asked {
    fn from(failure: Failure) -> Self {
        Self::new(Reply::Failed(failure), None)
    }
}

impl Caller for Question {
    type Output = Asked;

    fn take_over(&self) -> bool {
        self.introspector.upgrade().is_some_and(|introspector| introspector.supersede(&self.token, self.number))
    }

    fn ended(&mut self, ending: Ending<Asked>) {
        if let Some(introspector) = self.introspector.upgrade() {
            introspector.finish(self, ending);
        }
    }
}
