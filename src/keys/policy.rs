//! When to fetch a key set and for how long it serves: a pure function of ages and attempts.
//! [`unknown_kid`](super::unknown_kid) decides what a request gets in the meantime.
//!
//! There is no clock, no lock and no I/O in this file.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config_error::ConfigError;
use crate::duration_text;

/// The part of a set's lifetime after which it is refreshed.
const REFRESH_AHEAD: f64 = 0.8;

/// How an issuer's keys are fetched and kept.
///
/// The defaults suit a provider that rotates its keys with an overlap of minutes. Durations are real time, except in
/// the tests of those who bring their own [`Clock`](crate::time::Clock).
///
/// When serialized, for example as JSON, durations are strings with a unit, such as `5s`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyPolicy {
    #[serde(with = "duration_text")]
    pub(crate) lifetime: Duration,
    #[serde(with = "duration_text")]
    pub(crate) staleness_bound: Duration,
    #[serde(with = "duration_text")]
    pub(crate) request_wait: Duration,
    #[serde(with = "duration_text")]
    pub(crate) connect_timeout: Duration,
    #[serde(with = "duration_text")]
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

    /// The bounds of what the provider may say about the lifetime of a set: it knows best, within reason, and a
    /// withdrawn key must die within the hour.
    pub const LIFETIME_BOUNDS: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(3600);

    /// For how long a fetched set is current when the provider does not say (`Cache-Control: max-age`). Default 5
    /// minutes. From 80 % of it on, give or take a tenth, the next request starts a refresh in the background.
    ///
    /// That is also how long it takes at most until new material under an old `kid` is noticed, where a provider
    /// rotates that way (it is meant to give another `kid`, OpenID Connect Core 1.0 §10.1.1): new tokens are refused
    /// with `bad_signature` until then. A bad signature alone starts no fetch, since anybody can send one.
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
    ///
    /// The runtime that the fetch was started on ends it then. Should that runtime be blocked or no longer driven, the next
    /// request, `readiness()` or `warm_up()` starts another fetch in its place: see
    /// [runtimes](crate::guide::keys#runtimes).
    #[must_use]
    pub const fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout;
        self
    }

    /// Durations of zero would refuse every token.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let durations = [
            ("lifetime", self.lifetime),
            ("connect_timeout", self.connect_timeout),
            ("fetch_timeout", self.fetch_timeout),
        ];
        match durations.into_iter().find(|(_, duration)| duration.is_zero()) {
            Some((name, _)) => {
                let problem = format!("`{name}` is zero, so no key could be fetched in time or kept; leave it out");
                Err(ConfigError::new("key_policy", problem))
            }
            None => Ok(()),
        }
    }

    /// For how long a set is current, given what the provider said about it.
    pub(crate) fn lifetime_of(&self, max_age: Option<Duration>) -> Duration {
        let (min, max) = (*Self::LIFETIME_BOUNDS.start(), *Self::LIFETIME_BOUNDS.end());
        max_age.map_or(self.lifetime, |max_age| max_age.clamp(min, max))
    }

    /// When a refresh is due, counted from the start of the fetch that brought the set.
    pub(crate) fn refresh_after(lifetime: Duration, jitter: Jitter) -> Duration {
        jitter.apply(lifetime.mul_f64(REFRESH_AHEAD))
    }

    /// The delay after the n-th failure in a row, counted from one: what the provider asks for, or twice the last one.
    pub(crate) fn backoff(failures: u32, asked: Option<Duration>, jitter: Jitter) -> Duration {
        let doubled = Self::MIN_BACKOFF.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let delay = asked.unwrap_or_else(|| jitter.apply(doubled.min(Self::MAX_BACKOFF)));
        delay.clamp(Self::MIN_BACKOFF, Self::MAX_BACKOFF)
    }

    /// Until when a set is current, and until when it serves, given when its fetch began and how old it was then.
    pub(crate) fn bounds(&self, fetched_at: Duration, age_then: Duration, lifetime: Duration) -> Bounds {
        let end_of_life = fetched_at.saturating_add(lifetime);
        Bounds {
            current_until: end_of_life.saturating_sub(age_then),
            serves_until: end_of_life.saturating_add(self.staleness_bound).saturating_sub(age_then),
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

/// When a set stops being good, in the monotonic time of its cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    current_until: Duration,
    serves_until: Duration,
}

impl Bounds {
    pub(crate) fn at(&self, now: Duration) -> SetAge {
        if now < self.current_until {
            SetAge::Current
        } else if now < self.serves_until {
            SetAge::Stale
        } else {
            SetAge::Expired
        }
    }

    /// Whether a known key may be used.
    pub(crate) fn serves(&self, now: Duration) -> bool {
        now < self.serves_until
    }
}

/// How old a set is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SetAge {
    /// Within its lifetime.
    Current,
    /// Past it, and within the staleness bound.
    Stale,
    Expired,
}

