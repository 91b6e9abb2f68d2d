//! Time: the only module that reads a clock.
//!
//! Everything else receives "now" from a [`Clock`], so that tests decide what time it is.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
#[cfg(not(target_os = "linux"))]
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ::time::OffsetDateTime;
use ::time::format_description::well_known;
#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};

/// Where the time comes from.
///
/// Two times are kept apart. Claims (`exp`, `nbf`, `iat`) are compared with the [wall time](Clock::now). Ages, such as
/// how old a key set is, are measured in [monotonic time](Clock::monotonic), which a jump of the wall clock leaves
/// alone.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall time, or `None` when the machine's clock stands before 1970: no token is accepted then.
    fn now(&self) -> Option<UnixTime>;

    /// Time passed since an arbitrary start; it never goes back.
    fn monotonic(&self) -> Duration;

    /// The same from the same start, for ages that are compared with seconds: it may be some milliseconds late, and it
    /// must be cheap, because every request asks. Default: [`monotonic`](Self::monotonic).
    fn monotonic_coarse(&self) -> Duration {
        self.monotonic()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Option<UnixTime> {
        (**self).now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }

    fn monotonic_coarse(&self) -> Duration {
        (**self).monotonic_coarse()
    }
}

/// A point in time as the duration since 1970-01-01T00:00:00Z, not counting leap seconds
/// (`NumericDate`, RFC 7519 §2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The last second of the year 9999: nothing later is accepted in a claim.
    pub const MAX: Self = Self::from_secs(253_402_300_799);

    /// A time given in whole seconds since 1970.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A time given as the duration since 1970.
    #[must_use]
    pub const fn from_duration(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// Whole seconds since 1970, fractions cut off.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// This time in RFC 3339, in UTC and whole seconds: `2027-01-15T08:00:00Z`.
    ///
    /// ```
    /// use tower_bearer::time::UnixTime;
    ///
    /// assert_eq!(UnixTime::from_secs(1_800_000_000).rfc3339().to_string(), "2027-01-15T08:00:00Z");
    /// ```
    #[must_use]
    pub fn rfc3339(self) -> impl fmt::Display + fmt::Debug {
        Rfc3339(self)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This time, `duration` later; at the end of what can be represented it stays there.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// This time, `duration` earlier; not before 1970.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

impl fmt::Display for UnixTime {
    /// Seconds since 1970, as the claims write them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

#[derive(Debug)]
struct Rfc3339(UnixTime);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX);
        match OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|time| time.format(&well_known::Rfc3339).ok())
        {
            Some(text) => f.write_str(&text),
            // After the year 9999.
            None => self.0.fmt(f),
        }
    }
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SystemClock {
    #[cfg(not(target_os = "linux"))]
    started: Instant,
}

impl SystemClock {
    /// The clocks of this machine. Their monotonic time starts at some moment before.
    #[must_use]
    pub fn new() -> Self {
        Self {
            #[cfg(not(target_os = "linux"))]
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Option<UnixTime> {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().map(UnixTime)
    }

    #[cfg(target_os = "linux")]
    fn now(&self) -> Option<UnixTime> {
        clock_gettime(ClockId::Realtime).try_into().ok().map(UnixTime)
    }

    #[cfg(not(target_os = "linux"))]
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    #[cfg(target_os = "linux")]
    fn monotonic(&self) -> Duration {
        since_boot(ClockId::Monotonic)
    }

    /// The time of the kernel's last tick: no more than 10 milliseconds ago, and read in a quarter of the time.
    #[cfg(target_os = "linux")]
    fn monotonic_coarse(&self) -> Duration {
        since_boot(ClockId::MonotonicCoarse)
    }
}

#[cfg(target_os = "linux")]
fn since_boot(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().unwrap_or_default()
}

/// A clock that moves only when told to. Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::time::{Clock, ManualClock, UnixTime};
///
/// let clock = ManualClock::at(UnixTime::from_secs(1_000));
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now(), Some(UnixTime::from_secs(1_005)));
/// assert_eq!(clock.monotonic(), Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    times: Arc<Mutex<Times>>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    wall: Option<UnixTime>,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that stands at `now`; its monotonic time starts at zero.
    #[must_use]
    pub fn at(now: UnixTime) -> Self {
        let times = Times { wall: Some(now), monotonic: Duration::ZERO };
        Self { times: Arc::new(Mutex::new(times)) }
    }

    /// Lets `duration` pass, on both times.
    pub fn advance(&self, duration: Duration) {
        let mut times = self.times();
        times.wall = times.wall.map(|wall| wall.saturating_add(duration));
        times.monotonic = times.monotonic.saturating_add(duration);
    }

    /// Sets the wall time alone, as an administrator or a time server does; `None` stands for a time before 1970.
    pub fn set_wall(&self, now: Option<UnixTime>) {
        self.times().wall = now;
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Option<UnixTime> {
        self.times().wall
    }

    fn monotonic(&self) -> Duration {
        self.times().monotonic
    }
}
