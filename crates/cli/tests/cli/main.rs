//! The command `tower-bearer`: the real program, its output and its exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

mod authorization_server;
mod check;
mod completions;
mod help;
mod load;
mod load_shown;
mod mint;
mod running;
mod support;