/// A factor between 0.9 and 1.1: many replicas that started together must not fetch together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jitter(f64);

impl Jitter {
    /// From a random number; every number is good.
    pub(crate) fn from_random(random: u16) -> Self {
        Self(0.9 + 0.2 * f64::from(random) / f64::from(u16::MAX))
    }

    #[cfg(test)]
    pub(crate) const EVEN: Self = Self(1.0);

    pub(crate) fn apply(self, duration: Duration) -> Duration {
        duration.mul_f64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f07_a_known_key_serves_until_the_staleness_bound() {
        let seconds = Duration::from_secs;
        let bounds = KeyPolicy::default().bounds(seconds(1), Duration::ZERO, seconds(300));
        assert_eq!([1, 300, 301, 3_900, 3_901].map(|now| bounds.serves(seconds(now))), [true, true, true, true, false]);
    }

    #[test]
    fn f07_a_set_that_was_old_when_it_came_ends_as_much_earlier() {
        let seconds = Duration::from_secs;
        let at =
            |age_then, now| KeyPolicy::default().bounds(seconds(10), seconds(age_then), seconds(300)).at(seconds(now));
        use SetAge::{Current, Expired, Stale};
        assert_eq!([at(0, 10), at(0, 309), at(0, 310)], [Current, Current, Stale]);
        assert_eq!([at(0, 3_909), at(0, 3_910)], [Stale, Expired]);
        assert_eq!([at(299, 10), at(300, 10), at(301, 10)], [Current, Stale, Stale]);
        // Older than the process.
        assert_eq!([at(3_899, 10), at(3_900, 10), at(u64::MAX, 10)], [Stale, Expired, Expired]);
    }

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let delay = |failures, random| KeyPolicy::backoff(failures, None, Jitter::from_random(random)).as_millis();
        let middle = |failures| delay(failures, u16::MAX / 2).div_ceil(100);
        assert_eq!([1, 2, 3, 4, 5, u32::MAX].map(middle), [50, 100, 200, 400, 600, 600]);
        for random in [0, u16::MAX] {
            assert!((5_000..=5_500).contains(&delay(1, random)));
            assert!((9_000..=11_000).contains(&delay(2, random)));
            assert!((54_000..=60_000).contains(&delay(u32::MAX, random)));
        }
    }

    #[test]
    fn f14_what_the_provider_asks_for_is_honoured_within_bounds() {
        let policy = KeyPolicy::default();
        let lifetime = |seconds| policy.lifetime_of(Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([0, 59, 60, 61, 3599, 3600, 3601, u64::MAX].map(lifetime), [60, 60, 60, 61, 3599, 3600, 3600, 3600]);
        assert_eq!(policy.lifetime_of(None), Duration::from_secs(300));

        let backoff = |asked| KeyPolicy::backoff(9, Some(Duration::from_secs(asked)), Jitter::from_random(0)).as_secs();
        assert_eq!([0, 4, 5, 6, 59, 60, 61, u64::MAX].map(backoff), [5, 5, 5, 6, 59, 60, 60, 60]);
    }

    #[test]
    fn a_refresh_is_due_at_four_fifths_of_the_lifetime_give_or_take_a_tenth() {
        let due =
            |random| KeyPolicy::refresh_after(Duration::from_secs(300), Jitter::from_random(random)).as_secs_f64();
        assert!((due(0) - 216.0).abs() < 0.001);
        assert!((due(u16::MAX) - 264.0).abs() < 0.001);
    }
}
