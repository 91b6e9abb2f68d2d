//! Refresh tokens with rotation (RFC 6749 §6, RFC 9700 §4.14.2).
//!
//! All refresh tokens that come of one consent are a family. Each use replaces the newest by the next; use of an older
//! one means that somebody else has a copy, and ends the family.

use std::sync::Arc;

use tower_bearer::time::UnixTime;

use super::refusal::GrantRefusal;
use super::{Expiring, FamilyId, Grant, Handle, HandleDigest, IssuedToken, Issuing};
use crate::oauth_error::OAuthError;

const MAX_FAMILIES: usize = 100_000;
const MAX_TOKENS: usize = 200_000;

pub(super) struct Families {
    families: Expiring<FamilyId, Family>,
    tokens: Expiring<HandleDigest, RefreshToken>,
    started: u64,
}

struct Family {
    grant: Arc<Grant>,
    /// After this no refresh token is good.
    ends: UnixTime,
    /// That of the tokens not used yet.
    generation: u64,
    /// When the generation before was used first.
    rotated: UnixTime,
    /// Whether it was used once more since then.
    is_grace_used: bool,
}

struct RefreshToken {
    family: FamilyId,
    generation: u64,
    issued: UnixTime,
    ends: UnixTime,
}

impl Default for Families {
    fn default() -> Self {
        Self {
            families: Expiring::with_capacity(MAX_FAMILIES),
            tokens: Expiring::with_capacity(MAX_TOKENS),
            started: 0,
        }
    }
}

impl Families {
    /// A new family with its first token.
    pub(super) fn start(&mut self, grant: &Arc<Grant>, token: &Handle, issuing: &Issuing<'_>) -> FamilyId {
        let Issuing { client, now, .. } = issuing;
        let id = FamilyId(self.started);
        self.started = self.started.wrapping_add(1);

        let ends = now.saturating_add(client.refresh_absolute_lifetime);
        let family = Family { grant: Arc::clone(grant), ends, generation: 0, rotated: *now, is_grace_used: false };
        // Access tokens are good as long as their family is there.
        let last_access = now.saturating_add(client.token_lifetime);
        self.families.insert(id, family, ends.max(last_access), *now);
        self.add_token(token, id, 0, issuing);
        id
    }

    /// The family of a token that may be used now, and what its user granted. Nothing changes yet.
    pub(super) fn check(&self, presented: &str, issuing: &Issuing<'_>) -> Result<(FamilyId, Arc<Grant>), GrantRefusal> {
        let Issuing { client, now, .. } = issuing;
        let unknown =
            GrantRefusal::from(OAuthError::InvalidGrant("the refresh token is not known, revoked or expired"));
        let token = self.tokens.get(HandleDigest::of(presented), *now).ok_or(unknown)?;
        let family = self.families.get(token.family, *now).ok_or(unknown)?;
        // Another client's token is as unknown as any.
        if family.grant.client_id != client.id || family.ends <= *now {
            return Err(unknown);
        }
        // The answer to the first use may have been lost; then its successor was never used.
        let is_in_grace = !family.is_grace_used
            && token.generation.wrapping_add(1) == family.generation
            && *now < family.rotated.saturating_add(client.refresh_grace);
        if token.generation != family.generation && !is_in_grace {
            return Err(GrantRefusal::reused("the refresh token was used before", token.family));
        }
        Ok((token.family, Arc::clone(&family.grant)))
    }

    /// Replaces a token that was found good. One in its grace gets a second successor beside the one that was lost: the
    /// client has either.
    pub(super) fn rotate(&mut self, id: FamilyId, presented: &str, next: &Handle, issuing: &Issuing<'_>) {
        let Issuing { client, now, .. } = issuing;
        let used = self.tokens.get(HandleDigest::of(presented), *now).map(|token| token.generation);
        let Some(family) = self.families.get_mut(id) else {
            return;
        };
        if used == Some(family.generation) {
            family.generation = family.generation.wrapping_add(1);
            family.rotated = *now;
            family.is_grace_used = false;
        } else {
            family.is_grace_used = true;
        }
        let generation = family.generation;
        self.families.extend(id, now.saturating_add(client.token_lifetime));
        self.add_token(next, id, generation, issuing);
    }

    /// Whether the family has not been revoked; its access tokens may outlive its refresh tokens.
    pub(super) fn is_active(&self, id: FamilyId, now: UnixTime) -> bool {
        self.families.get(id, now).is_some()
    }

    /// The family of any of its refresh tokens, spent or not, if it is of a client that may ask for it.
    pub(super) fn of_token(&self, token: &str, is_own: impl Fn(&str) -> bool, now: UnixTime) -> Option<FamilyId> {
        let id = self.tokens.get(HandleDigest::of(token), now)?.family;
        self.families.get(id, now).filter(|family| is_own(&family.grant.client_id))?;
        Some(id)
    }

    /// All families of a user.
    pub(super) fn of_subject(&self, subject: &str, now: UnixTime) -> Vec<FamilyId> {
        let families = self.families.iter(now).filter(|(_, family)| family.grant.subject == subject);
        families.map(|(id, _)| id).collect()
    }

    /// A token that has not been used, in the form of an access token for all that was granted.
    pub(super) fn unused(&self, token: &str, now: UnixTime) -> Option<IssuedToken> {
        let digest = HandleDigest::of(token);
        let token = self.tokens.get(digest, now)?;
        let family = self.families.get(token.family, now)?;
        let grant = &family.grant;
        (token.generation == family.generation && now < family.ends).then(|| IssuedToken {
            client_id: grant.client_id.clone(),
            subject: grant.subject.clone(),
            scopes: grant.scopes.clone(),
            audiences: grant.audiences.clone(),
            issued: token.issued,
            ends: token.ends.min(family.ends),
            auth_time: Some(grant.auth_time),
            jti: None,
            family: Some(token.family),
        })
    }

    /// Ends a family: none of its tokens is good any more.
    pub(super) fn revoke(&mut self, id: FamilyId) {
        self.families.remove(id);
    }

    fn add_token(&mut self, token: &Handle, family: FamilyId, generation: u64, issuing: &Issuing<'_>) {
        let ends = issuing.now.saturating_add(issuing.client.refresh_lifetime);
        self.tokens.insert(
            token.digest(),
            RefreshToken { family, generation, issued: issuing.now, ends },
            ends,
            issuing.now,
        );
    }
}
