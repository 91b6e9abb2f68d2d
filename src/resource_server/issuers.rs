//! Changing the issuers of a running resource server.

use super::ResourceServer;
use crate::config_error::ConfigError;
use crate::issuer::Issuer;
use crate::jose::Algorithm;
use crate::keys::Lookup;

/// Changes take effect on the next request, for all clones of the resource server. Reading requests never wait for one.
impl ResourceServer {
    /// Accepts the tokens of one more issuer; one with the same URL is replaced, keys and all.
    ///
    /// # Errors
    ///
    /// When `build()` would refuse the issuer. Nothing changes then.
    pub fn add_issuer(&self, issuer: &Issuer) -> Result<(), ConfigError> {
        self.0.issuers.add(issuer)
    }

    /// Forgets an issuer and its keys; what is being fetched for it is given up. False when there is none of this URL.
    ///
    /// A [resolver](crate::ResourceServerBuilder::issuer_resolver) can bring it back: [disable](Self::disable_issuer)
    /// it to prevent that.
    pub fn remove_issuer(&self, url: &str) -> bool {
        self.0.issuers.remove(url)
    }

    /// Refuses the tokens of this issuer, with the reason `issuer_disabled`, until it is [enabled](Self::enable_issuer)
    /// again. Its keys stay. False when there is none of this URL.
    pub fn disable_issuer(&self, url: &str) -> bool {
        self.0.issuers.set_enabled(url, false)
    }

    /// Accepts the tokens of a disabled issuer again. False when there is none of this URL.
    pub fn enable_issuer(&self, url: &str) -> bool {
        self.0.issuers.set_enabled(url, true)
    }

    /// Whether a token of this issuer that names this key and algorithm could be verified now, without waiting. It goes
    /// the way of a request's look for a key: a refresh that is due is started, and a `kid` that is not there is
    /// counted.
    #[must_use]
    pub fn has_key(&self, issuer: &str, key_id: Option<&str>, algorithm: Algorithm) -> bool {
        let table = self.0.issuers.table();
        table.get(issuer).is_some_and(|issuer| {
            let found = issuer.proof.keys().map(|keys| keys.look_further(key_id, algorithm, None));
            issuer.is_enabled() && matches!(found, Some(Lookup::Found(_)))
        })
    }
}
