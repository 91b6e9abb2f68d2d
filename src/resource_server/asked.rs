//! A question to the revocation check that is not answered yet.

use crate::evidence::Usage;
use crate::revocation::RevocationFuture;
use crate::token::ValidatedToken;

/// A verdict that takes time, and the use of a token that it is for. The token has passed all other checks.
pub(crate) struct Asked {
    pub(super) token: ValidatedToken,
    pub(super) usage: Usage,
    pub(super) future: RevocationFuture,
}
