//! How many calls are made at once, who may wait, when calls pause, and for how long an answer counts: pure functions
//! of counts and ages, without a clock, a lock or I/O.
//!
//! Tokens that were never seen active and tokens that were are counted apart. Anybody can send the former, so they
//! must leave the latter their share.

use std::time::Duration;

use crate::keys::Jitter;

/// The share of calls and of waiting places that is reserved for tokens seen active before: one in so many.
const RESERVED_SHARE: usize = 4;

/// After this many failures in a row, calls pause.
pub(super) const FAILURES_BEFORE_PAUSE: u32 = 5;

/// The first pause; each further failure doubles it.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, also when the server asks for more.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The part of the cache time after which an answer is asked for again, while the last one still counts.
const REFRESH_AHEAD: f64 = 0.8;

/// What is known of a token before it is asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Class {
    /// It was never seen active, as far as we remember. Anybody can send such a token.
    New,
    /// It was active when it was last asked about.
    Seen,
}

/// How many there are of each class.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Load {
    pub(super) new: usize,
    pub(super) seen: usize,
}

/// At most this many at once, of which a part is reserved for tokens seen active before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit(pub(super) usize);

/// The bounds of one issuer's calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) calls: Limit,
    pub(super) waiting: Limit,
    /// How long a call may take.
    pub(super) call: Duration,
    /// How long a token may keep its turn before its call begins.
    pub(super) turn: Duration,
}

/// What to do for a request that has to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admission {
    Wait,
    /// All places are taken, and requests with new tokens have some of the reserved ones: the youngest is turned away.
    Displace,
    Refuse,
}

/// How the latest calls of one class ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// Failures in a row.
    failures: u32,
    paused_until: Duration,
}

/// Until when an answer counts, in monotonic time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Freshness {
    pub(crate) asked_at: Duration,
    /// From then on, a use of the token asks again, without waiting.
    pub(crate) refresh_at: Duration,
    /// From then on, a request waits for a new answer.
    pub(crate) fresh_until: Duration,
    /// Until then, the answer may be used if no newer one is available.
    pub(crate) serves_until: Duration,
    /// Until then, a request that waited for the answer may use it, even if answers are not cached.
    pub(crate) first_use_until: Duration,
}

impl Load {
    pub(super) const fn total(self) -> usize {
        self.new.saturating_add(self.seen)
    }

    pub(super) const fn of(self, class: Class) -> usize {
        match class {
            Class::New => self.new,
            Class::Seen => self.seen,
        }
    }

    pub(super) const fn of_mut(&mut self, class: Class) -> &mut usize {
        match class {
            Class::New => &mut self.new,
            Class::Seen => &mut self.seen,
        }
    }
}

impl Limit {
    /// How many of them are for tokens that were never seen active, while others want them. At least one, or such
    /// tokens would never become known.
    const fn for_new(self) -> usize {
        let unreserved = self.0 - self.0.div_ceil(RESERVED_SHARE);
        if unreserved == 0 { 1 } else { unreserved }
    }

    /// Whether one more call may begin. A call cannot be taken back, so those that are reserved stay free.
    pub(super) const fn may_call(self, class: Class, calls: Load) -> bool {
        calls.total() < self.0
            && match class {
                Class::New => calls.new < self.for_new(),
                Class::Seen => true,
            }
    }

    /// Whether one more request may wait. Those with new tokens may have all places, until one with a token seen active
    /// wants its own.
    pub(super) const fn admit(self, class: Class, waiting: Load) -> Admission {
        match class {
            _ if waiting.total() < self.0 => Admission::Wait,
            Class::Seen if waiting.new > self.for_new() => Admission::Displace,
            _ => Admission::Refuse,
        }
    }
}

impl Health {
    /// A call that began then has succeeded. One from before a pause does not end it: the server may have asked for that
    /// pause since, and answers some calls even while it fails others.
    pub(super) fn succeeded(&mut self, began: Duration) {
        if began >= self.paused_until {
            *self = Self::default();
        } else if !self.is_on_trial() {
            self.failures = 0;
        }
    }

