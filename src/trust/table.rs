//! The issuers that are trusted at one moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::TrustedIssuer;
use crate::config_error::ConfigError;
use crate::error::TokenError;
use crate::introspection::Introspector;

/// So many issuers are found faster one after the other than by hashing a URL, keyed as the hash has to be.
const FEW: usize = 4;

/// How many issuers from the resolver are kept.
pub(super) const MAX_RESOLVED: usize = 1_000;

#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Those of the configuration, in its order.
    configured: Vec<Arc<TrustedIssuer>>,
    resolved: Vec<Arc<TrustedIssuer>>,
    by_url: HashMap<Arc<str>, Arc<TrustedIssuer>>,
    has_resolver: bool,
    /// Some configured issuers introspect opaque tokens.
    introspects: bool,
}

impl Table {
    pub(super) fn new(has_resolver: bool) -> Self {
        Self { configured: Vec::new(), resolved: Vec::new(), by_url: HashMap::new(), has_resolver, introspects: false }
    }

    /// The only issuer there can be, if there is nothing to choose.
    pub(crate) fn only(&self) -> Option<&Arc<TrustedIssuer>> {
        match self.configured.as_slice() {
            [only] if !self.has_resolver => Some(only),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get(&self, url: &str) -> Option<&Arc<TrustedIssuer>> {
        match self.configured.len() {
            ..=FEW if self.resolved.is_empty() => self.configured.iter().find(|issuer| *issuer.rules.issuer == *url),
            _ => self.by_url.get(url),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<TrustedIssuer>> {
        self.configured.iter().chain(&self.resolved)
    }

    /// Those of the configuration, which must be there for the service to be ready.
    pub(crate) fn configured(&self) -> &[Arc<TrustedIssuer>] {
        &self.configured
    }

    /// Whether an issuer may claim an opaque token.
    #[inline]
    pub(crate) const fn introspects(&self) -> bool {
        self.introspects
    }

    /// The issuer that claims a token which names none, opaque or encrypted. Those of a resolver claim none: which of
    /// them are in the table is chance.
    pub(crate) fn claimant(&self, token: &str, is_encrypted: bool) -> Result<Option<&Arc<TrustedIssuer>>, TokenError> {
        let is_claimed = |introspector: &Introspector| {
            let shapes = introspector.shapes();
            if is_encrypted { shapes.fit_encrypted(token) } else { shapes.fit(token) }
        };
        let mut claimants = self.introspecting().filter(|(_, introspector)| is_claimed(introspector));
        match (claimants.next(), claimants.next()) {
            (Some(_), Some(_)) => Err(TokenError::ClaimedTwice),
            (only, _) => Ok(only.map(|(issuer, _)| issuer)),
        }
    }

    /// Whether the shapes of opaque tokens tell the issuers apart, as far as can be seen without a token.
    pub(super) fn check_shapes(&self) -> Result<(), ConfigError> {
        let problem = |problem: String| Err(ConfigError::new("introspection", problem));
        let introspecting: Vec<_> = self.introspecting().collect();
        for (position, (issuer, introspector)) in introspecting.iter().enumerate() {
            let (issuer, shapes) = (&issuer.rules.issuer, introspector.shapes());
            if introspecting.len() > 1 && shapes.is_empty() {
                return problem(format!(
                    "several issuers introspect, and {issuer:?} does not say which opaque tokens are its own, so \
                     those of others would be sent to it; add `.tokens_with_prefix(..)` or `.tokens_that(..)`"
                ));
            }
            for (other, introspector) in introspecting.iter().take(position) {
                if let Some((ours, theirs)) = shapes.overlap(introspector.shapes()) {
                    return problem(format!(
                        "the prefix {ours:?} of {issuer:?} and {theirs:?} of {:?} fit the same tokens; make them \
                         differ, or use `.tokens_that(..)`",
                        other.rules.issuer
                    ));
                }
            }
        }
        Ok(())
    }

    fn introspecting(&self) -> impl Iterator<Item = (&Arc<TrustedIssuer>, &Introspector)> {
        self.configured.iter().filter_map(|issuer| Some((issuer, &**issuer.proof.introspector()?)))
    }

    /// Puts an issuer in, and takes out the one that had its URL.
    pub(super) fn insert_configured(&mut self, issuer: Arc<TrustedIssuer>) -> Option<Arc<TrustedIssuer>> {
        let replaced = self.remove(&issuer.rules.issuer);
        self.by_url.insert(Arc::clone(&issuer.rules.issuer), Arc::clone(&issuer));
        self.introspects |= issuer.proof.introspector().is_some();
        self.configured.push(issuer);
        replaced
    }

    /// Puts an issuer in unless it is there, and takes out the one that was verified least recently when there are too
    /// many: one that was never verified first, so that nobody displaces tenants by naming others. One that is disabled
    /// stays, so that the resolver does not bring it back enabled.
    ///
    /// False when that was in vain: the one that had to go had not been of use yet, or there was no place.
    pub(super) fn insert_resolved(&mut self, issuer: Arc<TrustedIssuer>) -> bool {
        if self.by_url.contains_key(&issuer.rules.issuer) {
            return true;
        }
        let mut was_of_use = true;
        if self.resolved.len() >= MAX_RESOLVED {
            let enabled = self.resolved.iter().filter(|issuer| issuer.is_enabled());
            let oldest = enabled.min_by_key(|issuer| issuer.verified_at()).map(Arc::clone);
            let Some(oldest) = oldest else { return false };
            was_of_use = oldest.verified_at() > 0;
            self.remove(&oldest.rules.issuer);
        }
        self.by_url.insert(Arc::clone(&issuer.rules.issuer), Arc::clone(&issuer));
        self.resolved.push(issuer);
        was_of_use
    }

    /// Whether a token of this issuer that was accepted may still be good. A resolved issuer that was evicted no longer
    /// gets updates, so we cannot tell.
    pub(crate) fn check_updated(&self, issuer: &Arc<TrustedIssuer>) -> Result<(), TokenError> {
        if issuer.is_resolved && !self.has(issuer) {
            return Err(TokenError::KeysUnavailable { retry_after: Duration::ZERO });
        }
        Ok(())
    }

    /// Whether this very issuer is in, not another one of its URL.
    pub(crate) fn has(&self, issuer: &Arc<TrustedIssuer>) -> bool {
        self.get(&issuer.rules.issuer).is_some_and(|found| Arc::ptr_eq(found, issuer))
    }

    pub(super) fn remove(&mut self, url: &str) -> Option<Arc<TrustedIssuer>> {
        let removed = self.by_url.remove(url)?;
        self.configured.retain(|issuer| !Arc::ptr_eq(issuer, &removed));
        self.resolved.retain(|issuer| !Arc::ptr_eq(issuer, &removed));
        Some(removed)
    }
}
