//! How long things take.

use std::time::{Duration, Instant};

/// The clock is read once in so many calls, so that it counts for little beside the fastest.
pub(crate) const BATCH: u32 = 16;

/// Nanoseconds of one call, repeated for as long as `slice`, but no more than `limit` times.
pub(crate) fn time(call: &mut dyn FnMut(), limit: u32, slice: Duration) -> f64 {
    let start = Instant::now();
    let mut made = 0;
    loop {
        let batch = BATCH.min(limit - made);
        (0..batch).for_each(|_| call());
        made += batch;
        let passed = start.elapsed();
        if passed >= slice || made == limit {
            return passed.as_secs_f64() * 1e9 / f64::from(made);
        }
    }
}
