//! Which calls are under way, and which tokens wait for their turn. The lock around this is the
//! [`Introspector`](super::Introspector)'s; the decisions are those of [`policy`](super::policy).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::outcome::Outcome;
use super::policy::{Admission, Class, Health, Limits, Load};
use super::step::{Landed, Landing, RETRY_AFTER, Request, Step};
use super::wakeups::{Slot, Wakeups};
use crate::digest::Digest;
use crate::single_flight::{Flights, Started};

/// See the module's documentation.
pub(super) struct Calls {
    limits: Limits,
    flights: Flights<Digest>,
    /// The tokens that are asked about, or whose turn has not come.
    tokens: HashMap<Digest, Token>,
    new_queue: VecDeque<Digest>,
    seen_queue: VecDeque<Digest>,
    /// Those that were granted and those under way.
    calls: Load,
    waiting: Load,
    /// Of those, requests that have their outcome and have not noticed it yet.
    leaving: Load,
    new_health: Health,
    seen_health: Health,
    /// Whether the endpoint is known. Until then there is one call at a time: it finds the endpoint for all.
    is_found: bool,
    /// How many calls have ended.
    landings: u64,
    next_id: u64,
    is_closed: bool,
}

struct Token {
    id: u64,
    class: Class,
    stage: Stage,
    /// Requests that wait for its turn, or for the call.
    waiting: usize,
    slot: Slot,
    wake: watch::Sender<()>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Stage {
    Queued,
    /// It has its turn: the first waiter starts the call.
    Granted,
    UnderWay,
}

impl Calls {
    pub(super) fn new(limits: Limits, is_found: bool) -> Self {
        Self {
            limits,
            flights: Flights::default(),
            tokens: HashMap::new(),
            new_queue: VecDeque::new(),
            seen_queue: VecDeque::new(),
            calls: Load::default(),
            waiting: Load::default(),
            leaving: Load::default(),
            new_health: Health::default(),
            seen_health: Health::default(),
            is_found,
            landings: 0,
            next_id: 0,
            is_closed: false,
        }
    }

    pub(super) const fn landings(&self) -> u64 {
        self.landings
    }

    pub(super) const fn calls(&self) -> usize {
        self.calls.total()
    }

    pub(super) const fn waiting(&self) -> usize {
        self.waiting.total()
    }

    /// How many tokens are asked about, or wait for their turn.
    #[cfg(all(test, feature = "unit-tests"))]
    pub(super) fn tokens(&self) -> usize {
        self.tokens.len()
    }

    pub(super) const fn health(&self, class: Class) -> &Health {
        match class {
            Class::New => &self.new_health,
            Class::Seen => &self.seen_health,
        }
    }

    /// The next step of a request that found no answer after this many calls had ended. If it has to wait, it takes a
    /// place, unless it has one.
    pub(super) fn step(&mut self, request: Request, now: Duration, wakeups: &mut Wakeups) -> Step {
        let Request { token, class, .. } = request;
        if self.is_closed {
            return Step::Paused(Duration::ZERO);
        }
        if !self.tokens.contains_key(&token) {
            if request.landings != self.landings {
                return Step::LookAgain;
            }
            if let Some(left) = self.health(class).pause(now) {
                return Step::Paused(left);
            }
        }
        if !request.has_place && !self.admit(class, wakeups) {
            return Step::Busy;
        }
        if !self.tokens.contains_key(&token) {
            if !self.may_call(class) {
                self.cancel_abandoned(now, wakeups);
            }
            let stage = if self.may_call(class) { Stage::Granted } else { Stage::Queued };
            self.insert(token, class, stage);
        }
        let Some(found) = self.tokens.get_mut(&token) else { return Step::LookAgain };
        found.waiting += 1;
        let (id, slot, wake) = (found.id, Arc::clone(&found.slot), found.wake.subscribe());
        if found.stage == Stage::Queued {
            return Step::Queue { id, slot, wake };
        }
        found.stage = Stage::UnderWay;
        match self.flights.join(&token, now) {
            Some(waiter) => Step::Join { id, slot, wake, waiter, start: None },
            None => {
                let (started, waiter) = self.flights.start(token, now, self.limits.call);
                Step::Join { id, slot, wake, waiter, start: Some(started) }
            }
        }
    }

