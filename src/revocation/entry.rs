//! One entry of a revocation list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{MAX_NAME_BYTES, RevocationError};
use crate::revocation_kind::RevocationKind;
use crate::time::UnixTime;
use crate::token::ValidatedToken;

/// What is revoked: an entry of a [`RevocationList`](super::RevocationList).
///
/// It always names the issuer, because two issuers may use the same `jti` or `sub`. Times are in whole seconds since
/// 1970; fractions are rounded up.
///
/// As JSON it goes from one replica to another. What cannot be read in full is an error.
///
/// ```
/// use tower_bearer::Revocation;
/// use tower_bearer::time::UnixTime;
///
/// let at = UnixTime::from_secs(1_800_000_000);
/// let entry = Revocation::subject("https://as.example.com", "alice", at);
/// let json = serde_json::to_string(&entry)?;
/// assert_eq!(
///     json,
///     r#"{"kind":"subject","issuer":"https://as.example.com","name":"alice","issued_up_to":1800000000}"#
/// );
/// assert_eq!(serde_json::from_str::<Revocation>(&json)?, entry);
/// assert!(serde_json::from_str::<Revocation>(&json.replace("subject", "tenant")).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Revocation {
    pub(super) kind: RevocationKind,
    pub(super) issuer: Arc<str>,
    pub(super) name: Box<str>,
    /// In seconds; present for the kinds that revoke by it.
    pub(super) issued_up_to: Option<u64>,
    /// In seconds.
    pub(super) until: Option<u64>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    kind: RevocationKind,
    issuer: Box<str>,
    name: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued_up_to: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

impl Revocation {
    /// The token with this `jti`.
    #[must_use]
    pub fn token_id(issuer: &str, token_id: &str) -> Self {
        Self::new(RevocationKind::TokenId, issuer, token_id, None)
    }

    /// All tokens with this `sid` (OpenID Connect Front-Channel Logout 1.0 §3), whenever they were issued.
    #[must_use]
    pub fn session(issuer: &str, session_id: &str) -> Self {
        Self::new(RevocationKind::Session, issuer, session_id, None)
    }

    /// All tokens of this client whose `iat` is at or before `issued_up_to`.
    ///
    /// `iat` is a time of the issuer's clock, which may be ahead of ours. Take `issued_up_to` from the issuer, or use
    /// [`revoke_client`](super::RevocationList::revoke_client).
    #[must_use]
    pub fn client(issuer: &str, client_id: &str, issued_up_to: UnixTime) -> Self {
        Self::new(RevocationKind::Client, issuer, client_id, Some(issued_up_to))
    }

    /// All tokens of this subject whose `iat` is at or before `issued_up_to`.
    ///
    /// `iat` is a time of the issuer's clock, which may be ahead of ours. Take `issued_up_to` from the issuer, or use
    /// [`revoke_subject`](super::RevocationList::revoke_subject).
    #[must_use]
    pub fn subject(issuer: &str, subject: &str, issued_up_to: UnixTime) -> Self {
        Self::new(RevocationKind::Subject, issuer, subject, Some(issued_up_to))
    }

    /// This very token, by its `jti`, until its `exp`.
    ///
    /// # Errors
    ///
    /// [`RevocationError::NoTokenId`] if it has no `jti`.
    pub fn of_token(token: &ValidatedToken) -> Result<Self, RevocationError> {
        let token_id = token.token_id().ok_or(RevocationError::NoTokenId)?;
        let entry = Self::token_id(&token.trusted_issuer().rules.issuer, token_id);
        // An answer of the issuer without `exp` says nothing about the token's end.
        Ok(match token.times().expires_at {
            Some(expires_at) => entry.until(expires_at),
            None => entry,
        })
    }

    /// The same entry for tokens that may be valid until then, not counting the leeway: for a token id, its `exp`. By
    /// default the list assumes that they were issued just now and have its maximum lifetime.
    #[must_use]
    pub fn until(mut self, until: UnixTime) -> Self {
        self.until = Some(seconds(until));
        self
    }

    /// By what it revokes.
    #[must_use]
    pub const fn kind(&self) -> RevocationKind {
        self.kind
    }

    /// The issuer whose tokens it revokes.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The `jti`, `sid`, client or `sub`, by [`kind`](Self::kind).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For a client or subject: the latest `iat` that is revoked.
    #[must_use]
    pub fn issued_up_to(&self) -> Option<UnixTime> {
        self.issued_up_to.map(UnixTime::from_secs)
    }

    /// Until when a token that it revokes could be valid, not counting the leeway. Known once the entry has been in a
    /// list: the list keeps it for twice the leeway longer.
    #[must_use]
    pub fn ends(&self) -> Option<UnixTime> {
        self.until.map(UnixTime::from_secs)
    }

    fn new(kind: RevocationKind, issuer: &str, name: &str, issued_up_to: Option<UnixTime>) -> Self {
        Self { kind, issuer: issuer.into(), name: name.into(), issued_up_to: issued_up_to.map(seconds), until: None }
    }

    pub(super) fn check(&self) -> Result<(), RevocationError> {
        let is_name = |name: &str| !name.is_empty() && name.len() <= MAX_NAME_BYTES;
        if !is_name(&self.issuer) || !is_name(&self.name) {
            return Err(RevocationError::Name);
        }
        let mut times = [self.issued_up_to, self.until].into_iter().flatten();
        if times.any(|time| time > UnixTime::MAX.as_secs()) { Err(RevocationError::Time) } else { Ok(()) }
    }
}

impl TryFrom<Fields> for Revocation {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { kind, issuer, name, issued_up_to, until } = fields;
        if kind.has_issued_up_to() != issued_up_to.is_some() {
            return Err("a client or subject needs `issued_up_to`, and no other kind has it");
        }
        let entry = Self { kind, issuer: issuer.into(), name, issued_up_to, until };
        entry.check().map(|()| entry).map_err(|_| "a name is empty or too long, or a time is after the year 9999")
    }
}

impl From<Revocation> for Fields {
    fn from(entry: Revocation) -> Self {
        let Revocation { kind, issuer, name, issued_up_to, until } = entry;
        Self { kind, issuer: (&*issuer).into(), name, issued_up_to, until }
    }
}

/// Whole seconds, rounded up: an entry may last a little longer, never a little less.
fn seconds(time: UnixTime) -> u64 {
    let whole = time.as_secs();
    whole.saturating_add(u64::from(time > UnixTime::from_secs(whole)))
}
