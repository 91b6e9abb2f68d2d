//! What a judged request knows of its resource server.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::response::Responder;

/// What travels with every judged request: which resource server judged it, and how that one answers.
#[derive(Debug)]
pub(crate) struct ServerContext {
    id: u64,
    pub(crate) responder: Responder,
}

impl ServerContext {
    pub(crate) fn new(responder: Responder) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), responder }
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }
}