    /// Starts a call that nobody waits for, if that is possible at once.
    pub(super) fn start_ahead(&mut self, token: Digest, now: Duration) -> Option<Started> {
        let class = Class::Seen;
        let may_start = !self.tokens.contains_key(&token)
            && !self.is_closed
            && self.health(class).pause(now).is_none()
            && self.may_call(class);
        may_start.then(|| {
            self.insert(token, class, Stage::UnderWay);
            self.flights.start(token, now, self.limits.call).0
        })
    }

    /// A request no longer waits for this token.
    pub(super) fn leave_token(&mut self, token: &Digest, id: u64, now: Duration, wakeups: &mut Wakeups) {
        let Some(found) = self.tokens.get_mut(token).filter(|found| found.id == id) else { return };
        found.waiting = found.waiting.saturating_sub(1);
        if found.waiting > 0 || found.stage == Stage::UnderWay {
            return;
        }
        let (class, stage) = (found.class, found.stage);
        self.tokens.remove(token);
        if stage == Stage::Queued {
            self.queue(class).retain(|queued| queued != token);
        } else {
            self.release(class);
            self.grant(now, wakeups);
        }
    }

    /// A request gives up its place.
    pub(super) const fn leave(&mut self, class: Class) {
        let waiting = self.waiting.of_mut(class);
        *waiting = waiting.saturating_sub(1);
        let leaving = self.leaving.of_mut(class);
        *leaving = leaving.saturating_sub(1);
    }

    /// The grace period of the superseded call is over.
    pub(super) fn take_over(&mut self, token: &Digest, number: u64) -> bool {
        self.flights.take_over(token, number).is_some()
    }

    /// Whether this is the call that another one is about to supersede.
    pub(super) fn is_predecessor(&self, token: &Digest, number: u64) -> bool {
        self.flights.is_predecessor(token, number)
    }

    /// Whether the result of a call counts. If so, nobody supersedes it while it is processed.
    pub(super) fn begin_landing(&mut self, token: &Digest, number: u64) -> bool {
        self.flights.begin_landing(token, number)
    }

    /// A call has ended. `None` when it was superseded or cancelled: then its result is discarded.
    pub(super) fn land(
        &mut self,
        token: &Digest,
        number: u64,
        landing: Landing,
        is_found: bool,
        now: Duration,
        wakeups: &mut Wakeups,
    ) -> Option<Landed> {
        let wakes_last = self.flights.land(token, number)?;
        let Token { class, slot, wake, waiting, .. } = self.tokens.remove(token)?;
        *self.leaving.of_mut(class) += waiting;
        self.landings += 1;
        self.is_found = is_found;
        self.release(class);
        let health = match class {
            Class::New => &mut self.new_health,
            Class::Seen => &mut self.seen_health,
        };
        let was_failing = health.failures() > 0;
        match landing {
            Landing::Succeeded => health.succeeded(),
            Landing::Failed(asked, jitter) => health.failed(now, asked, jitter),
            Landing::Neutral => {}
        }
        let health = *health;
        if let Some(retry_after) = health.pause(now) {
            self.dismiss_queue(class, &Outcome::unavailable(retry_after), wakeups);
        }
        self.grant(now, wakeups);
        Some(Landed { wakes_last, slot, _wake: wake, health, was_failing })
    }

    pub(super) const fn is_found(&self) -> bool {
        self.is_found
    }

    /// Cancels everything: the issuer is not trusted any more.
    pub(super) fn close(&mut self, wakeups: &mut Wakeups) {
        self.is_closed = true;
        for (token, Token { wake, .. }) in self.tokens.drain() {
            wakeups.cancelled.extend(self.flights.cancel(&token));
            wakeups.closed.push(wake);
        }
        self.new_queue.clear();
        self.seen_queue.clear();
        self.calls = Load::default();
    }

