//! Many requests while the provider rotates its keys, fails, or is made to work by others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

mod flood;
mod outage;
mod rotation;
mod stampede;
mod support;
mod token_cache;
