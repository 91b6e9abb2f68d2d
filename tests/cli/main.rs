//! The command `tower-bearer`: the real program, its output and its exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that fails should say where")]

mod check;
mod completions;
mod support;
