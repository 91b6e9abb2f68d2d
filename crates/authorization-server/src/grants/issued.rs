//! Every access token that was issued, JWT or not.

use std::mem;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tower_bearer::time::UnixTime;
use tower_bearer_test::{TestIssuer, TokenBuilder};

use super::{Expiring, FamilyId, Grant, Handle, HandleDigest, Issuing};

const CAPACITY: usize = 100_000;

/// What is known of an access token. Its text is not kept.
pub(crate) struct IssuedToken {
    pub(crate) client_id: String,
    pub(crate) subject: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) issued: UnixTime,
    pub(crate) ends: UnixTime,
    /// For a user's token, when the user logged in.
    pub(crate) auth_time: Option<UnixTime>,
    /// Of a JWT; an opaque token has none.
    pub(crate) jti: Option<String>,
    /// The family of a user's token that came with a refresh token: it ends with it.
    pub(super) family: Option<FamilyId>,
}

impl IssuedToken {
    /// A token for the client by itself: without a user, `sub` is the client (RFC 9068 §2.2).
    pub(crate) fn for_client(issuing: &Issuing<'_>, scopes: Vec<String>, audiences: Vec<String>) -> Self {
        let Issuing { client, now, .. } = issuing;
        Self {
            client_id: client.id.clone(),
            subject: client.id.clone(),
            scopes,
            audiences,
            issued: *now,
            ends: now.saturating_add(client.token_lifetime),
            auth_time: None,
            jti: None,
            family: None,
        }
    }

    pub(super) fn for_user(
        issuing: &Issuing<'_>,
        grant: &Grant,
        family: Option<FamilyId>,
        scopes: Vec<String>,
        audiences: Vec<String>,
    ) -> Self {
        let subject = grant.subject.clone();
        let of_client = Self::for_client(issuing, scopes, audiences);
        Self { subject, auth_time: Some(grant.auth_time), family, ..of_client }
    }

    /// The token itself: a JWT, or the handle for a client whose tokens are opaque.
    pub(super) fn text(&mut self, issuing: &Issuing<'_>, handle: Handle) -> String {
        let secret = handle.into_secret();
        if let Some(prefix) = issuing.client.opaque_prefix() {
            return format!("{prefix}{secret}");
        }
        self.jti = Some(secret);
        issuing.next_tokens.sign(self.jwt(issuing.issuer))
    }

    pub(crate) const fn is_opaque(&self) -> bool {
        self.jti.is_none()
    }

    /// The token as a JWT (RFC 9068 §2), not signed yet.
    pub(crate) fn jwt(&self, issuer: &TestIssuer) -> TokenBuilder {
        let aud = match self.audiences.as_slice() {
            [only] => Value::from(only.as_str()),
            several => Value::from(several),
        };
        let token = issuer
            .token()
            .subject(&self.subject)
            .client_id(&self.client_id)
            .claim("aud", aud)
            .claim("iat", self.issued.as_secs())
            .claim("exp", self.ends.as_secs());
        let token = if self.scopes.is_empty() { token } else { token.scope(self.scopes.join(" ")) };
        let token = match &self.jti {
            Some(jti) => token.claim("jti", jti.as_str()),
            None => token,
        };
        match self.auth_time {
            Some(auth_time) => token.claim("auth_time", auth_time.as_secs()),
            None => token,
        }
    }
}

/// An access token that was issued, without its text.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct IssuedTokenSummary {
    /// Counted from 1, for whoever does not have the token and wants to
    /// [revoke](crate::AuthorizationServer::revoke_issued) it.
    pub number: u64,
    /// `jti` of a JWT, unless it was scripted to be another; an opaque token has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Whose it is.
    pub client_id: String,
    /// Of whom it speaks; of the client itself without a user.
    pub subject: String,
    /// What it permits.
    pub scopes: Vec<String>,
    /// The APIs that it is for.
    pub audiences: Vec<String>,
    /// Seconds since 1970, as the next.
    pub issued_at: u64,
    /// `exp`, unless it was scripted to be another.
    pub expires_at: u64,
    /// Whether it has not been revoked.
    pub active: bool,
    /// How often introspection was asked about it, by a client that proved who it is; requests that a fault answered by
    /// itself, such as with another status, do not count.
    pub introspections: u64,
}

impl IssuedTokenSummary {
    pub(super) fn of(entry: &Entry, active: bool) -> Self {
        let Entry { token, number, introspections, .. } = entry;
        Self {
            number: *number,
            token_id: token.jti.clone(),
            client_id: token.client_id.clone(),
            subject: token.subject.clone(),
            scopes: token.scopes.clone(),
            audiences: token.audiences.clone(),
            issued_at: token.issued.as_secs(),
            expires_at: token.ends.as_secs(),
            active,
            introspections: *introspections,
        }
    }
}

/// Why a token could not be revoked by its number.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no token {number}, or it has expired; revoke one that the list of issued tokens has")]
pub struct NoSuchTokenError {
    /// The number as given.
    pub number: u64,
}

/// The tokens that have not expired, found by their text: a JWT that was changed in any way is none of them.
pub(super) struct IssuedTokens {
    tokens: Expiring<HandleDigest, Entry>,
    count: u64,
}

pub(super) struct Entry {
    pub(super) token: Arc<IssuedToken>,
    number: u64,
    pub(super) revoked: bool,
    introspections: u64,
}

impl Default for IssuedTokens {
    fn default() -> Self {
        Self { tokens: Expiring::with_capacity(CAPACITY), count: 0 }
    }
}

impl IssuedTokens {
    pub(super) fn insert(&mut self, text: &str, token: IssuedToken, now: UnixTime) {
        self.count = self.count.saturating_add(1);
        let ends = token.ends;
        let entry = Entry { token: Arc::new(token), number: self.count, revoked: false, introspections: 0 };
        self.tokens.insert(HandleDigest::of(text), entry, ends, now);
    }

    pub(super) fn get(&self, text: &str, now: UnixTime) -> Option<&Arc<IssuedToken>> {
        self.tokens.get(HandleDigest::of(text), now).filter(|entry| !entry.revoked).map(|entry| &entry.token)
    }

    /// Introspection was asked about the token.
    pub(super) fn count_introspection(&mut self, text: &str) {
        if let Some(entry) = self.tokens.get_mut(HandleDigest::of(text)) {
            entry.introspections = entry.introspections.saturating_add(1);
        }
    }

    /// The digest of the token of this number.
    pub(super) fn of_number(&self, number: u64, now: UnixTime) -> Option<HandleDigest> {
        self.tokens.iter(now).find(|(_, entry)| entry.number == number).map(|(digest, _)| digest)
    }

    /// In the order in which they were issued, revoked ones included.
    pub(super) fn all(&self, now: UnixTime) -> impl Iterator<Item = &Entry> {
        self.tokens.iter(now).map(|(_, entry)| entry)
    }

    /// The digests of those that are like this and have not been revoked.
    pub(super) fn digests(&self, now: UnixTime, is_meant: impl Fn(&Entry) -> bool) -> Vec<HandleDigest> {
        let meant = self.tokens.iter(now).filter(|(_, entry)| !entry.revoked && is_meant(entry));
        meant.map(|(digest, _)| digest).collect()
    }

    /// The token, if there is one that had not been revoked before.
    pub(super) fn revoke(&mut self, digest: HandleDigest) -> Option<&Entry> {
        let entry = self.tokens.get_mut(digest)?;
        (!mem::replace(&mut entry.revoked, true)).then_some(entry)
    }
}
