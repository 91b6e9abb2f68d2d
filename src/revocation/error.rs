//! Why an entry was not made.

/// The longest issuer, `jti`, `sid`, client or subject, in bytes: tokens with longer ones are refused.
pub(super) const MAX_NAME_BYTES: usize = 1024;

/// Why nothing was revoked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RevocationError {
    /// The list has as many entries as it may. Entries end by time alone, so that nothing is accepted again.
    #[error(
        "the revocation list is full with {max_entries} entries; raise `.max_entries(..)` or shorten the tokens' lifetime"
    )]
    Full {
        /// How many it may have.
        max_entries: usize,
    },
    /// The token has no `jti`. Revoke its session, its client or its subject.
    #[error("the token has no `jti` to revoke it by")]
    NoTokenId,
    /// A name is empty or too long: no token that is accepted has it.
    #[error("the issuer or the name is empty or longer than {MAX_NAME_BYTES} bytes: no accepted token has such a name")]
    Name,
    /// A time is after the year 9999. Times are in seconds since 1970.
    #[error("a time is after the year 9999; write seconds since 1970")]
    Time,
    /// The machine's clock is before 1970.
    #[error("the machine's clock is before 1970")]
    ClockUnavailable,
}
