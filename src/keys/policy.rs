//! When to fetch a key set and what to answer meanwhile: a pure function of ages and attempts.
//!
//! There is no clock, no lock and no I/O in this file.

use std::time::Duration;

/// How an issuer's keys are fetched and kept.
///
/// The defaults suit a provider that rotates its keys with an overlap of minutes. Durations are real time, except in the
/// tests of those who bring their own [`Clock`](crate::time::Clock).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPolicy {
    pub(crate) lifetime: Duration,
    pub(crate) staleness_bound: Duration,
    pub(crate) request_wait: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) fetch_timeout: Duration,
}

impl KeyPolicy {
    /// How many requests may wait for one fetch; the rest are answered at once.
    pub const MAX_WAITING_REQUESTS: usize = 256;

    /// How many fetches unknown `kid`s may cause in one [window](Self::UNKNOWN_KID_WINDOW), failures included. A flood
    /// of random `kid`s costs the provider no more than this.
    pub const UNKNOWN_KID_FETCHES: usize = 2;

    /// The window of the budget above, and for how long a `kid` that was not found is not looked for again.
    pub const UNKNOWN_KID_WINDOW: Duration = Duration::from_secs(30);

    /// The delay before the first retry of a failed fetch; each further one doubles it.
    pub const MIN_BACKOFF: Duration = Duration::from_secs(5);

    /// The longest delay between retries.
    pub const MAX_BACKOFF: Duration = Duration::from_secs(60);

    /// For how long a fetched set is current. Default 5 minutes. From 80 % of it on, the next request starts a refresh
    /// in the background.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// For how long past its lifetime a set still serves while the provider fails. Default 1 hour: an outage is not the
    /// client's fault, yet a withdrawn key must die.
    #[must_use]
    pub const fn staleness_bound(mut self, bound: Duration) -> Self {
        self.staleness_bound = bound;
        self
    }

    /// For how long a request whose key is not known waits for a fetch. Default 2 seconds. Requests with a known key
    /// never wait.
    #[must_use]
    pub const fn request_wait(mut self, wait: Duration) -> Self {
        self.request_wait = wait;
        self
    }

    /// For how long a connection to the provider may take. Default 2 seconds.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For how long one fetch may take, discovery included. Default 5 seconds.
    #[must_use]
    pub const fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout;
        self
    }

    /// When the next fetch on the cache's own account is due, counted from the end of a successful one.
    pub(crate) fn refresh_after(&self) -> Duration {
        self.lifetime.mul_f64(0.8)
    }

    /// The delay after the n-th failure in a row, counted from one.
    pub(crate) fn backoff(failures: u32) -> Duration {
        let doubled = Self::MIN_BACKOFF.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        doubled.min(Self::MAX_BACKOFF)
    }

    /// What to do for a request.
    pub(crate) fn step(&self, seen: &Seen) -> Step {
        let is_current = seen.age.is_some_and(|age| age < self.lifetime);
        let is_usable = seen.age.is_some_and(|age| age < self.lifetime.saturating_add(self.staleness_bound));
        if is_usable && seen.key == KeySeen::Known {
            return if seen.refresh_due { Step::UseAndRefresh } else { Step::Use };
        }
        let has_budget = seen.unknown_kid_fetches < Self::UNKNOWN_KID_FETCHES;
        let has_fetch = seen.fetching || seen.refresh_due || (is_usable && seen.key == KeySeen::Unknown && has_budget);
        let may_wait = !seen.has_waited && seen.waiting < Self::MAX_WAITING_REQUESTS;
        let is_known_missing = is_current && seen.key == KeySeen::NotFoundLately;
        if has_fetch && may_wait && !is_known_missing {
            Step::Wait
        } else if is_current {
            Step::NoSuchKey
        } else {
            Step::Unavailable
        }
    }
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(300),
            staleness_bound: Duration::from_secs(3600),
            request_wait: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            fetch_timeout: Duration::from_secs(5),
        }
    }
}

