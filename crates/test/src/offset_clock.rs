//! A clock that is wrong.

use std::sync::Arc;
use std::time::Duration;

use tower_bearer::time::{Clock, UnixTime};

/// Another clock's time, its wall time off by so many seconds. Time passes as it does there.
#[derive(Clone, Debug)]
pub(super) struct OffsetClock {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) offset_s: i64,
}

impl Clock for OffsetClock {
    fn now(&self) -> Option<UnixTime> {
        let now = self.clock.now()?;
        let offset = Duration::from_secs(self.offset_s.unsigned_abs());
        Some(if self.offset_s < 0 { now.saturating_sub(offset) } else { now.saturating_add(offset) })
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}
