//! The guide: what the items of this crate do together, and how to run them. It has no code.

pub mod frameworks;
pub mod keys;
pub mod monitoring;
pub mod opaque_tokens;
pub mod proxies;
pub mod revocation;
pub mod scaling;
pub mod testing;
pub mod tokens;
