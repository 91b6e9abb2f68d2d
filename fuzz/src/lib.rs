//! What the targets send their inputs to: a server with a client for each flow, and a browser in which a user has
//! logged in.
//!
//! Server and client run on the fuzzer's own thread and by a clock that stands still, so that an input does the same
//! each time.

pub mod browser;
pub mod grants;
pub mod server;
