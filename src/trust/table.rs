//! The issuers that are trusted at one moment.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::TrustedIssuer;

/// How many issuers from the resolver are kept.
pub(super) const MAX_RESOLVED: usize = 1_000;

#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Those of the configuration, in its order.
    configured: Vec<Arc<TrustedIssuer>>,
    resolved: Vec<Arc<TrustedIssuer>>,
    /// Those that gave up their place and live on in tokens that were accepted.
    displaced: Vec<Weak<TrustedIssuer>>,
    by_url: HashMap<Arc<str>, Arc<TrustedIssuer>>,
    has_resolver: bool,
}

impl Table {
    pub(super) fn new(has_resolver: bool) -> Self {
        Self {
            configured: Vec::new(),
            resolved: Vec::new(),
            displaced: Vec::new(),
            by_url: HashMap::new(),
            has_resolver,
        }
    }

    /// The only issuer there can be, if there is nothing to choose.
    pub(crate) fn only(&self) -> Option<&Arc<TrustedIssuer>> {
        match self.configured.as_slice() {
            [only] if !self.has_resolver => Some(only),
            _ => None,
        }
    }

    pub(crate) fn get(&self, url: &str) -> Option<&Arc<TrustedIssuer>> {
        self.by_url.get(url)
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
    pub(super) fn insert_resolved(&mut self, issuer: Arc<TrustedIssuer>) {
        if self.by_url.contains_key(&issuer.rules.issuer) {
            return;
        }
        if self.resolved.len() >= MAX_RESOLVED {
            let enabled = self.resolved.iter().filter(|issuer| issuer.is_enabled());
            let oldest =
                enabled.min_by_key(|issuer| issuer.verified_at()).map(|oldest| Arc::clone(&oldest.rules.issuer));
            let Some(oldest) = oldest else { return };
            self.displaced.retain(|displaced| displaced.strong_count() > 0);
            let removed = self.remove(&oldest);
            self.displaced.extend(removed.as_ref().map(Arc::downgrade));
        }
        self.by_url.insert(Arc::clone(&issuer.rules.issuer), Arc::clone(&issuer));
        self.resolved.push(issuer);
    }

    /// Those that once had this URL and gave up their place. What is decided about the URL is decided about them too.
    pub(super) fn displaced(&self, url: &str) -> impl Iterator<Item = Arc<TrustedIssuer>> {
        self.displaced.iter().filter_map(Weak::upgrade).filter(move |displaced| *displaced.rules.issuer == *url)
    }

    pub(super) fn take_displaced(&mut self, url: &str) -> Vec<Arc<TrustedIssuer>> {
        let taken = self.displaced(url).collect();
        self.displaced.retain(|displaced| displaced.upgrade().is_some_and(|other| *other.rules.issuer != *url));
        taken
    }

    pub(super) fn remove(&mut self, url: &str) -> Option<Arc<TrustedIssuer>> {
        let removed = self.by_url.remove(url)?;
        self.configured.retain(|issuer| !Arc::ptr_eq(issuer, &removed));
        self.resolved.retain(|issuer| !Arc::ptr_eq(issuer, &removed));
        Some(removed)
    }
}
