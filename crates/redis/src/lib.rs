#![doc = include_str!("guide.md")]

mod config_error;
mod connection;
mod failure;
mod revocations;
mod secret;
mod server;
mod server_url;
mod tls;
mod transport;

pub use config_error::RedisConfigError;
pub use failure::ServerFailure;
pub use revocations::{RedisRevocations, RedisRevocationsBuilder, RevokeError};
pub use server::RedisServer;
