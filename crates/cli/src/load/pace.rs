//! When requests are sent: as fast as answers come, or at times that were fixed before.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::clock;

/// Timers have a resolution of a millisecond; what is due sooner is waited for by asking the clock.
const TIMER_RESOLUTION: Duration = Duration::from_millis(2);

/// Start and end of a run, the same for all its threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) starts: Instant,
    /// What was due before is warm-up.
    pub(super) measured_from: Instant,
    pub(super) ends: Instant,
}

/// Gives the connections of one thread their turns.
pub(super) struct Pace {
    schedule: Schedule,
    /// Between two requests of this thread; `None` is the closed loop.
    interval: Option<Duration>,
    /// Who holds it waits for the next request to be due, the others queue behind.
    turnstile: Mutex<()>,
    next: Cell<u32>,
}

impl Pace {
    pub(super) fn new(schedule: Schedule, interval: Option<Duration>) -> Self {
        Self { schedule, interval, turnstile: Mutex::new(()), next: Cell::new(0) }
    }

    /// In the open loop, how many requests were due and never had their turn.
    pub(super) fn not_sent(&self) -> u64 {
        let Some(interval) = self.interval else { return 0 };
        let whole = self.schedule.ends.saturating_duration_since(self.schedule.starts).as_nanos();
        let due = whole.div_ceil(interval.as_nanos().max(1));
        u64::try_from(due).unwrap_or(u64::MAX).saturating_sub(u64::from(self.next.get()))
    }

    /// Waits until the next request is due and says when that is or was; `None` when the run is over.
    ///
    /// In the open loop that time does not depend on when a connection was free to ask: a server that stalls is
    /// measured with the requests that it kept from being sent, not without them ("coordinated omission").
    pub(super) async fn turn(&self) -> Option<Instant> {
        let Some(interval) = self.interval else {
            return Some(clock::now()).filter(|now| *now < self.schedule.ends);
        };
        let _turn = self.turnstile.lock().await;
        let number = self.next.get();
        let due = self.schedule.starts + interval.saturating_mul(number);
        if due >= self.schedule.ends {
            return None;
        }
        self.next.set(number.saturating_add(1));
        loop {
            let now = clock::now();
            let left = due.saturating_duration_since(now);
            if now >= self.schedule.ends {
                return None;
            } else if left.is_zero() {
                return Some(due);
            } else if left > TIMER_RESOLUTION {
                tokio::time::sleep(left - TIMER_RESOLUTION).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }
}
