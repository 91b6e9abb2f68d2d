//! Introspected tokens, over real sockets: real time for the network, a manual clock for the policy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

#[path = "../fixtures/mod.rs"]
mod fixtures;
#[path = "../fixtures/log.rs"]
mod log;

mod answers;
mod caches;
mod calls;
mod config_errors;
mod connections;
mod endpoint;
mod health;
mod hybrid;
mod issuers;
mod moved;
mod outages;
mod places;
mod requests;
mod secrets;
mod signed;
mod sources;
mod stale;
mod with_the_server;
