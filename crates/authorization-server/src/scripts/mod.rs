//! Answers that a test has in mind for requests that are still to come.

mod devices;
mod next_token;

pub use self::devices::DevicePoll;
pub(super) use self::devices::{DeviceScripts, ScriptedPoll};
pub use self::next_token::NextToken;
pub(super) use self::next_token::NextTokens;

/// Why a [`NextToken`] or a [`DevicePoll`] was not accepted.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScriptError {
    /// A status of no refusal.
    #[error("{status} is no status of a refusal; give one from 400 to 599")]
    Status {
        /// The status as given.
        status: u16,
    },
    /// A code that RFC 6749 §5.2 does not allow.
    #[error("{error:?} cannot be an error code; give printable ASCII characters without quotation mark or backslash")]
    ErrorCode {
        /// The code as given.
        error: String,
    },
    /// A device that would be approved by nobody.
    #[error("there is no user {username:?}; give the name of a user that the server knows")]
    NoSuchUser {
        /// The name as given.
        username: String,
    },
    /// So many that nobody will ever ask for them.
    #[error("{limit} scripted answers wait already; let some be asked for, or clear them, first")]
    TooMany {
        /// How many can wait.
        limit: usize,
    },
}
