//! What threads do at the same time.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::median::median;
use super::timing::time;

/// Nanoseconds of one call, of each of these that are made at the same time, each on a thread of its own.
pub(crate) fn together(calls: Vec<Box<dyn FnMut() + Send>>, limit: u32, slice: Duration) -> f64 {
    let barrier = Barrier::new(calls.len());
    let times: Vec<f64> = std::thread::scope(|scope| {
        let running: Vec<_> = calls
            .into_iter()
            .map(|mut call| {
                let barrier = &barrier;
                scope.spawn(move || {
                    // New threads may share a core until the scheduler has seen them work.
                    let start = Instant::now();
                    while start.elapsed() < slice {
                        std::hint::spin_loop();
                    }
                    barrier.wait();
                    time(&mut call, limit, slice)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    median(times)
}
