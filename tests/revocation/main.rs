//! Revocation: what the list says, and that every use of a token asks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

#[allow(dead_code, reason = "no request is made over a socket")]
#[path = "../fixtures/mod.rs"]
mod fixtures;
#[path = "../fixtures/log.rs"]
mod log;

mod every_use;
mod health;
mod held;
mod list;
mod model;
mod rules;
mod support;
mod verdicts;
mod world;
