//! The keys in the server.

use crate::config_error::RedisConfigError;

const MAX_PREFIX_BYTES: usize = 64;

/// The keys of one list. They share a hash tag, so that a cluster keeps them on one node.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// A sorted set: what is revoked, by when its tokens end, and the [marker](super::marker).
    pub(super) entries: String,
    /// A stream: what was revoked lately.
    pub(super) news: String,
    /// Present for some minutes after an operator asked for initialization.
    pub(super) order: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Result<Self, RedisConfigError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/');
        if prefix.is_empty() || prefix.len() > MAX_PREFIX_BYTES || !prefix.bytes().all(is_allowed) {
            let problem = "a prefix is 1 to 64 letters, digits, `-`, `_`, `.`, `:` and `/`";
            return Err(RedisConfigError::new("key_prefix", problem));
        }
        Ok(Self {
            entries: format!("{{{prefix}}}:revocations"),
            news: format!("{{{prefix}}}:revocations:news"),
            order: format!("{{{prefix}}}:revocations:initialize"),
        })
    }
}