    /// Counts a request among those that wait. False when there is no place.
    fn admit(&mut self, class: Class, wakeups: &mut Wakeups) -> bool {
        let staying = |class| self.waiting.of(class).saturating_sub(self.leaving.of(class));
        let staying = Load { new: staying(Class::New), seen: staying(Class::Seen) };
        let is_admitted = match self.limits.waiting.admit(class, staying) {
            Admission::Wait => true,
            Admission::Displace => self.displace(wakeups),
            Admission::Refuse => false,
        };
        *self.waiting.of_mut(class) += usize::from(is_admitted);
        is_admitted
    }

    fn insert(&mut self, token: Digest, class: Class, stage: Stage) {
        self.next_id += 1;
        let (id, slot, wake) = (self.next_id, Slot::default(), watch::Sender::new(()));
        self.tokens.insert(token, Token { id, class, stage, waiting: 0, slot, wake });
        if stage == Stage::Queued {
            self.queue(class).push_back(token);
        } else {
            *self.calls.of_mut(class) += 1;
        }
    }

    fn may_call(&self, class: Class) -> bool {
        let is_alone = match class {
            _ if !self.is_found => self.calls.total() == 0,
            class if self.health(class).is_on_trial() => self.calls.of(class) == 0,
            _ => true,
        };
        is_alone && self.limits.calls.may_call(class, self.calls)
    }

    /// Grants the calls that may begin to waiting tokens, those seen active first.
    fn grant(&mut self, now: Duration, wakeups: &mut Wakeups) {
        for class in [Class::Seen, Class::New] {
            while self.may_call(class) && self.health(class).pause(now).is_none() {
                let Some(token) = self.queue(class).pop_front() else { break };
                let Some(found) = self.tokens.get_mut(&token) else { continue };
                found.stage = Stage::Granted;
                wakeups.turns.push(found.wake.clone());
                *self.calls.of_mut(class) += 1;
            }
        }
    }

    /// Turns away requests with a new token: those of the youngest in the queue or, if all are under way, of the one
    /// with the most. A call goes on without them.
    fn displace(&mut self, wakeups: &mut Wakeups) -> bool {
        let youngest = self.new_queue.pop_back().and_then(|token| self.tokens.remove(&token));
        let (slot, wake, waiting) = match youngest {
            Some(Token { slot, wake, waiting, .. }) => (slot, wake, waiting),
            None => {
                let new = self.tokens.values_mut().filter(|token| token.class == Class::New);
                let Some(most) = new.max_by_key(|token| token.waiting) else { return false };
                self.next_id += 1;
                most.id = self.next_id;
                let slot = std::mem::take(&mut most.slot);
                let wake = std::mem::replace(&mut most.wake, watch::Sender::new(()));
                (slot, wake, std::mem::take(&mut most.waiting))
            }
        };
        self.leaving.new += waiting;
        wakeups.dismissed.push((slot, Outcome::unavailable(RETRY_AFTER), wake));
        waiting > 0
    }

    fn dismiss_queue(&mut self, class: Class, outcome: &Outcome, wakeups: &mut Wakeups) {
        for token in std::mem::take(self.queue(class)) {
            let Some(Token { slot, wake, waiting, .. }) = self.tokens.remove(&token) else { continue };
            *self.leaving.of_mut(class) += waiting;
            wakeups.dismissed.push((slot, outcome.clone(), wake));
        }
    }

    /// Calls that nobody polls any more would take the place of others forever.
    fn cancel_abandoned(&mut self, now: Duration, wakeups: &mut Wakeups) {
        for (token, landed) in self.flights.cancel_abandoned(now) {
            if let Some(Token { class, wake, .. }) = self.tokens.remove(&token) {
                self.release(class);
                wakeups.closed.push(wake);
            }
            wakeups.cancelled.push(landed);
        }
        self.grant(now, wakeups);
    }

    const fn release(&mut self, class: Class) {
        let calls = self.calls.of_mut(class);
        *calls = calls.saturating_sub(1);
    }

    const fn queue(&mut self, class: Class) -> &mut VecDeque<Digest> {
        match class {
            Class::New => &mut self.new_queue,
            Class::Seen => &mut self.seen_queue,
        }
    }
}
