//! The cryptography against vectors from outside: the examples of the RFCs, and Project Wycheproof.
//!
//! Everything goes through the public door that tokens take, [`VerifyingKey`]: keys come in as JWKs, signatures as they
//! stand in a JWS. `rfc.json` holds the RFCs' examples; `exceptions.json` what we decide otherwise than Wycheproof
//! says, each with its reason. An exception that is not needed fails, as does a difference without one.
//!
//! [`VerifyingKey`]: tower_bearer::jose::VerifyingKey
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

mod report;
mod rfc_examples;
mod wycheproof_sets;