    /// A call that began then has failed. `asked` is the server's `Retry-After`, which counts at once. Many calls are
    /// under way when a pause begins: their failures say nothing new, so they do not lengthen it. False for those.
    pub(super) fn failed(&mut self, began: Duration, now: Duration, asked: Option<Duration>, jitter: Jitter) -> bool {
        let counts = !self.is_on_trial() || began >= self.paused_until;
        let mut doubled = None;
        if counts {
            self.failures = self.failures.saturating_add(1);
            let doublings = self.failures.checked_sub(FAILURES_BEFORE_PAUSE);
            let pause = doublings.map(|n| MIN_PAUSE.saturating_mul(2_u32.saturating_pow(n)).min(MAX_PAUSE));
            doubled = pause.map(|pause| jitter.apply(pause));
        }
        if let Some(pause) = asked.max(doubled) {
            self.paused_until = self.paused_until.max(now.saturating_add(pause.min(MAX_PAUSE)));
        }
        counts
    }

    /// How much longer no call is made.
    pub(super) fn pause(&self, now: Duration) -> Option<Duration> {
        let left = self.paused_until.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    /// After a pause one call at a time is made, until one succeeds.
    pub(super) const fn is_on_trial(&self) -> bool {
        self.failures >= FAILURES_BEFORE_PAUSE
    }

    /// Whether the last call that says something about the endpoint failed.
    pub(super) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }
}

impl Freshness {
    /// Whether the answer is of any use later.
    pub(crate) fn is_lasting(&self) -> bool {
        self.serves_until > self.asked_at
    }

