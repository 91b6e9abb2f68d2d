//! The issuers that are trusted at one moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::TrustedIssuer;
use crate::error::TokenError;

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
}

impl Table {
    pub(super) fn new(has_resolver: bool) -> Self {
        Self { configured: Vec::new(), resolved: Vec::new(), by_url: HashMap::new(), has_resolver }
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

    /// Puts an issuer in, and takes out the one that had its URL.
    pub(super) fn insert_configured(&mut self, issuer: Arc<TrustedIssuer>) -> Option<Arc<TrustedIssuer>> {
        let replaced = self.remove(&issuer.rules.issuer);
        self.by_url.insert(Arc::clone(&issuer.rules.issuer), Arc::clone(&issuer));
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
