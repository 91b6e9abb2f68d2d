//! wip
#![allow(missing_docs)]

#[cfg(feature = "authorization-server")]
pub mod authorization_server;
pub mod jose;
#[cfg(feature = "test-util")]
pub mod test_util;
pub mod time;
