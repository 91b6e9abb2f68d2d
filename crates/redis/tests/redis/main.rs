//! A revocation list that replicas share, against a double of the server: what is revoked stays revoked, whatever the
//! server does. `tests/replicas/run` does the same with real servers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

mod double;
mod support;

mod bounds;
mod connections;
mod emptied;
mod guide;
mod log;
mod outages;
mod requests;
mod sharing;
mod tls;
