//! Random tokens, keys and headers, judged by us and by jsonwebtoken.
//!
//! - Whatever we accept, `jsonwebtoken::decode` with strict settings accepts too. The reverse does not hold: we refuse
//!   more. The name `Ed25519` and ES512 are aside, which jsonwebtoken does not know.
//! - Nothing that comes from outside makes us panic.
//!
//! jsonwebtoken reads the machine's clock, so this test does too; times are at least five seconds away from every
//! bound.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

mod mutation;
mod no_panic;
mod oracle;
mod support;