    /// Of an answer that is requested at this moment. A request waits for it for `wait` at most, its call included.
    pub(super) fn since(
        asked_at: Duration,
        lifetime: Duration,
        stale: Option<Duration>,
        wait: Duration,
        jitter: Jitter,
    ) -> Self {
        let fresh_until = asked_at.saturating_add(lifetime);
        let refresh_at = asked_at.saturating_add(jitter.apply(lifetime.mul_f64(REFRESH_AHEAD)));
        let first_use_until = fresh_until.max(asked_at.saturating_add(wait));
        let serves_until = fresh_until.saturating_add(stale.unwrap_or_default());
        Self { asked_at, refresh_at, fresh_until, serves_until, first_use_until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Limit = Limit(64);
    const WAITING: Limit = Limit(1_024);
    const EVEN: Jitter = Jitter::EVEN;

    #[test]
    fn n08_a_quarter_of_the_calls_is_kept_free_for_tokens_seen_active() {
        let may = |class, new, seen| CALLS.may_call(class, Load { new, seen });
        for (new, seen, new_may, seen_may) in [
            (0, 0, true, true),
            (47, 0, true, true),
            (48, 0, false, true),
            (48, 15, false, true),
            (48, 16, false, false),
            (0, 63, true, true),
            (0, 64, false, false),
            (40, 24, false, false),
        ] {
            assert_eq!((may(Class::New, new, seen), may(Class::Seen, new, seen)), (new_may, seen_may), "{new} {seen}");
        }
        assert!(Limit(1).may_call(Class::New, Load::default()), "a single call serves both");
        for (limit, for_new) in [(2, 1), (3, 2), (4, 3), (5, 3), (8, 6)] {
            let may = |new| Limit(limit).may_call(Class::New, Load { new, seen: 0 });
            assert!(may(for_new - 1) && !may(for_new), "of {limit} calls, {for_new} are for new tokens");
        }
    }

    #[test]
    fn n08_new_tokens_make_way_for_those_seen_active() {
        let admit = |class, new, seen| WAITING.admit(class, Load { new, seen });
        use Admission::{Displace, Refuse, Wait};
        for (new, seen, of_new, of_seen) in [
            (1_023, 0, Wait, Wait),
            (1_024, 0, Refuse, Displace),
            (769, 255, Refuse, Displace),
            (768, 256, Refuse, Refuse),
            (0, 1_024, Refuse, Refuse),
            (768, 255, Wait, Wait),
        ] {
            assert_eq!(
                (admit(Class::New, new, seen), admit(Class::Seen, new, seen)),
                (of_new, of_seen),
                "{new} {seen}"
            );
        }
    }

    #[test]
    fn n03_the_fifth_failure_pauses_and_each_further_one_doubles_the_pause() {
        let mut health = Health::default();
        let mut now = Duration::from_secs(100);
        let pauses: Vec<_> = (0..12)
            .map(|_| {
                assert!(health.failed(now, now, None, EVEN));
                let pause = health.pause(now).unwrap_or_default();
                now += pause;
                pause.as_secs()
            })
            .collect();
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(health.is_on_trial());
        assert_eq!(health.pause(now + MAX_PAUSE), None);
        health.succeeded(now);
        assert!(!health.is_on_trial() && health.pause(now).is_none());
    }

    /// Many calls are under way when a pause begins. Those that succeed then do not end it.
    #[test]
    fn n08_a_success_from_before_a_pause_does_not_end_it() {
        let seconds = Duration::from_secs;
        let mut asked = Health::default();
        asked.failed(seconds(99), seconds(100), Some(seconds(20)), EVEN);
        asked.succeeded(seconds(98));
        assert_eq!((asked.pause(seconds(101)), asked.is_failing()), (Some(seconds(19)), false));
        asked.succeeded(seconds(120));
        assert_eq!(asked.pause(seconds(120)), None);

        let mut down = Health::default();
        let failures = (0..5).filter(|_| down.failed(seconds(99), seconds(100), None, EVEN)).count();
        assert_eq!(failures, 5);
        down.succeeded(seconds(98));
        assert!(down.is_on_trial() && down.pause(seconds(100)).is_some());
        // Nor does one that ends after it, and says nothing about the time since.
        down.succeeded(seconds(99));
        assert!(down.is_on_trial());
        down.succeeded(seconds(101));
        assert!(!down.is_on_trial());
    }

    /// As many calls as may be under way fail at the same time: that is one outage, not 48 of them.
    #[test]
    fn n03_a_burst_of_failures_begins_the_shortest_pause() {
        let seconds = Duration::from_secs;
        let mut health = Health::default();
        let counted = (0..48).filter(|_| health.failed(seconds(99), seconds(100), None, EVEN)).count();
        assert_eq!((counted, health.failures(), health.pause(seconds(100))), (5, 5, Some(MIN_PAUSE)));
        // One that ends after the pause, and began before it.
        assert!(!health.failed(seconds(99), seconds(102), None, EVEN));
        assert_eq!(health.pause(seconds(102)), None);
        // What the server asks for counts all the same, and nothing shortens it.
        assert!(!health.failed(seconds(99), seconds(102), Some(seconds(20)), EVEN));
        assert!(!health.failed(seconds(99), seconds(103), Some(seconds(1)), EVEN));
        assert_eq!(health.pause(seconds(103)), Some(seconds(19)));
        assert!(health.failed(seconds(122), seconds(122), None, EVEN), "the one that tries");
        assert_eq!(health.pause(seconds(122)), Some(2 * MIN_PAUSE));
    }

    #[test]
    fn n08_what_the_server_asks_for_counts_at_once_within_bounds() {
        let now = Duration::from_secs(100);
        for (asked, pause) in [(0, 0), (7, 7), (30, 30), (3_600, 30)] {
            let mut health = Health::default();
            health.failed(now, now, Some(Duration::from_secs(asked)), EVEN);
            assert_eq!(health.pause(now).unwrap_or_default().as_secs(), pause, "{asked}");
            assert!(!health.is_on_trial());
        }
    }

    #[test]
    fn r85_an_answer_is_refreshed_at_four_fifths_of_its_time() {
        let seconds = Duration::from_secs;
        let freshness = Freshness::since(seconds(10), seconds(60), Some(seconds(300)), seconds(4), EVEN);
        let expected = Freshness {
            asked_at: seconds(10),
            refresh_at: seconds(58),
            fresh_until: seconds(70),
            serves_until: seconds(370),
            first_use_until: seconds(70),
        };
        assert_eq!(freshness, expected);
        let uncached = Freshness::since(seconds(10), seconds(0), None, seconds(4), EVEN);
        assert!(freshness.is_lasting() && !uncached.is_lasting());
        assert_eq!(uncached.first_use_until, seconds(14), "for the requests that wait");
    }
}
