//! What is measured.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::answers::{Answers, Reply, Sent};

/// Latencies are kept up to this; what took longer counts as this.
const MAX_LATENCY_NS: u64 = 120_000_000_000;
/// Significant digits of a latency.
const PRECISION: u8 = 3;

/// Requests of one kind, good or bad.
#[derive(Clone)]
pub(super) struct Class {
    /// Nanoseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) requests: u64,
    pub(super) wrong: u64,
}

/// What one thread measured, or all of them.
#[derive(Clone)]
pub(super) struct Figures {
    pub(super) good: Class,
    pub(super) bad: Class,
    pub(super) answers: Answers,
    /// In the open loop: due, and not sent before the end.
    pub(super) not_sent: u64,
}

impl Figures {
    /// # Errors
    ///
    /// Never with the bounds that are set here.
    pub(super) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let class = Class { latency: Histogram::new_with_max(MAX_LATENCY_NS, PRECISION)?, requests: 0, wrong: 0 };
        Ok(Self { good: class.clone(), bad: class, answers: Answers::default(), not_sent: 0 })
    }

    /// Counts an answer that came in this part of the run. A request that got none has no latency.
    pub(super) fn record(&mut self, sent: Sent, reply: Reply<'_>, latency: Duration, part: usize) {
        let is_wrong = self.answers.count(sent, reply, part);
        let class = match sent {
            Sent::Good => &mut self.good,
            Sent::Bad => &mut self.bad,
        };
        class.requests += 1;
        class.wrong += u64::from(is_wrong);
        if matches!(reply, Reply::Status(..)) {
            class.latency.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.good.merge(&other.good);
        self.bad.merge(&other.bad);
        self.answers.merge(other.answers);
        self.not_sent += other.not_sent;
    }

    pub(super) const fn requests(&self) -> u64 {
        self.good.requests + self.bad.requests
    }

    pub(super) const fn wrong(&self) -> u64 {
        self.good.wrong + self.bad.wrong
    }
}

impl Class {
    fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so it cannot fail.
        let _ = self.latency.add(&other.latency);
        self.requests += other.requests;
        self.wrong += other.wrong;
    }
}
