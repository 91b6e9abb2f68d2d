//! Keeps threads on cores of their own, so that server and generator do not take turns on one.

use std::io;
use std::ops::Range;

/// Keeps this thread, and those that it starts, on these cores.
#[cfg(target_os = "linux")]
pub(super) fn to_cores(cores: Range<usize>) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    let mut set = CpuSet::new();
    cores.filter(|core| *core < CpuSet::MAX_CPU).for_each(|core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}

/// There is no way to do it here.
#[cfg(not(target_os = "linux"))]
pub(super) fn to_cores(_: Range<usize>) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "--pin works on Linux only"))
}