/// What the cache knows when a request comes.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// How long ago the last good set was fetched, if ever.
    pub(crate) age: Option<Duration>,
    pub(crate) key: KeySeen,
    /// A fetch is under way.
    pub(crate) fetching: bool,
    /// A fetch on the cache's own account is due and not under way: the first one, a refresh, or a retry after a
    /// failure.
    pub(crate) refresh_due: bool,
    /// Fetches that unknown `kid`s caused in the last window.
    pub(crate) unknown_kid_fetches: usize,
    /// Requests that wait now.
    pub(crate) waiting: usize,
    /// This request has waited already.
    pub(crate) has_waited: bool,
}

/// Whether the set has the token's key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeySeen {
    Known,
    Unknown,
    /// Looked for within the last window, and not found.
    NotFoundLately,
}

/// What to do for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Decide with the set at hand.
    Use,
    /// The same, and start a refresh in the background.
    UseAndRefresh,
    /// Wait for the fetch under way, or start one.
    Wait,
    /// The token names a key that the issuer does not have.
    NoSuchKey,
    /// Nobody can tell at the moment.
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A current set, nothing due, nobody waiting.
    fn seen(key: KeySeen, age: Option<Duration>) -> Seen {
        Seen { age, key, fetching: false, refresh_due: false, unknown_kid_fetches: 0, waiting: 0, has_waited: false }
    }

    fn step(seen: &Seen) -> Step {
        KeyPolicy::default().step(seen)
    }

    #[test]
    fn f07_a_known_key_serves_until_the_staleness_bound() {
        let bound = Duration::from_secs(300 + 3600);
        assert_eq!(step(&seen(KeySeen::Known, Some(Duration::ZERO))), Step::Use);
        assert_eq!(step(&seen(KeySeen::Known, Some(bound - SECOND))), Step::Use);
        assert_eq!(step(&seen(KeySeen::Known, Some(bound))), Step::Unavailable);
        assert_eq!(
            step(&Seen { refresh_due: true, ..seen(KeySeen::Known, Some(bound - SECOND)) }),
            Step::UseAndRefresh
        );
        assert_eq!(step(&Seen { refresh_due: true, ..seen(KeySeen::Known, Some(bound)) }), Step::Wait);
    }

    #[test]
    fn r18_an_unknown_key_is_401_within_the_lifetime_and_503_after_it() {
        let waited = |age| Seen { has_waited: true, ..seen(KeySeen::Unknown, age) };
        let lifetime = Duration::from_secs(300);
        assert_eq!(step(&waited(Some(lifetime - SECOND))), Step::NoSuchKey);
        assert_eq!(step(&waited(Some(lifetime))), Step::Unavailable);
        assert_eq!(step(&waited(None)), Step::Unavailable);
    }

    #[test]
    fn f02_unknown_keys_spend_a_budget() {
        let spent = |n| Seen { unknown_kid_fetches: n, ..seen(KeySeen::Unknown, Some(SECOND)) };
        assert_eq!(step(&spent(KeyPolicy::UNKNOWN_KID_FETCHES - 1)), Step::Wait);
        assert_eq!(step(&spent(KeyPolicy::UNKNOWN_KID_FETCHES)), Step::NoSuchKey);
        assert_eq!(step(&Seen { fetching: true, ..spent(KeyPolicy::UNKNOWN_KID_FETCHES) }), Step::Wait);
        assert_eq!(step(&seen(KeySeen::NotFoundLately, Some(SECOND))), Step::NoSuchKey);
    }

    #[test]
    fn j08_only_so_many_requests_wait() {
        let waiting = |n| Seen { waiting: n, ..seen(KeySeen::Unknown, Some(SECOND)) };
        assert_eq!(step(&waiting(KeyPolicy::MAX_WAITING_REQUESTS - 1)), Step::Wait);
        assert_eq!(step(&waiting(KeyPolicy::MAX_WAITING_REQUESTS)), Step::NoSuchKey);
    }

    #[test]
    fn j07_without_a_set_requests_wait_only_for_a_fetch_that_is_due() {
        assert_eq!(step(&Seen { refresh_due: true, ..seen(KeySeen::Unknown, None) }), Step::Wait);
        assert_eq!(step(&seen(KeySeen::Unknown, None)), Step::Unavailable);
    }

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let delays: Vec<_> = [1, 2, 3, 4, 5, u32::MAX].into_iter().map(|n| KeyPolicy::backoff(n).as_secs()).collect();
        assert_eq!(delays, [5, 10, 20, 40, 60, 60]);
    }
}
