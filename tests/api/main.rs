//! The public API over real sockets and in memory. A module per topic; tests carry the ids of the rules that they
//! prove.
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
#[path = "../fixtures/log.rs"]
mod log;

mod access_token_profile;
#[allow(dead_code, reason = "its `main` is not run here")]
#[path = "../../examples/axum_api.rs"]
mod axum_api;
mod axum_constructs;
mod best_practice;
mod challenges;
mod config_errors;
mod cors;
mod description;
mod jose;
mod keys;
mod limits;
mod logs;
mod pem;
mod presenting;
mod routes;
#[path = "../fixtures/rsa_moduli.rs"]
mod rsa_moduli;
mod speaks_for;
mod status_policies;
mod statuses;
mod steps;
mod support;
mod token_age;
