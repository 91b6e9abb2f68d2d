//! Keys from a provider, over real sockets: real time for the network, a manual clock for the policy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

mod addresses;
mod caching;
mod content_coding;
mod credentials;
mod discovery;
mod discovery_errors;
mod dropped;
mod every_use;
mod facts;
mod failover;
mod failures;
mod file;
mod guide;
mod health;
mod in_memory;
mod issuer_mismatch;
mod issuer_names;
mod key_material;
#[path = "../fixtures/log.rs"]
mod log;
mod misbehaviour;
mod paused_time;
mod pem_source;
mod provider;
mod refresh;
mod resolver;
mod resolver_runtimes;
#[path = "../fixtures/rsa_moduli.rs"]
mod rsa_moduli;
mod run_time;
mod runtimes;
mod scaling;
mod source;
mod tls;
mod token_cache;
mod token_cache_and_none;
mod unproven;
mod until_refused;
