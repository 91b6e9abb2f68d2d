//! The tokens that are asked about or wait for their turn, and how many requests wait for each.
//!
//! The totals are changed here only, together with the entries that they count. A request has a *seat* at its token,
//! which ends when the request leaves or when the requests of this token have got their outcome, whichever comes first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::outcome::Outcome;
use super::policy::{Class, Load};
use crate::digest::Digest;

/// Where the outcome of a call is put for those who wait for it.
pub(super) type Slot = Arc<OnceLock<Outcome>>;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Turns {
    tokens: HashMap<Digest, Token>,
    new_queue: VecDeque<Digest>,
    seen_queue: VecDeque<Digest>,
    /// Those that were granted and those under way.
    calls: Load,
    waiting: Load,
    next_seats: u64,
}

/// A token that requests wait for.
struct Token {
    /// Names the seats at it: others, once these have ended.
    seats: u64,
    /// Of the token, and so of all requests that wait for it.
    class: Class,
    stage: Stage,
    waiting: usize,
    slot: Slot,
    wake: watch::Sender<()>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Queued,
    /// Its turn has come: the first waiter starts the call.
    Granted {
        at: Duration,
    },
    UnderWay,
}

/// A request's place at a token.
pub(super) struct Seat {
    pub(super) id: u64,
    pub(super) stage: Stage,
    pub(super) slot: Slot,
    pub(super) wake: watch::Receiver<()>,
}

/// Requests whose seats have ended: where they look for their outcome, and what wakes them.
pub(super) struct Ended {
    pub(super) class: Class,
    pub(super) slot: Slot,
    pub(super) wake: watch::Sender<()>,
}

impl Turns {
    pub(super) const fn calls(&self) -> Load {
        self.calls
    }

    pub(super) const fn waiting(&self) -> Load {
        self.waiting
    }

    pub(super) fn find(&self, token: &Digest) -> Option<(Class, Stage)> {
        self.tokens.get(token).map(|found| (found.class, found.stage))
    }

    /// Whether these seats at the token have not ended.
    pub(super) fn has(&self, token: &Digest, seats: u64) -> bool {
        self.tokens.get(token).is_some_and(|found| found.seats == seats)
    }

    /// Adds a token that nobody waits for yet.
    pub(super) fn insert(&mut self, token: Digest, class: Class, stage: Stage) {
        let (seats, slot, wake) = (self.next_seats(), Slot::default(), watch::Sender::new(()));
        self.tokens.insert(token, Token { seats, class, stage, waiting: 0, slot, wake });
        match stage {
            Stage::Queued => self.queue(class).push_back(token),
            Stage::Granted { .. } | Stage::UnderWay => *self.calls.of_mut(class) += 1,
        }
    }

    /// A seat at this token: another one, or the one that the request has.
    pub(super) fn seat(&mut self, token: &Digest, is_another: bool) -> Option<Seat> {
        let found = self.tokens.get_mut(token)?;
        if is_another {
            found.waiting += 1;
            *self.waiting.of_mut(found.class) += 1;
        }
        let Token { seats, stage, slot, wake, .. } = found;
        Some(Seat { id: *seats, stage: *stage, slot: Arc::clone(slot), wake: wake.subscribe() })
    }

    /// A request leaves its seat, unless that has ended. Whether a turn is given up by that: nobody else waits for it.
    pub(super) fn leave(&mut self, token: &Digest, seats: u64) -> bool {
        let Some(found) = self.tokens.get_mut(token).filter(|found| found.seats == seats) else { return false };
        found.waiting = less(found.waiting, 1);
        let waiting = self.waiting.of_mut(found.class);
        *waiting = less(*waiting, 1);
        self.remove_unwanted(token)
    }

    /// The call for a token that has its turn begins.
    pub(super) fn begin(&mut self, token: &Digest) {
        if let Some(found) = self.tokens.get_mut(token)
            && found.stage != Stage::Queued
        {
            found.stage = Stage::UnderWay;
        }
    }

    /// The call for a token did not end: it may be started again, if somebody waits for it.
    pub(super) fn restart(&mut self, token: &Digest, at: Duration) {
        if let Some(found) = self.tokens.get_mut(token) {
            found.stage = Stage::Granted { at };
        }
        self.remove_unwanted(token);
    }

    /// Grants a call to the token that waits longest.
    pub(super) fn grant_next(&mut self, class: Class, at: Duration) -> Option<watch::Sender<()>> {
        let token = self.queue(class).pop_front()?;
        let found = self.tokens.get_mut(&token)?;
        found.stage = Stage::Granted { at };
        *self.calls.of_mut(class) += 1;
        Some(found.wake.clone())
    }

    /// Ends the seats at this token.
    pub(super) fn remove(&mut self, token: &Digest) -> Option<Ended> {
        let (ended, stage) = self.take(token)?;
        if stage == Stage::Queued {
            self.queue(ended.class).retain(|queued| queued != token);
        }
        Some(ended)
    }

