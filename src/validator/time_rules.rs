//! The rules about time (RFC 7519 §4.1.4 to §4.1.6), each with the leeway between clocks.

use std::fmt;
use std::time::Duration;

use super::TokenRules;
use super::rule::Rule;
use super::step::{Check, Found};
use crate::claims::Times;
use crate::error::{ClaimFault, TokenError};
use crate::time::UnixTime;

/// RFC 7519 §4.1.4: now must be before `exp`, which is required unless the issuer's answers may lack it. Returns when
/// the token expires.
pub(super) struct Expiry<'a> {
    pub(super) rules: &'a TokenRules,
    pub(super) times: &'a Times,
    pub(super) now: UnixTime,
    /// When the issuer was asked, if these are the times of an answer.
    pub(super) asked_at: Option<UnixTime>,
}

/// RFC 7519 §4.1.5: now must not be before `nbf`.
pub(super) struct NotBefore<'a> {
    pub(super) rules: &'a TokenRules,
    pub(super) times: &'a Times,
    pub(super) now: UnixTime,
}

/// RFC 7519 §4.1.6: `iat` gives the age of a token, so it must not be in the future.
pub(super) struct IssuedAt<'a> {
    pub(super) rules: &'a TokenRules,
    pub(super) times: &'a Times,
    pub(super) now: UnixTime,
}

impl TokenRules {
    /// A token must not be older than so much, by `iat`, which is then required.
    pub(crate) fn check_age(&self, times: &Times, max_age: Duration, now: UnixTime) -> Result<(), TokenError> {
        let Some(issued_at) = times.issued_at else { return Err(TokenError::claim("iat", ClaimFault::Missing)) };
        let limit = max_age.saturating_add(self.leeway);
        if now.saturating_since(issued_at) > limit { Err(TokenError::TooOld) } else { Ok(()) }
    }
}

impl Expiry<'_> {
    /// An answer without `exp` is asked for again after its cache time.
    #[cold]
    fn without_expiry(&self) -> Result<UnixTime, TokenError> {
        match (self.asked_at, self.rules.lifetime_of_answers_without_expiry) {
            (Some(asked_at), Some(lifetime)) => Ok(asked_at.saturating_add(lifetime)),
            _ => Err(TokenError::claim("exp", ClaimFault::Missing)),
        }
    }
}

impl Rule for Expiry<'_> {
    const CHECK: Check = Check::Expiry;
    type Passed = UnixTime;
    type Failed = TokenError;

    #[inline(always)]
    fn apply(&mut self) -> Result<UnixTime, TokenError> {
        let Some(expires_at) = self.times.expires_at else { return self.without_expiry() };
        let end = expires_at.saturating_add(self.rules.leeway);
        if self.now < end { Ok(expires_at) } else { Err(TokenError::Expired) }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {}, less {} s of leeway", self.now.rfc3339(), self.rules.leeway.as_secs())
    }

    fn found(&self) -> Found<'_> {
        self.times.expires_at.into()
    }
}

impl Rule for NotBefore<'_> {
    const CHECK: Check = Check::NotBefore;
    type Passed = ();
    type Failed = TokenError;

    #[inline(always)]
    fn apply(&mut self) -> Result<(), TokenError> {
        let latest = self.now.saturating_add(self.rules.leeway);
        let is_early = self.times.not_before.is_some_and(|not_before| not_before > latest);
        if is_early { Err(TokenError::NotYetValid) } else { Ok(()) }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not after {}, plus {} s of leeway", self.now.rfc3339(), self.rules.leeway.as_secs())
    }

    fn found(&self) -> Found<'_> {
        self.times.not_before.into()
    }
}

impl Rule for IssuedAt<'_> {
    const CHECK: Check = Check::IssuedAt;
    type Passed = ();
    type Failed = TokenError;

    #[inline(always)]
    fn apply(&mut self) -> Result<(), TokenError> {
        let Self { rules, times, now } = self;
        if times.issued_at.is_some_and(|issued_at| issued_at > now.saturating_add(rules.leeway)) {
            return Err(TokenError::IssuedInFuture);
        }
        match rules.max_token_age {
            None => Ok(()),
            Some(max_age) => rules.check_age(times, max_age, *now),
        }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not after {}", self.now.rfc3339())?;
        if let Some(max_age) = self.rules.max_token_age {
            write!(f, ", at most {} s ago", max_age.as_secs())?;
        }
        write!(f, ", plus {} s of leeway", self.rules.leeway.as_secs())
    }

    fn found(&self) -> Found<'_> {
        self.times.issued_at.into()
    }
}
