//! The command `tower-bearer`: the real program, its output and its exit codes.

mod check;
mod completions;
mod support;
