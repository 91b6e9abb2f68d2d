//! The attack catalogue, mostly over real sockets. A module per section; tests begin with the ids of the attacks that
//! they make, and break exactly one thing in a token or request that would otherwise pass.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

#[path = "../fixtures/mod.rs"]
mod fixtures;

mod algorithms;
mod bounds;
mod bypass;
mod canary;
mod claims;
mod encoding;
mod http;
mod leaks;
mod recipients;
mod requests;
mod roca;
mod rsa;
#[path = "../fixtures/rsa_moduli.rs"]
mod rsa_moduli;
mod secrets;
mod signatures;
mod support;
mod times;
mod token_cache;
