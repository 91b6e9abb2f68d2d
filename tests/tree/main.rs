//! Checks of the repository itself: `tests/README.md` explains every id in a test name, modules do not depend on each
//! other in cycles, and source files are short.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test ends where something unexpected happens"
)]

mod files;
mod ids;
mod lengths;
mod module_tree;
mod modules;
mod tokens;
