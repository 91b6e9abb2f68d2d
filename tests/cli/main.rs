//! The command `tower-bearer`: the real program, its output and its exit codes.

mod completions;
mod load;
mod mint;
mod support;
