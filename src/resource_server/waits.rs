//! What a decision waits for, and what it has waited for.

use std::sync::Arc;

use super::ResourceServer;
use super::asked::Asked;
use crate::evidence::Usage;
use crate::introspection::Outcome;
use crate::keys::Arrival;
use crate::presentation::Presentation;
use crate::revocation::RevocationVerdict;
use crate::token::ValidatedToken;
use crate::trust::TrustedIssuer;

/// How often a decision looks into the cache because an answer should be there.
const MAX_LOOKS: u8 = 3;

/// What a decision waits for.
pub(crate) enum Pending {
    /// The resolver's result for this issuer.
    Issuer(Box<str>),
    /// A fetch of the issuer's keys, for this `kid`, since the request arrived.
    Key(Arc<TrustedIssuer>, Option<Box<str>>, Arrival),
    /// The issuer's answer about the token.
    Introspection(Arc<TrustedIssuer>),
    /// The verdict of the revocation check.
    Revocation(Box<Asked>),
}

/// What a decision has already waited for. It waits at most once for each, for the issuer first.
#[derive(Clone, Copy)]
pub(crate) struct Waited<'w> {
    issuer: bool,
    /// On behalf of a request that arrived then.
    key: Option<Arrival>,
    /// What this issuer said about the token.
    introspection: Option<(&'w Arc<TrustedIssuer>, &'w Outcome)>,
    /// What the revocation check said about this token.
    revocation: Option<&'w (ValidatedToken, RevocationVerdict)>,
}

/// The results of all waits of one decision.
#[derive(Default)]
pub(super) struct Waits {
    issuer: bool,
    key: Option<Arrival>,
    introspection: Option<(Arc<TrustedIssuer>, Outcome)>,
    revocation: Option<(ValidatedToken, RevocationVerdict)>,
    /// The last wait was for the revocation check, for this use of the token.
    usage: Option<Usage>,
    /// The answer about the token should be in the cache.
    is_cached: bool,
    looks: u8,
}

impl ResourceServer {
    /// Waits, and adds the result.
    pub(super) async fn wait(
        &self,
        pending: Pending,
        presented: Presentation<'_>,
        uses_cache: bool,
        waits: &mut Waits,
    ) {
        if !matches!(pending, Pending::Revocation(_)) {
            // The token may be revoked during this wait.
            (waits.is_cached, waits.revocation) = (false, None);
        }
        match pending {
            Pending::Issuer(url) => {
                self.0.issuers.resolve(&url).await;
                waits.issuer = true;
            }
            Pending::Key(issuer, key_id, arrival) => {
                if let Some(keys) = issuer.proof.keys() {
                    keys.wait(key_id.as_deref(), arrival).await;
                }
                (waits.issuer, waits.key) = (true, Some(arrival));
            }
            Pending::Introspection(issuer) => {
                let may_look = uses_cache && waits.looks < MAX_LOOKS;
                waits.looks = waits.looks.saturating_add(1);
                let outcome = self.ask(&issuer, presented, may_look).await;
                // An answer was put there before those who wait for it were woken.
                waits.is_cached = may_look && matches!(outcome, None | Some(Outcome::Active(_)));
                waits.introspection = outcome.map(|outcome| (issuer, outcome));
                waits.issuer = true;
            }
            Pending::Revocation(asked) => self.wait_for_verdict(*asked, waits).await,
        }
    }

    pub(super) async fn wait_for_verdict(&self, asked: Asked, waits: &mut Waits) {
        if let Some(revocations) = &self.0.revocations {
            let (token, usage, verdict) = revocations.wait(asked).await;
            (waits.revocation, waits.usage) = (Some((token, verdict)), Some(usage));
        }
    }
}

impl<'w> Waited<'w> {
    pub(crate) const NOTHING: Waited<'static> =
        Waited { issuer: false, key: None, introspection: None, revocation: None };

    /// This issuer's answer about the token, and nothing else.
    pub(super) const fn for_answer(issuer: &'w Arc<TrustedIssuer>, outcome: &'w Outcome) -> Self {
        Self { introspection: Some((issuer, outcome)), ..Self::NOTHING }
    }

    /// Nothing that says how the claims are proven.
    #[inline(always)]
    pub(super) const fn is_nothing(&self) -> bool {
        !self.issuer
    }

    pub(super) const fn for_issuer(self) -> bool {
        self.issuer
    }

    pub(super) const fn for_key_since(self) -> Option<Arrival> {
        self.key
    }

    /// What this very issuer said about the token.
    pub(super) fn outcome_of(self, issuer: &Arc<TrustedIssuer>) -> Option<&'w Outcome> {
        let (asked, outcome) = self.introspection?;
        Arc::ptr_eq(asked, issuer).then_some(outcome)
    }

    /// What the revocation check said about this token, or about the same one when it was proven before.
    #[inline]
    pub(super) fn verdict_on(self, token: &ValidatedToken) -> Option<RevocationVerdict> {
        let (asked, verdict) = self.revocation?;
        asked.has_names_of(token).then_some(*verdict)
    }
}

impl Waits {
    pub(super) fn waited(&self) -> Waited<'_> {
        let introspection = self.introspection.as_ref().map(|(issuer, outcome)| (issuer, outcome));
        Waited { issuer: self.issuer, key: self.key, introspection, revocation: self.revocation.as_ref() }
    }

    /// The token that the last wait was for, if it is new and a signature alone proves it: an answer about it may have
    /// been replaced by now.
    pub(super) fn new_token(&self) -> Option<&ValidatedToken> {
        let (token, _) = self.revocation.as_ref()?;
        (self.usage == Some(Usage::New) && token.evidence().introspected().is_none()).then_some(token)
    }

    pub(super) const fn is_cached(&self) -> bool {
        self.is_cached
    }
}
