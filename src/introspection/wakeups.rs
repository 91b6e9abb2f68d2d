//! The waiters to wake after the lock is released: waking them may run code that is not ours.

use tokio::sync::watch;

use super::outcome::Outcome;
use super::turns::{Ended, Slot};
use crate::single_flight::Landed;

/// Those who have to be woken.
#[derive(Default)]
#[must_use]
pub(super) struct Wakeups {
    pub(super) turns: Vec<watch::Sender<()>>,
    /// Those who wait no longer, with their outcome.
    pub(super) dismissed: Vec<(Slot, Outcome, watch::Sender<()>)>,
    pub(super) cancelled: Vec<Landed>,
}

impl Wakeups {
    /// Gives the waiters of these tokens their outcome.
    pub(super) fn dismiss_all(&mut self, tokens: impl IntoIterator<Item = Ended>, outcome: &Outcome) {
        self.dismissed.extend(tokens.into_iter().map(|Ended { slot, wake, .. }| (slot, outcome.clone(), wake)));
    }

    pub(super) fn wake(self) {
        for (slot, outcome, wake) in self.dismissed {
            let _ = slot.set(outcome);
            drop(wake);
        }
        for turn in self.turns {
            turn.send_replace(());
        }
        drop(self.cancelled);
    }
}
