//! Polls of devices whose answers a test has in mind.

use serde::{Deserialize, Serialize};

/// What a device hears when it asks for its tokens, in place of waiting for a user
/// ([`AuthorizationServer::script_device`](super::AuthorizationServer::script_device)).
///
/// In JSON, `"pending"`, `"slow_down"`, `"deny"`, `"expire"` or `{"approve": {"username": "alice"}}`.
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DevicePoll {
    /// `authorization_pending`: the user has not decided yet.
    Pending,
    /// `slow_down`: the device asks too often.
    SlowDown,
    /// `access_denied`, from then on: the user said no.
    Deny,
    /// `expired_token`, from then on: the user took too long.
    Expire,
    /// Tokens: this user allows all that was asked for.
    Approve {
        /// The user's name.
        username: String,
    },
}
