//! Tokens that this resource server accepted before.

use super::ResourceServer;
use crate::error::TokenError;
use crate::token::ValidatedToken;

impl ResourceServer {
    /// Finds a token that was accepted before and is still good. Whatever else there is to say about a token is for the
    /// whole judgement to say, so that memory never changes an answer.
    pub(crate) fn recall(&self, text: &[u8]) -> Option<ValidatedToken> {
        let cache = self.0.token_cache.as_ref().filter(|_| text.len() <= self.0.max_token_bytes)?;
        let digest = cache.digest(text);
        let token = cache.get(&digest)?;
        // Requests that are recalled are those that keep the keys fresh.
        token.signer().issuer.keys.fetch_if_due();
        match self.check_again(&token) {
            Ok(()) => return Some(token),
            Err(TokenError::Expired | TokenError::TooOld | TokenError::NoMatchingKey) => cache.remove(&digest),
            // An outage ends, and an issuer may be enabled again.
            Err(_) => {}
        }
        None
    }

    pub(super) fn remember(&self, text: &[u8], token: &ValidatedToken) {
        if let Some(cache) = &self.0.token_cache {
            cache.insert(cache.digest(text), token.clone());
        }
    }
}
