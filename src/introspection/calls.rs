//! Which calls are under way, and when they may begin. The lock around this is the
//! [`Introspector`](super::Introspector)'s; the decisions are those of [`policy`](super::policy).

use std::time::Duration;

use super::outcome::Outcome;
use super::policy::{Admission, Class, Health, Limits};
use super::step::{Landed, Landing, Request, Step};
use super::turns::{Stage, Turns};
use super::wakeups::Wakeups;
use crate::digest::Digest;
use crate::single_flight::{Flights, Landed as Wakes, Started};

/// See the module's documentation.
pub(super) struct Calls {
    limits: Limits,
    /// One for each token whose stage is [`Stage::UnderWay`].
    flights: Flights<Digest>,
    turns: Turns,
    new_health: Health,
    seen_health: Health,
    /// Whether the endpoint is known. Until then there is one call at a time: it finds the endpoint for all.
    is_found: bool,
    /// How many calls have ended.
    landings: u64,
    is_closed: bool,
    /// When places were last looked for among requests that nobody polls.
    drained_at: Duration,
}

impl Calls {
    pub(super) fn new(limits: Limits, is_found: bool) -> Self {
        Self {
            limits,
            flights: Flights::default(),
            turns: Turns::default(),
            new_health: Health::default(),
            seen_health: Health::default(),
            is_found,
            landings: 0,
            is_closed: false,
            drained_at: Duration::ZERO,
        }
    }

    pub(super) const fn landings(&self) -> u64 {
        self.landings
    }

    pub(super) const fn calls(&self) -> usize {
        self.turns.calls().total()
    }

    pub(super) const fn waiting(&self) -> usize {
        self.turns.waiting().total()
    }

    pub(super) const fn health(&self, class: Class) -> &Health {
        match class {
            Class::New => &self.new_health,
            Class::Seen => &self.seen_health,
        }
    }

    /// The outcome for a request that cannot wait any longer although its token's call has not begun or ended.
    pub(super) const fn crowded_out(&self, class: Class) -> Outcome {
        Outcome::crowded_out(self.health(class).is_failing())
    }

    /// The next step of a request that found no answer after this many calls had ended. If it has to wait, it gets a
    /// seat at its token, unless it has one.
    pub(super) fn step(&mut self, request: Request, now: Duration, wakeups: &mut Wakeups) -> Step {
        let Request { token, class, .. } = request;
        if self.is_closed {
            return Step::Closed;
        }
        let has_seat = request.seat.is_some_and(|seats| self.turns.has(&token, seats));
        let known = self.turns.find(&token);
        if known.is_none() {
            if request.landings != self.landings {
                return Step::LookAgain;
            }
            if let Some(left) = self.health(class).pause(now) {
                return Step::Paused(left);
            }
        }
        // It waits for what is asked about its token, whatever it was for when this request looked.
        let class = known.map_or(class, |(class, _)| class);
        if !has_seat && !self.admit(class, now, wakeups) {
            return Step::Busy;
        }
        if matches!(known, None | Some((_, Stage::Queued))) && !self.may_call(class) {
            self.take_back(now, wakeups);
        }
        if known.is_none() {
            let stage = if self.may_call(class) { Stage::Granted { at: now } } else { Stage::Queued };
            self.turns.insert(token, class, stage);
        }
        let Some(seat) = self.turns.seat(&token, !has_seat) else { return Step::LookAgain };
        if seat.stage == Stage::Queued {
            return Step::Queue(seat);
        }
        if let Some(waiter) = self.flights.join(&token, now) {
            return Step::Join { seat, waiter, start: None };
        }
        if let Some(left) = self.health(class).pause(now) {
            // Its turn came, or the call before began, ahead of this pause.
            wakeups.cancelled.extend(self.flights.cancel(&token));
            wakeups.dismiss_all(self.turns.remove(&token), &Outcome::down(left));
            return Step::Paused(left);
        }
        self.turns.begin(&token);
        let (started, waiter) = self.flights.start(token, now, self.limits.call);
        Step::Join { seat, waiter, start: Some(started) }
    }

