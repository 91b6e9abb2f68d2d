//! How long good requests wait while bad ones come: `cargo bench --bench latency`.
//!
//! `tower-bearer load` keeps its own server on one core and sends from another, by the clock (open loop): a latency
//! counts from the moment when a request was due. The rate is 40 % of what the server did of the same load when it was
//! sent as fast as it was answered. Each flood, half of it bad, takes turns with as many good requests alone. The
//! numbers are medians over the rounds: percentiles of the good requests' latency, and the ratio of the flood's to that
//! of the good ones alone in the same round, with its 95 % interval. "Stolen" is what the machine's host took of the
//! cores for its other guests, the median over the rounds; a run that it disturbed is done again, up to three times in
//! all, because p99 shows little else then. Runs are short, so that many are left in peace. Then the issuer changes its
//! key mid-run, and stops mid-run: no answer may be wrong, in these as in all others.
//!
//! Options after `--`: `--json FILE` writes the numbers to a file, `--smoke` runs briefly to see that the benchmark
//! works and judges no time. Needs two cores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a benchmark ends where something unexpected happens"
)]

#[path = "../../../benches/support/interval.rs"]
mod interval;
#[path = "../../../benches/support/median.rs"]
mod median;
#[path = "../../../benches/support/processor.rs"]
#[expect(dead_code, reason = "how busy a core is matters where the load is as high as can be")]
mod processor;
#[path = "../../../benches/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use interval::median_interval;
use median::median;
use processor::CoreTime;
use serde_json::{Value, json};
use support::Options;

/// Of what the server can do.
const LOAD: f64 = 0.4;

/// How long a flood lasts.
const RUN: Duration = Duration::from_millis(300);

/// How long a run lasts in which something happens.
const CHANGE: Duration = Duration::from_secs(1);

/// Of the cores' time. A host that takes more disturbs a run.
const DISTURBING: f64 = 0.01;

/// How often a run is tried.
const TRIES: usize = 3;

fn main() {
    let options = Options::parse(61, RUN);
    let mut results = Vec::new();
    println!(
        "{:<14}{:>10}{:>22}{:>22}{:>9}  {:<16}{:>7}",
        "", "per second", "p50, µs, beside alone", "p99, µs, beside alone", "p99", "95 % interval", "stolen"
    );
    for flood in ["random-kid", "bad-signature"] {
        let row = measure(flood, options.rounds);
        let number = |value: &Value| value.as_f64().unwrap();
        let beside = |percentile: &str| {
            format!("{:.0} / {:.0}", number(&row[percentile]["flood"]), number(&row[percentile]["alone"]))
        };
        let ratio = &row["p99_ratio"];
        println!(
            "{flood:<14}{:>10.0}{:>22}{:>22}{:>9.2}  {:<16}{:>6.1}%",
            number(&row["rate"]),
            beside("p50_us"),
            beside("p99_us"),
            number(&ratio["median"]),
            format!("{:.2}–{:.2}", number(&ratio["low"]), number(&ratio["high"])),
            100.0 * number(&row["stolen_share"]),
        );
        results.push(row);
    }
    for change in ["rotation", "outage"] {
        let duration = if options.slice.is_zero() { RUN } else { CHANGE };
        let rate = LOAD * capacity(change);
        let run = load(change, Some(rate), duration);
        let requests = &run["good"]["requests"];
        println!("{change:<14}{rate:>10.0}  {requests} requests, 0 wrong answers");
        results.push(json!({ "profile": change, "rate": rate, "requests": requests, "wrong_answers": 0 }));
    }
    options.write(results);
}

fn measure(flood: &str, rounds: usize) -> Value {
    let rate = LOAD * capacity(flood);
    let round = |_| [flood, "reused"].map(|profile| undisturbed(|| load(profile, Some(rate), RUN)));
    let rounds: Vec<_> = (0..rounds).map(round).collect();
    let over_rounds = |of: &dyn Fn(&[Run; 2]) -> f64| rounds.iter().map(of).collect::<Vec<_>>();
    let at = |run: &Run, percentile: &str| run.report["good"]["latency_us"][percentile].as_f64().unwrap();
    let of = |index: usize, percentile: &str| median(over_rounds(&|round| at(&round[index], percentile)));
    let both = |percentile: &str| json!({ "flood": of(0, percentile), "alone": of(1, percentile) });
    let ratios = over_rounds(&|round| at(&round[0], "p99") / at(&round[1], "p99"));
    json!({
        "profile": flood, "rate": rate, "rounds": rounds.len(), "seconds": RUN.as_secs_f64(),
        "p50_us": both("p50"), "p99_us": both("p99"),
        "p99_ratio": median_interval(ratios),
        "stolen_share": median(over_rounds(&|round| f64::midpoint(round[0].stolen, round[1].stolen))),
    })
}

/// What a run gave, and the share of all cores' time that the host took meanwhile.
struct Run {
    report: Value,
    stolen: f64,
}

/// Runs again while the host disturbs it, and gives the run from which it took least. What was measured plays no part
/// in that.
fn undisturbed(run: impl Fn() -> Value) -> Run {
    let watched = || {
        let before = CoreTime::of(None);
        let report = run();
        Run { report, stolen: (CoreTime::of(None) - before).stolen() }
    };
    let mut best = watched();
    for _ in 1..TRIES {
        if best.stolen <= DISTURBING {
            break;
        }
        let next = watched();
        if next.stolen < best.stolen {
            best = next;
        }
    }
    best
}

/// Requests a second, good and bad, when each is sent as soon as the last one is answered.
fn capacity(profile: &str) -> f64 {
    median((0..9).map(|_| load(profile, None, RUN)["requests_per_second"].as_f64().unwrap()).collect())
}

/// One run of the command, of which every answer was right.
fn load(profile: &str, rate: Option<f64>, duration: Duration) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tower-bearer"));
    command.args(["load", "--quiet", "--pin", "--json", "-", "--profile", profile]);
    command.args(["--warm-up", "100ms", "--duration", &format!("{}ms", duration.as_millis())]);
    if let Some(rate) = rate {
        command.args(["--rate", &format!("{rate:.0}")]);
    }
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{profile}: {}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["wrong_answers"], 0, "{profile}");
    report["profiles"][0].clone()
}
