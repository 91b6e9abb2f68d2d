//! The bundled authorization server and the tokens it makes, through the public API and over real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that fails should say where")]

mod test_util;
