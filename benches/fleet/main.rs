//! What a provider of keys sees of a whole fleet: `cargo bench --bench fleet`.
//!
//! From 1 to 10,000 replicas of an API, each a `ResourceServer` of its own with a cache of its own, fetch the keys of
//! one issuer through everything that can happen: `scenario.rs` has the list. Time is simulated (tokio's, paused), so
//! hours pass in seconds, nothing depends on this machine, and the requests are the same in each run; only the jitter
//! is the library's own and differs a little. The numbers are requests that the provider gets, beside those of the
//! model in `tower_bearer::guide::scaling`, which quotes the tables that this prints.
//!
//! Seven minutes on one core and 0.4 GiB; standard error shows its progress. Options after `--`: `--json
//! FILE` writes the numbers to a file, `--smoke` takes up to 10 replicas only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a benchmark ends where something unexpected happens"
)]

mod provider;
mod replica;
mod scenario;
mod simulation;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::time::Duration;

use support::Options;

fn main() {
    let options = Options::parse(1, Duration::from_secs(1));
    let fleets: &[u32] = if options.slice.is_zero() { &[1, 10] } else { &[1, 10, 100, 1_000, 10_000] };
    let scenarios = scenario::all();
    let mut results = Vec::new();
    for &replicas in fleets {
        for scenario in &scenarios {
            eprint!("\r\x1b[K{replicas} replicas: {}", scenario.name);
            results.extend(simulation::run(scenario, replicas));
        }
    }
    eprint!("\r\x1b[K");
    results.extend([1, 1_000].map(simulation::memory));
    print!("{}", table::all(&results).join("\n"));
    options.write(results);
}
