//! Authorization codes (RFC 6749 §4.1.2, RFC 7636 §4.6).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::time::UnixTime;

use super::refusal::GrantRefusal;
use super::{Expiring, FamilyId, Grant, HandleDigest};
use crate::oauth_error::OAuthError;

/// From the user's consent to the client's request for tokens. RFC 6749 §4.1.2 wants ten minutes at most.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);

/// How long a spent code is known, so that a replay is told from a guess.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

const CAPACITY: usize = 10_000;

/// A code, and what it is bound to.
pub(crate) struct Code {
    pub(crate) grant: Arc<Grant>,
    /// As the authorization request named it, if it did; the token request then has to name the same.
    pub(crate) redirect_uri: Option<String>,
    /// For the ID token.
    pub(crate) nonce: Option<String>,
    /// `code_challenge` by the method `S256`.
    pub(crate) challenge: String,
}

/// What a token request says about its code.
pub(crate) struct PresentedCode<'a> {
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: Option<&'a str>,
    pub(crate) resources: Vec<&'a str>,
}

pub(super) struct Codes(Expiring<HandleDigest, Entry>);

struct Entry {
    code: Code,
    ends: UnixTime,
    spent: Option<FamilyId>,
}

impl Default for Codes {
    fn default() -> Self {
        Self(Expiring::with_capacity(CAPACITY))
    }
}

impl Codes {
    pub(super) fn insert(&mut self, digest: HandleDigest, code: Code, now: UnixTime) {
        let entry = Entry { code, ends: now.saturating_add(LIFETIME), spent: None };
        self.0.insert(digest, entry, now.saturating_add(MEMORY), now);
    }

    /// What the code grants, if it is good for this request. Nothing changes yet.
    pub(super) fn check(
        &self,
        presented: &PresentedCode<'_>,
        client_id: &str,
        now: UnixTime,
    ) -> Result<&Code, GrantRefusal> {
        let refused = |description| Err(OAuthError::InvalidGrant(description).into());
        let entry = self.0.get(HandleDigest::of(presented.code), now);
        // Another client's code is as unknown as any.
        let Some(entry) = entry.filter(|entry| entry.code.grant.client_id == client_id) else {
            return refused("the code is not known");
        };
        if let Some(family) = entry.spent {
            return Err(GrantRefusal::reused("the code was used before", family));
        }
        if entry.ends <= now {
            return refused("the code has expired");
        }
        if presented.redirect_uri != entry.code.redirect_uri.as_deref() {
            return refused("redirect_uri is not that of the authorization request");
        }
        let Some(verifier) = presented.verifier.filter(|verifier| is_verifier(verifier)) else {
            return refused("code_verifier is missing or malformed");
        };
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        if verify_slices_are_equal(challenge.as_bytes(), entry.code.challenge.as_bytes()).is_err() {
            return refused("code_verifier does not fit code_challenge");
        }
        Ok(&entry.code)
    }

    /// Remembers what a good code brought.
    pub(super) fn spend(&mut self, code: &str, family: FamilyId) {
        if let Some(entry) = self.0.get_mut(HandleDigest::of(code)) {
            entry.spent = Some(family);
        }
    }
}

/// 43 to 128 unreserved characters (RFC 7636 §4.1).
fn is_verifier(text: &str) -> bool {
    matches!(text.len(), 43..=128) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}
