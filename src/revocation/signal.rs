//! The signal that tokens were revoked.

use tokio::sync::watch;

/// Wakes those who hold tokens, such as [`until_refused`](crate::ResourceServer::until_refused), so that they ask their
/// [`RevocationCheck`](super::RevocationCheck) again.
#[derive(Debug)]
pub struct RevocationSignal(watch::Sender<()>);

impl RevocationSignal {
    /// A signal without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Tokens were revoked: from now on, [`check`](super::RevocationCheck::check) says so.
    pub fn notify(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl Default for RevocationSignal {
    fn default() -> Self {
        Self::new()
    }
}
