//! tower-bearer beside other crates that check bearer tokens: same token, same handler, one run.
//!
//! `in_process` sends whole requests through tower services; `over_socket` puts each behind axum on a core of its own
//! and loads it from another. A package of its own, which nothing else builds: `cargo run --release --bin in_process`,
//! in this directory. Options after `--`: `--json FILE` writes the numbers to a file, `--smoke` runs a few iterations.

pub mod in_process;
pub mod over_socket;

#[path = "../../support/interval.rs"]
mod interval;
#[path = "../../support/median.rs"]
mod median;
mod peers;
#[path = "../../support/processor.rs"]
mod processor;
#[path = "../../support/request.rs"]
mod request;
#[path = "../../support/mod.rs"]
mod support;
#[path = "../../support/timing.rs"]
mod timing;
#[path = "../../support/token.rs"]
mod token;
mod trusted;
