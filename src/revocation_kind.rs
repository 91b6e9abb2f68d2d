//! By what a token is revoked.

use serde::{Deserialize, Serialize};

/// By which of its names a token is revoked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationKind {
    /// `jti`: this token alone.
    TokenId,
    /// `sid`: every token of one login.
    Session,
    /// The [client](crate::ValidatedToken::client_id) that tokens were issued to.
    Client,
    /// `sub`: the user or service that tokens speak for.
    Subject,
}

impl RevocationKind {
    /// A stable name for logs and reports, in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenId => "token_id",
            Self::Session => "session",
            Self::Client => "client",
            Self::Subject => "subject",
        }
    }

    /// Whether it revokes only what was issued up to some time.
    pub(crate) const fn has_issued_up_to(self) -> bool {
        matches!(self, Self::Client | Self::Subject)
    }
}