    /// Ends the seats at tokens of this class whose calls have not begun.
    pub(super) fn remove_waiting(&mut self, class: Class) -> Vec<Ended> {
        self.remove_all(|token| token.class == class && token.stage != Stage::UnderWay)
    }

    /// Ends the seats at tokens whose turn came at this time or before, and whose calls have not begun.
    pub(super) fn remove_overdue(&mut self, latest: Duration) -> Vec<Ended> {
        self.remove_all(|token| matches!(token.stage, Stage::Granted { at } if at <= latest))
    }

    /// Ends the seats at all tokens.
    pub(super) fn clear(&mut self) -> Vec<Ended> {
        self.remove_all(|_| true)
    }

    /// Ends the seats at a new token: the youngest in the queue or, if all of them had their turns, the one with the most
    /// waiting. If the call for that one has begun, it goes on without them.
    pub(super) fn displace(&mut self) -> Option<Ended> {
        if let Some(youngest) = self.new_queue.pop_back() {
            return self.take(&youngest).map(|(ended, _)| ended);
        }
        let seats = self.next_seats();
        let new = self.tokens.iter_mut().filter(|(_, token)| token.class == Class::New && token.waiting > 0);
        let (digest, most) = new.max_by_key(|(_, token)| token.waiting)?;
        if most.stage != Stage::UnderWay {
            let digest = *digest;
            return self.remove(&digest);
        }
        most.seats = seats;
        self.waiting.new = less(self.waiting.new, std::mem::take(&mut most.waiting));
        let slot = std::mem::take(&mut most.slot);
        let wake = std::mem::replace(&mut most.wake, watch::Sender::new(()));
        Some(Ended { class: Class::New, slot, wake })
    }

    fn remove_all(&mut self, is_meant: impl Fn(&Token) -> bool) -> Vec<Ended> {
        let tokens: Vec<_> =
            self.tokens.iter().filter(|(_, token)| is_meant(token)).map(|(digest, _)| *digest).collect();
        let ended = tokens.iter().filter_map(|token| self.take(token)).map(|(ended, _)| ended).collect();
        // Once for all of them: there may be thousands.
        for queue in [&mut self.new_queue, &mut self.seen_queue] {
            queue.retain(|queued| self.tokens.contains_key(queued));
        }
        ended
    }

    /// Removes a token that nobody waits for, unless its call has begun. Whether it had its turn.
    fn remove_unwanted(&mut self, token: &Digest) -> bool {
        let is_unwanted = |found: &Token| found.waiting == 0 && found.stage != Stage::UnderWay;
        let Some(stage) = self.tokens.get(token).filter(|found| is_unwanted(found)).map(|found| found.stage) else {
            return false;
        };
        self.remove(token);
        stage != Stage::Queued
    }

    /// Takes the entry out. If it is in a queue, the caller takes it out there.
    fn take(&mut self, token: &Digest) -> Option<(Ended, Stage)> {
        let Token { class, stage, waiting: seats, slot, wake, .. } = self.tokens.remove(token)?;
        let waiting = self.waiting.of_mut(class);
        *waiting = less(*waiting, seats);
        if stage != Stage::Queued {
            let calls = self.calls.of_mut(class);
            *calls = less(*calls, 1);
        }
        Some((Ended { class, slot, wake }, stage))
    }

    const fn next_seats(&mut self) -> u64 {
        self.next_seats += 1;
        self.next_seats
    }

    const fn queue(&mut self, class: Class) -> &mut VecDeque<Digest> {
        match class {
            Class::New => &mut self.new_queue,
            Class::Seen => &mut self.seen_queue,
        }
    }

    /// The totals as the entries give them: calls, waiting requests, queued tokens.
    #[cfg(all(test, feature = "unit-tests"))]
    pub(super) fn assert_consistent(&self) {
        let (mut calls, mut waiting, mut queued) = (Load::default(), Load::default(), Load::default());
        for token in self.tokens.values() {
            *waiting.of_mut(token.class) += token.waiting;
            let of_stage = if token.stage == Stage::Queued { &mut queued } else { &mut calls };
            *of_stage.of_mut(token.class) += 1;
            assert!(token.waiting > 0 || token.stage == Stage::UnderWay, "nobody waits for it");
        }
        assert_eq!((calls, waiting), (self.calls, self.waiting));
        assert_eq!((queued.new, queued.seen), (self.new_queue.len(), self.seen_queue.len()));
    }

    #[cfg(all(test, feature = "unit-tests"))]
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }
}

/// A total without some of what it counts, which it has.
fn less(total: usize, part: usize) -> usize {
    debug_assert!(part <= total, "the total has drifted");
    total.saturating_sub(part)
}