    /// Starts a call that nobody waits for, if that is possible at once.
    pub(super) fn start_ahead(&mut self, token: Digest, now: Duration) -> Option<Started> {
        let class = Class::Seen;
        let may_start = self.turns.find(&token).is_none()
            && !self.is_closed
            && self.health(class).pause(now).is_none()
            && self.may_call(class);
        may_start.then(|| {
            self.turns.insert(token, class, Stage::UnderWay);
            self.flights.start(token, now, self.limits.call).0
        })
    }

    /// A request no longer waits for this token.
    pub(super) fn leave(&mut self, token: &Digest, seats: u64, now: Duration, wakeups: &mut Wakeups) {
        if self.turns.leave(token, seats) {
            self.grant(now, wakeups);
        }
    }

    /// The grace period of the superseded call is over.
    pub(super) fn take_over(&mut self, token: &Digest, number: u64) -> bool {
        self.flights.take_over(token, number).is_some()
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
        let ended = self.turns.remove(token)?;
        self.landings += 1;
        self.is_found = is_found;
        let health = match ended.class {
            Class::New => &mut self.new_health,
            Class::Seen => &mut self.seen_health,
        };
        let was_failing = health.is_failing();
        let counts = match landing {
            Landing::Succeeded { began } => {
                health.succeeded(began);
                true
            }
            Landing::Failed { began, retry_after, jitter } => health.failed(began, now, retry_after, jitter),
            Landing::Neutral => true,
        };
        let health = *health;
        let has_recovered = was_failing && !health.is_failing();
        if let Some(retry_after) = health.pause(now) {
            wakeups.dismiss_all(self.turns.remove_waiting(ended.class), &Outcome::down(retry_after));
        }
        self.grant(now, wakeups);
        Some(Landed { _wakes_last: wakes_last, slot: ended.slot, _wake: ended.wake, health, has_recovered, counts })
    }

    /// The runtime of a call has ended: its waiters start another at once.
    pub(super) fn interrupted(
        &mut self,
        token: &Digest,
        number: u64,
        now: Duration,
        wakeups: &mut Wakeups,
    ) -> Option<Wakes> {
        // The call that is about to supersede it goes on.
        if self.flights.is_predecessor(token, number) {
            return None;
        }
        let wakes = self.flights.land(token, number)?;
        self.turns.restart(token, now);
        self.grant(now, wakeups);
        Some(wakes)
    }

    /// Cancels everything: the issuer is not trusted any more.
    pub(super) fn close(&mut self, wakeups: &mut Wakeups) {
        self.is_closed = true;
        wakeups.cancelled.extend(self.flights.cancel_all());
        wakeups.dismiss_all(self.turns.clear(), &Outcome::crowded_out(false));
    }

    /// Whether one more request may wait.
    fn admit(&mut self, class: Class, now: Duration, wakeups: &mut Wakeups) -> bool {
        if self.admit_at_once(class, now, wakeups) {
            return true;
        }
        // The places may be those of requests that nobody polls any more. A flood looks for them now and then only.
        if now < self.drained_at.saturating_add(self.limits.turn) {
            return false;
        }
        self.drained_at = now;
        self.take_back(now, wakeups);
        self.admit_at_once(class, now, wakeups)
    }

    fn admit_at_once(&mut self, class: Class, now: Duration, wakeups: &mut Wakeups) -> bool {
        match self.limits.waiting.admit(class, self.turns.waiting()) {
            Admission::Wait => true,
            Admission::Refuse => false,
            Admission::Displace => {
                let Some(displaced) = self.turns.displace() else { return false };
                let outcome = self.crowded_out(displaced.class);
                wakeups.dismiss_all([displaced], &outcome);
                // It may have had its turn.
                self.grant(now, wakeups);
                true
            }
        }
    }

    fn may_call(&self, class: Class) -> bool {
        let calls = self.turns.calls();
        let is_alone = match class {
            _ if !self.is_found => calls.total() == 0,
            class if self.health(class).is_on_trial() => calls.of(class) == 0,
            _ => true,
        };
        is_alone && self.limits.calls.may_call(class, calls)
    }

    /// Grants the calls that may begin to waiting tokens, those seen active first.
    fn grant(&mut self, now: Duration, wakeups: &mut Wakeups) {
        for class in [Class::Seen, Class::New] {
            while self.may_call(class) && self.health(class).pause(now).is_none() {
                let Some(turn) = self.turns.grant_next(class, now) else { break };
                wakeups.turns.push(turn);
            }
        }
    }

