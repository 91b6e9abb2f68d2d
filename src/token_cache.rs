//! Tokens that were accepted before: their signature is not checked again, everything that can change is.
//!
//! The simple version is a map from the text of an accepted token to what was read from it, behind a lock, with the
//! least recently used one going when there are too many. Departures from it, with what each gains for a token of 862
//! bytes (`cargo bench --bench digest`, nanoseconds of one run on a Zen 4 machine):
//!
//! 1. **The text is not kept**, but a keyed digest of it: secrets do not pile up in memory, and 16 bytes are compared
//!    where there were hundreds. An AEGIS-128L MAC takes 76, SipHash-1-3 with 128 bits 213, AES-GMAC 226,
//!    SipHash-2-4 409, SHA-256 597, HMAC-SHA-256 809, keyed BLAKE3 1,036.
//! 2. **The key of the digest is expanded once**, and its state copied for each token: 40 less.
//! 3. **quick_cache holds the tokens**, in shards: 16 for one that is there, 230 when two threads look up the same one
//!    at the same time. moka takes 130, and 1,030 with two threads, because it writes down every read.
//!
//! # Why a digest is enough
//!
//! A collision would let one token pass for another: it is an authentication bypass. Two texts share a digest only by
//! chance, because nobody outside can steer it:
//!
//! - The digest is a MAC under 128 random bits that a resource server draws when it is built. No digest leaves it, so
//!   who sends tokens learns whether they are accepted, and at most from the time of the answer whether they had been
//!   seen. To find two texts with one digest from that is to forge against the MAC without ever seeing a tag. AEGIS is
//!   designed for 128 bits against forgers who do see tags, no attack on that is known, and a wrong guess teaches
//!   nothing but that it was wrong.
//! - So a forged token meets one of n cached ones with a probability of n · 2⁻¹²⁸. With a million tokens in the cache
//!   and a billion attempts in every second of a year, that is 10⁻¹⁶ for the whole year. A tag of 256 bits would halve
//!   nothing that matters at that size, and would double what is compared.
//! - The whole text goes in, signature included: tokens that differ in one bit of it are two (CVE-2026-35039). Each
//!   resource server has a cache of its own, so no other configuration's verdict is ever found.
//!
//! It holds against those who send tokens, not against those who read this process's memory: whoever has the key can
//! make two texts with one digest. They could also read the claims, and write whatever they like.
//!
//! Only accepted tokens are kept, so refused ones displace nothing. One that is seen once displaces only others that
//! were: once it is full, the cache tells tokens that come again from those that do not (CLOCK-Pro), and the former
//! have 97 % of the room.

use std::fmt;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::config_error::ConfigError;
use crate::digest::{Digest, Digester};
use crate::telemetry::TokenCacheMeter;
use crate::token::ValidatedToken;

/// Room for about 30,000 tokens of the usual size.
pub(crate) const DEFAULT_BYTES: usize = 32 * 1024 * 1024;

/// With less there is no room for one large token in each shard.
const MIN_BYTES: usize = 1024 * 1024;

/// What a token of the usual size takes, to tell how many there will be.
const USUAL_BYTES: usize = 1_280;

/// What an entry needs beside the token: the digest, places in the cache's lists and table, and what the allocator adds
/// to some three blocks.
const ENTRY_BYTES: usize = 128;

/// See the module's documentation.
pub(crate) struct TokenCache {
    digester: Digester,
    tokens: Cache<Digest, ValidatedToken, ByBytes>,
    meter: TokenCacheMeter,
}

impl TokenCache {
    /// A cache of at most so many bytes; none for zero.
    pub(crate) fn new(bytes: usize) -> Result<Option<Self>, ConfigError> {
        if bytes == 0 {
            return Ok(None);
        }
        if bytes < MIN_BYTES {
            let problem = format!("{bytes} is less than 1 MiB, room for some hundred tokens; use 0 to keep none");
            return Err(ConfigError::new("token_cache_bytes", problem));
        }
        let digester = Digester::new().ok_or_else(|| {
            let problem = "this machine gives no random numbers to tell accepted tokens apart by; use 0 to keep none";
            ConfigError::new("token_cache_bytes", problem)
        })?;
        let tokens = storage(u64::try_from(bytes).unwrap_or(u64::MAX));
        Ok(Some(Self { digester, tokens, meter: TokenCacheMeter::new() }))
    }

    /// One of the same size with nothing in it.
    pub(crate) fn empty(&self) -> Self {
        Self { digester: self.digester.clone(), tokens: storage(self.max_bytes()), meter: TokenCacheMeter::new() }
    }

    pub(crate) fn digest(&self, text: &[u8]) -> Digest {
        self.digester.digest(text)
    }

    #[inline(always)]
    pub(crate) fn get(&self, digest: &Digest) -> Option<ValidatedToken> {
        self.tokens.get(digest)
    }

    /// Looks a token up without counting it as a hit or a miss. (The compiler only inlines `get` into the path of a hit
    /// if that is its only caller; out of line, it takes 60 instructions of 1,076 more.)
    pub(crate) fn find(&self, text: &[u8]) -> Option<ValidatedToken> {
        self.tokens.peek(&self.digest(text))
    }

    pub(crate) fn insert(&self, digest: Digest, token: ValidatedToken) {
        self.tokens.insert(digest, token);
        self.meter.inserted(|| (u64::try_from(self.len()).unwrap_or(u64::MAX), self.bytes()));
    }

    pub(crate) fn remove(&self, digest: &Digest) {
        self.tokens.remove(digest);
    }

    pub(crate) const fn meter(&self) -> &TokenCacheMeter {
        &self.meter
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// How much room is taken.
    pub(crate) fn bytes(&self) -> u64 {
        self.tokens.weight()
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.tokens.capacity()
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("max_bytes", &self.max_bytes()).finish_non_exhaustive()
    }
}

fn storage(bytes: u64) -> Cache<Digest, ValidatedToken, ByBytes> {
    let usual_number = usize::try_from(bytes).unwrap_or(usize::MAX) / USUAL_BYTES;
    Cache::with_weighter(usual_number, bytes, ByBytes)
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, ValidatedToken> for ByBytes {
    fn weight(&self, _: &Digest, token: &ValidatedToken) -> u64 {
        u64::try_from(ENTRY_BYTES + token.memory_bytes()).unwrap_or(u64::MAX)
    }
}
