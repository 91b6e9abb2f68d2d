//! wip
#![allow(missing_docs)]

pub mod jose;
pub mod time;
#[cfg(feature = "test-util")]
pub mod test_util;
#[cfg(feature = "authorization-server")]
pub mod authorization_server;
