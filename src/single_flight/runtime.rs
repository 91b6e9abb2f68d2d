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

/// The runtime of this thread, if it can bound a call in time.
///
/// tokio has no question for "are there timers?": making a timer panics without them. Here that costs a caught panic,
/// whose message the panic hook prints, and only where a request would have to wait. It is not remembered, because a
/// thread may run another runtime next, and tokio's ids of runtimes are newer than the tokio that we ask for. Without
/// unwinding (`panic = "abort"`) such a runtime ends the process, as any use of its timers does.
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
