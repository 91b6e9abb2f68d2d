//! The only file of the command that reads a clock.

use std::time::{Duration, Instant, SystemTime};

/// Now, for measuring how long something takes.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The date and time of the machine (RFC 3339), for what is kept.
pub(crate) fn timestamp() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The CPU time of this process so far, of all its threads. `None` where the system does not tell.
pub(crate) fn cpu_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).try_into().ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        None
    }
}
