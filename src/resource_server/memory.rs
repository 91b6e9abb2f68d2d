//! Tokens that this resource server accepted before.
//!
//! The simple version is to judge every token anew. The departure, a [cache](crate::token_cache), spares a known token
//! everything but what can change about it; a hit takes 0.2 µs of the 20 that a check with RS256 takes, and no
//! allocation.

use serde::Serialize;

use super::ResourceServer;
use crate::credentials::Credentials;
use crate::error::TokenError;
use crate::evidence::Usage;
use crate::presentation::Presentation;
use crate::time::UnixTime;
use crate::token::ValidatedToken;

impl ResourceServer {
    /// How many accepted tokens are kept and how much memory they take; none when [`token_cache_bytes`] is 0. It looks
    /// at every part of the cache: ask now and then, not for each request.
    ///
    /// ```
    /// use tower_bearer::{Issuer, ResourceServer};
    ///
    /// let api = ResourceServer::builder()
    ///     .audience("https://api.example.com")
    ///     .issuer(Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys"))
    ///     .build()?;
    /// let cache = api.token_cache().ok_or("it is on unless told otherwise")?;
    /// assert_eq!((cache.tokens, cache.bytes, cache.max_bytes), (0, 0, 32 * 1024 * 1024));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`token_cache_bytes`]: crate::ResourceServerBuilder::token_cache_bytes
    #[must_use]
    pub fn token_cache(&self) -> Option<TokenCacheStatus> {
        let cache = self.0.token_cache.as_ref()?;
        Some(TokenCacheStatus { tokens: cache.len(), bytes: cache.bytes(), max_bytes: cache.max_bytes() })
    }

    /// Finds a token that was accepted before and is still valid. Any other result is left to the full validation: the
    /// cache makes acceptance faster, and nothing else.
    pub(super) fn find_cached(&self, presented: &Presentation<'_>) -> Option<(ValidatedToken, UnixTime)> {
        let cache = self.0.token_cache.as_ref()?;
        let text = presented.unread().filter(|text| text.len() <= self.0.max_token_bytes)?;
        let digest = cache.digest(text);
        let still_good = |token| Some((self.still_good_at(&token, || cache.remove(&digest))?, token));
        let Some((now, token)) = cache.get(&digest).and_then(still_good) else {
            cache.meter().missed();
            return None;
        };
        cache.meter().hit();
        Some((token, now))
    }

    /// Like [`find_cached`](Self::find_cached), but for a token that was looked up before: it does not count as a
    /// lookup, and nothing is introspected or fetched.
    pub(super) fn find_again(&self, text: &[u8]) -> Option<ValidatedToken> {
        let token = self.0.token_cache.as_ref()?.find(text)?;
        self.check_use(&token, Usage::Again).ok().map(|_| token)
    }

    /// The digest is of the token alone, so only what was presented as a bearer token may be cached: a hit asks for
    /// no proof of possession.
    pub(super) fn cache(&self, credentials: Credentials<'_>, token: &ValidatedToken) {
        if let Some(cache) = &self.0.token_cache
            && token.evidence().is_lasting()
        {
            cache.insert(cache.digest(credentials.token), token.clone());
        }
    }

    fn still_good_at(&self, token: &ValidatedToken, forget: impl FnOnce()) -> Option<UnixTime> {
        match self.check_use(token, Usage::Again) {
            Ok(now) => {
                // Otherwise nothing would refresh the keys while all requests are cache hits.
                let issuer = token.trusted_issuer();
                if token.evidence().key().is_some()
                    && let Some(keys) = issuer.proof.keys()
                {
                    keys.fetch_if_due();
                }
                // Likewise for the answer about it.
                if let Some(introspected) = token.evidence().introspected()
                    && introspected.take_refresh()
                {
                    self.ask_ahead(issuer, introspected);
                }
                return Some(now);
            }
            // The last two mean that the key was withdrawn, which is permanent.
            Err(
                TokenError::Expired
                | TokenError::TooOld
                | TokenError::NoMatchingKey
                | TokenError::KeyNotProvenAbsent { .. },
            ) => forget(),
            // An outage ends, and an issuer may be enabled again.
            Err(_) => {}
        }
        None
    }
}

/// How full the cache of accepted tokens is. It can be served as JSON.
///
/// Each resource server has its own, also one that [`ResourceServer::with_status_policy`] made.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TokenCacheStatus {
    /// How many tokens are kept. One that has expired stays until it is sent again or others need its room.
    pub tokens: usize,
    /// How much memory they take, an estimate within some percent.
    pub bytes: u64,
    /// How much they may take.
    pub max_bytes: u64,
}
