//! JOSE: signed tokens and the keys that verify them.
//!
//! No I/O and no HTTP types here.

mod algorithm;

pub use algorithm::Algorithm;
