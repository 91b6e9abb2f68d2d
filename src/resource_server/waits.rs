//! What a decision waits for, and what it has waited for.

use std::sync::Arc;

use super::ResourceServer;
use crate::introspection::Outcome;
use crate::keys::Arrival;
use crate::presentation::Presentation;
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
}

/// What a decision has already waited for. It waits at most once for each, for the issuer first.
#[derive(Clone, Copy)]
pub(crate) struct Waited<'w> {
    issuer: bool,
    /// On behalf of a request that arrived then.
    key: Option<Arrival>,
    /// What this issuer said about the token.
    introspection: Option<(&'w Arc<TrustedIssuer>, &'w Outcome)>,
}

/// The results of all waits of one decision.
#[derive(Default)]
pub(super) struct Waits {
    issuer: bool,
    key: Option<Arrival>,
    introspection: Option<(Arc<TrustedIssuer>, Outcome)>,
    /// The answer about the token should be in the cache.
    is_cached: bool,
    looks: u8,
}

impl ResourceServer {
    /// Waits, and adds the result.
    pub(super) async fn wait(
        &self,
        pending: &Pending,
        presented: Presentation<'_>,
        uses_cache: bool,
        waits: &mut Waits,
    ) {
        waits.is_cached = false;
        match pending {
            Pending::Issuer(url) => {
                self.0.issuers.resolve(url).await;
                waits.issuer = true;
            }
            Pending::Key(issuer, key_id, arrival) => {
                if let Some(keys) = issuer.proof.keys() {
                    keys.wait(key_id.as_deref(), *arrival).await;
                }
                (waits.issuer, waits.key) = (true, Some(*arrival));
            }
            Pending::Introspection(issuer) => {
                let may_look = uses_cache && waits.looks < MAX_LOOKS;
                waits.looks = waits.looks.saturating_add(1);
                let outcome = self.ask(issuer, presented, may_look).await;
                // An answer was put there before those who wait for it were woken.
                waits.is_cached = may_look && matches!(outcome, None | Some(Outcome::Active(_)));
                waits.introspection = outcome.map(|outcome| (Arc::clone(issuer), outcome));
                waits.issuer = true;
            }
        }
    }
}

impl<'w> Waited<'w> {
    pub(crate) const NOTHING: Waited<'static> = Waited { issuer: false, key: None, introspection: None };

    /// This issuer's answer about the token, and nothing else.
    pub(super) const fn for_answer(issuer: &'w Arc<TrustedIssuer>, outcome: &'w Outcome) -> Self {
        Self { introspection: Some((issuer, outcome)), ..Self::NOTHING }
    }

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
}

impl Waits {
    pub(super) fn waited(&self) -> Waited<'_> {
        let introspection = self.introspection.as_ref().map(|(issuer, outcome)| (issuer, outcome));
        Waited { issuer: self.issuer, key: self.key, introspection }
    }

    pub(super) const fn is_cached(&self) -> bool {
        self.is_cached
    }
}
