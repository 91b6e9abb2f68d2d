//! The figures as they are kept: in JSON, and for the table and the report.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::answers::{Kind, Sent, Verdict};
use super::embedded::Fetches;
use super::figures::Class;
use super::profile::Profile;

/// Of the whole command.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    /// Of this program.
    pub(super) version: &'static str,
    pub(super) started: String,
    /// What it ran on.
    pub(super) machine: String,
    pub(super) target: String,
    /// How requests were sent, in words.
    pub(super) load: String,
    /// This program, and with it our own server, was compiled without optimizations for speed.
    pub(super) is_debug_build: bool,
    #[serde(skip)]
    pub(super) is_own_server: bool,
    pub(super) profiles: Vec<Measured>,
    pub(super) wrong_answers: u64,
    /// Ctrl-C ended it; the last profile is shorter, and those after it are missing.
    pub(super) interrupted: bool,
}

/// Of one profile.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) profile: Profile,
    pub(super) seconds: f64,
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) wrong_answers: u64,
    /// In the open loop: due, and not sent because the server was behind.
    pub(super) not_sent: u64,
    pub(super) good: Requests,
    /// `None` where all tokens are good.
    pub(super) bad: Option<Requests>,
    pub(super) answers: Vec<ResponseCount>,
    /// At our own authorization server, warm-up included.
    pub(super) provider_fetches: Option<Fetches>,
    /// Of our own server.
    pub(super) server: Option<Server>,
    /// How much of a core the generator used: near its number of threads, it was the limit, not the server.
    pub(super) generator_cores: Option<f64>,
    /// The width of one part of the timelines.
    pub(super) part_seconds: f64,
}

/// Requests with good tokens, or those with bad ones.
#[derive(Debug, Serialize)]
pub(super) struct Requests {
    pub(super) requests: u64,
    pub(super) wrong_answers: u64,
    pub(super) latency_us: Latency,
}

/// In microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
    pub(super) max: f64,
    /// Pairs of percentile and microseconds, closer together towards 100.
    pub(super) curve: Vec<(f64, f64)>,
}

/// One kind of answer.
#[derive(Debug, Serialize)]
pub(super) struct ResponseCount {
    /// Whether the request brought a good or a bad token.
    pub(super) to: &'static str,
    pub(super) status: Option<u16>,
    pub(super) reason: Option<String>,
    pub(super) is_wrong: bool,
    pub(super) verdict: Verdict,
    pub(super) count: u64,
    /// In each part of the run.
    pub(super) over_time: Vec<u64>,
    #[serde(skip)]
    pub(super) label: String,
}

/// What our own server needed while it was measured. `None` where the system does not tell.
#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) cpu_us_per_request: Option<f64>,
    /// How many cores it used on average.
    pub(super) cores: Option<f64>,
    /// Since its start.
    pub(super) peak_memory_bytes: Option<u64>,
}

impl From<&Class> for Requests {
    fn from(class: &Class) -> Self {
        Self { requests: class.requests, wrong_answers: class.wrong, latency_us: Latency::from(&class.latency) }
    }
}

impl From<&Histogram<u64>> for Latency {
    fn from(nanos: &Histogram<u64>) -> Self {
        let at = |quantile| micros(nanos.value_at_quantile(quantile));
        let steps = nanos.iter_quantiles(4);
        Self {
            mean: nanos.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: micros(nanos.max()),
            curve: steps.map(|step| (step.quantile() * 100.0, micros(step.value_iterated_to()))).collect(),
        }
    }
}

impl From<Kind> for ResponseCount {
    fn from(kind: Kind) -> Self {
        let to = match kind.sent {
            Sent::Good => "good",
            Sent::Bad => "bad",
        };
        Self {
            to,
            count: kind.count(),
            label: kind.label(),
            status: kind.status,
            is_wrong: kind.is_wrong(),
            verdict: kind.verdict,
            reason: kind.reason,
            over_time: kind.over_time,
        }
    }
}

impl Results {
    /// What a reader of the figures has to know about the build.
    pub(super) const fn build_note(&self) -> Option<&'static str> {
        match (self.is_debug_build, self.is_own_server) {
            (false, _) => None,
            (true, true) => Some(
                "The server is a debug build: its speed says nothing about production. Build with `cargo build --release`.",
            ),
            (true, false) => Some(
                "The load generator is a debug build: it may be slower than the server. Build with `cargo build --release`.",
            ),
        }
    }
}

impl Measured {
    /// Answers of all kinds together in each part of the run.
    pub(super) fn total(&self) -> Vec<u64> {
        let parts = self.answers.iter().map(|answer| answer.over_time.len()).max().unwrap_or_default();
        let in_part = |part| self.answers.iter().filter_map(move |answer| answer.over_time.get(part)).sum();
        (0..parts).map(in_part).collect()
    }
}

/// A count as a number to calculate with; exact below 2^53.
#[expect(clippy::as_conversions, reason = "the standard library has no other conversion")]
pub(super) const fn real(count: u64) -> f64 {
    count as f64
}

fn micros(nanos: u64) -> f64 {
    real(nanos) / 1e3
}
