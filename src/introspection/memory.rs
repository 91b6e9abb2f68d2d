//! A record of tokens, by digest and within bounds: which were seen active, and which were refused lately. No claims
//! are kept here.

use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::policy::Class;
use crate::digest::Digest;
use crate::error::TokenError;

/// How many tokens are recorded as seen active: as many as the default cache of accepted tokens holds.
const MAX_SEEN: usize = 32_768;

/// How much memory refused tokens may take. Anybody can send them, so they have a bound of their own.
const REFUSED_BYTES: u64 = 1024 * 1024;

/// What one of them takes, with its places in the cache's lists and table.
const REFUSED_BYTES_EACH: u64 = 160;

/// See the module's documentation.
pub(super) struct Memory {
    /// Only tokens that were active get in, so junk displaces none.
    seen: Cache<Digest, ()>,
    refused: Cache<Digest, Refused, EachAlike>,
    refused_for: Duration,
}

#[derive(Clone)]
struct Refused {
    at: Duration,
    error: TokenError,
}

#[derive(Clone)]
struct EachAlike;

impl Weighter<Digest, Refused> for EachAlike {
    fn weight(&self, _: &Digest, _: &Refused) -> u64 {
        REFUSED_BYTES_EACH
    }
}

impl Memory {
    /// `refused_for` is how long a refusal is kept.
    pub(super) fn new(refused_for: Duration) -> Self {
        let capacity = usize::try_from(REFUSED_BYTES / REFUSED_BYTES_EACH).unwrap_or(usize::MAX);
        let refused = Cache::with_weighter(capacity, REFUSED_BYTES, EachAlike);
        Self { seen: Cache::new(MAX_SEEN), refused, refused_for }
    }

    pub(super) fn class(&self, token: &Digest) -> Class {
        if self.seen.get(token).is_some() { Class::Seen } else { Class::New }
    }

    /// Why the token was refused lately.
    pub(super) fn refusal(&self, token: &Digest, now: Duration) -> Option<TokenError> {
        let refused = self.refused.get(token)?;
        if now.saturating_sub(refused.at) < self.refused_for {
            return Some(refused.error);
        }
        self.refused.remove(token);
        None
    }

    /// Why the token was refused at this time or later.
    pub(super) fn refused_since(&self, token: &Digest, time: Duration) -> Option<TokenError> {
        self.refused.get(token).filter(|refused| refused.at >= time).map(|refused| refused.error)
    }

    pub(super) fn accepted(&self, token: Digest) {
        self.seen.insert(token, ());
        self.refused.remove(&token);
    }

    /// `is_final` if the issuer said so: the token does not count as seen active any more.
    pub(super) fn refused(&self, token: Digest, error: TokenError, is_final: bool, now: Duration) {
        if is_final {
            self.seen.remove(&token);
        }
        if !self.refused_for.is_zero() {
            self.refused.insert(token, Refused { at: now, error });
        }
    }

    pub(super) fn seen_tokens(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn refused_tokens(&self) -> usize {
        self.refused.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digester;

    #[test]
    fn n08_junk_displaces_no_token_that_was_seen_active_and_is_bounded() {
        let (memory, digester) = (Memory::new(Duration::from_secs(5)), Digester::new().unwrap());
        let good: Vec<_> = (0..1_000).map(|n| digester.digest(format!("good {n}").as_bytes())).collect();
        good.iter().for_each(|token| memory.accepted(*token));
        for n in 0..100_000 {
            let junk = digester.digest(format!("junk {n}").as_bytes());
            memory.refused(junk, TokenError::Inactive, true, Duration::ZERO);
        }
        assert!(good.iter().all(|token| memory.class(token) == Class::Seen));
        let most = usize::try_from(REFUSED_BYTES / REFUSED_BYTES_EACH).unwrap();
        assert!((most / 2..=most).contains(&memory.refused_tokens()), "{}", memory.refused_tokens());
        assert_eq!(memory.seen_tokens(), 1_000);
    }

    #[test]
    fn n02_a_refusal_is_remembered_for_its_time_and_no_longer() {
        let token = Digester::new().unwrap().digest(b"a");
        let at = Duration::from_millis;
        let memory = Memory::new(at(5_000));
        memory.refused(token, TokenError::Inactive, true, at(100));
        assert_eq!([100, 5_099].map(|now| memory.refusal(&token, at(now))), [const { Some(TokenError::Inactive) }; 2]);
        assert_eq!(memory.refusal(&token, at(5_100)), None);
        let forgetful = Memory::new(Duration::ZERO);
        forgetful.refused(token, TokenError::Inactive, true, at(100));
        assert_eq!(forgetful.refusal(&token, at(100)), None);
    }
}
