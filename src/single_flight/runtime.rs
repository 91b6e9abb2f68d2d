//! The runtime that calls are spawned on.

use std::fmt;
use std::panic::catch_unwind;
use std::time::Duration;

use tokio::runtime::Handle;

/// Why calls cannot be made here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoRuntime {
    /// This thread runs no tokio runtime.
    Absent,
    /// It runs one that was built without `enable_time` or `enable_all`.
    WithoutTimers,
}

/// The runtime of this thread, if it has timers to limit a call.
///
/// tokio offers no way to ask for timers: without them, creating one panics. So this catches a panic, whose message the
/// panic hook still prints. It is called only before a wait, and once in a while for a refresh that is due. The result is
/// not cached: a thread may run another runtime next, and runtime ids need a newer tokio than we require. With
/// `panic = "abort"`, a runtime without timers ends the process, as any use of its timers would.
pub(crate) fn current_runtime() -> Result<Handle, NoRuntime> {
    let runtime = Handle::try_current().map_err(|_| NoRuntime::Absent)?;
    let has_timers = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok();
    if has_timers { Ok(runtime) } else { Err(NoRuntime::WithoutTimers) }
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "this thread runs no tokio runtime",
            Self::WithoutTimers => "the tokio runtime has no timers; build it with `enable_time` or `enable_all`",
        })
    }
}
