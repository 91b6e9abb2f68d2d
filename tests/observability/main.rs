//! What operators see: figures as Prometheus scrapes them over a socket, and what the guide says about them.
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
mod guide;
mod introspection;
mod keys;
mod labels;
mod requests;
mod revocation;
mod scrape;
mod token_cache;
