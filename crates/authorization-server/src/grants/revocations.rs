//! Revoking tokens, and the listener that is called for each access token.

use std::fmt;
use std::mem;
use std::sync::Arc;

use tower_bearer::time::UnixTime;

use super::issued::{IssuedTokenSummary, NoSuchTokenError};
use super::refusal::GrantRefusal;
use super::{FamilyId, Grants, HandleDigest, Issuing, Store};
use crate::oauth_error::OAuthError;

type Listener = dyn Fn(&IssuedTokenSummary) + Send + Sync;

/// Called for each access token that is revoked.
#[derive(Clone, Default)]
pub(crate) struct OnRevocation(Option<Arc<Listener>>);

/// Tokens that were revoked while the grants were locked; the listener is called when this is dropped, which has to be
/// after the lock, so that it may use the server.
pub(super) struct Revoked<'a> {
    tokens: Vec<IssuedTokenSummary>,
    listener: &'a OnRevocation,
}

impl OnRevocation {
    pub(crate) fn call(listener: impl Fn(&IssuedTokenSummary) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    pub(super) const fn none_yet(&self) -> Revoked<'_> {
        Revoked { tokens: Vec::new(), listener: self }
    }
}

impl Grants {
    /// Ends a token (RFC 7009 §2.1): an access token alone, a refresh token with all that came of the same consent.
    /// Nothing happens to one that is not the client's own, when there is one; whether something did.
    pub(crate) fn revoke(&self, token: &str, client_id: Option<&str>, now: UnixTime) -> bool {
        let mut revoked = self.on_revocation.none_yet();
        let mut store = self.store();
        let is_own = |owner: &str| client_id.is_none_or(|client_id| client_id == owner);
        let is_access_token = store.issued.get(token, now).is_some_and(|issued| is_own(&issued.client_id));
        if is_access_token {
            store.revoke_access_token(HandleDigest::of(token), &mut revoked);
        }
        let family = store.families.of_token(token, is_own, now);
        if let Some(family) = family {
            store.revoke_family(family, now, &mut revoked);
        }
        is_access_token || family.is_some()
    }

    /// Ends the access token of this number, as its text would; whether it had not been revoked before.
    pub(crate) fn revoke_issued(&self, number: u64, now: UnixTime) -> Result<bool, NoSuchTokenError> {
        let mut revoked = self.on_revocation.none_yet();
        let mut store = self.store();
        let token = store.issued.of_number(number, now).ok_or(NoSuchTokenError { number })?;
        Ok(store.revoke_access_token(token, &mut revoked))
    }

    /// Ends every access and refresh token of a subject; whether there was any.
    pub(crate) fn revoke_subject(&self, subject: &str, now: UnixTime) -> bool {
        let mut revoked = self.on_revocation.none_yet();
        let mut store = self.store();
        let families = store.families.of_subject(subject, now);
        for family in &families {
            store.revoke_family(*family, now, &mut revoked);
        }
        let alone = store.issued.digests(now, |entry| entry.token.family.is_none() && entry.token.subject == subject);
        for token in alone {
            store.revoke_access_token(token, &mut revoked);
        }
        !families.is_empty() || !revoked.tokens.is_empty()
    }
}

impl Store {
    /// Ends all that came of the same consent as a code or a token that was used again.
    pub(super) fn refuse(
        &mut self,
        refusal: GrantRefusal,
        issuing: &Issuing<'_>,
        revoked: &mut Revoked<'_>,
    ) -> OAuthError {
        let GrantRefusal { error, reused } = refusal;
        if let Some(family) = reused {
            let (_, reason) = error.texts();
            tracing::warn!(
                client_id = issuing.client.id,
                reason,
                "used again: all that came of the same consent is revoked"
            );
            self.revoke_family(family, issuing.now, revoked);
        }
        error
    }

    fn revoke_family(&mut self, family: FamilyId, now: UnixTime, revoked: &mut Revoked<'_>) {
        if self.families.is_active(family, now) {
            for token in self.issued.digests(now, |entry| entry.token.family == Some(family)) {
                self.revoke_access_token(token, revoked);
            }
            self.families.revoke(family);
        }
    }

    fn revoke_access_token(&mut self, token: HandleDigest, revoked: &mut Revoked<'_>) -> bool {
        let ended = self.issued.revoke(token);
        if let Some(entry) = ended {
            revoked.tokens.push(IssuedTokenSummary::of(entry, false));
        }
        ended.is_some()
    }
}

impl Drop for Revoked<'_> {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener.0 {
            mem::take(&mut self.tokens).iter().for_each(|token| listener(token));
        }
    }
}

impl fmt::Debug for OnRevocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRevocation")
    }
}
