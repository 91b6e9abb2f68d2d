//! What a judged request knows of its resource server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::TokenError;
use crate::response::Responder;
use crate::time::{Clock, UnixTime};

/// What travels with every judged request: which resource server judged it, by which clock, and how that one answers.
#[derive(Debug)]
pub(crate) struct ServerContext {
    id: u64,
    clock: Arc<dyn Clock>,
    pub(crate) responder: Responder,
}

impl ServerContext {
    pub(crate) fn new(responder: Responder, clock: Arc<dyn Clock>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), clock, responder }
    }

    pub(crate) fn now(&self) -> Result<UnixTime, TokenError> {
        self.clock.now().ok_or(TokenError::ClockUnavailable)
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }
}