    /// Calls that nobody polls any more, and turns that nobody takes, would keep others from theirs forever.
    fn take_back(&mut self, now: Duration, wakeups: &mut Wakeups) {
        for (token, cancelled) in self.flights.cancel_abandoned(now) {
            self.turns.restart(&token, now);
            wakeups.cancelled.push(cancelled);
        }
        if self.calls() > self.flights.len()
            && let Some(latest) = now.checked_sub(self.limits.turn)
        {
            for ended in self.turns.remove_overdue(latest) {
                let outcome = self.crowded_out(ended.class);
                wakeups.dismiss_all([ended], &outcome);
            }
        }
        self.grant(now, wakeups);
    }

    /// Totals fit the entries, and each call has its entry.
    #[cfg(all(test, feature = "unit-tests"))]
    pub(super) fn assert_consistent(&self) {
        self.turns.assert_consistent();
        assert!(self.flights.len() <= self.calls());
    }

    #[cfg(all(test, feature = "unit-tests"))]
    pub(super) fn tokens(&self) -> usize {
        self.turns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Limit;
    use super::*;
    use crate::digest::Digester;
    use crate::keys::Jitter;

    const NOW: Duration = Duration::from_secs(100);
    const TURN: Duration = Duration::from_secs(1);
    struct World {
        calls: Calls,
        digester: Digester,
    }
    impl World {
        fn new(calls: usize, waiting: usize) -> Self {
            let limits = Limits { calls: Limit(calls), waiting: Limit(waiting), call: 5 * TURN, turn: TURN };
            Self { calls: Calls::new(limits, true), digester: Digester::new().unwrap() }
        }

        fn step(&mut self, token: &str, now: Duration) -> Step {
            let (token, landings) = (self.digester.digest(token.as_bytes()), self.calls.landings());
            let request = Request { token, class: Class::New, landings, seat: None };
            self.calls.step(request, now, &mut Wakeups::default())
        }

        fn start(&mut self, token: &str, now: Duration) -> u64 {
            let Step::Join { start: Some(started), .. } = self.step(token, now) else { panic!("it has to wait") };
            started.number
        }

        fn interrupt(&mut self, token: &str, number: u64, now: Duration) {
            let token = &self.digester.digest(token.as_bytes());
            assert!(self.calls.interrupted(token, number, now, &mut Wakeups::default()).is_some());
        }
    }

    #[test]
    fn n08_an_interrupted_call_is_not_made_again_during_a_pause() {
        let mut world = World::new(4, 8);
        let (interrupted, failed) = (world.start("a", NOW), world.start("b", NOW));
        let (token, retry_after) = (world.digester.digest(b"b"), Some(Duration::from_secs(20)));
        let landing = Landing::Failed { began: NOW, retry_after, jitter: Jitter::EVEN };
        assert!(world.calls.begin_landing(&token, failed));
        assert!(world.calls.land(&token, failed, landing, true, NOW, &mut Wakeups::default()).is_some());
        world.interrupt("a", interrupted, NOW + TURN);
        assert!(matches!(world.step("a", NOW + TURN), Step::Paused(left) if left == Duration::from_secs(19)));
        assert_eq!((world.calls.calls(), world.calls.waiting()), (0, 0));
        world.start("a", NOW + Duration::from_secs(20));
    }

    /// Nobody polls the requests that have all places, so their turns are taken back, and then their places.
    #[test]
    fn n08_places_of_requests_that_nobody_polls_go_to_others() {
        let mut world = World::new(1, 2);
        let number = world.start("a", NOW);
        assert!(matches!(world.step("b", NOW), Step::Queue(_)));
        assert!(matches!(world.step("c", NOW), Step::Busy));
        world.interrupt("a", number, NOW);
        assert!(matches!(world.step("c", NOW + TURN / 2), Step::Busy), "it looked a moment ago");
        assert!(matches!(world.step("c", NOW + TURN), Step::Queue(_)));
        assert!(matches!(world.step("d", NOW + 2 * TURN), Step::Queue(_)));
        assert_eq!((world.calls.calls(), world.calls.waiting()), (1, 2));
    }
}
