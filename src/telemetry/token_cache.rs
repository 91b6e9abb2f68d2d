//! What is counted about the cache of accepted tokens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::facade::{Key, Label, RECORDS, counter, gauge};
use crate::metrics::{RESULT, TOKEN_CACHE_BYTES, TOKEN_CACHE_LOOKUPS, TOKEN_CACHE_TOKENS};

static HIT_LABEL: [Label; 1] = [Label::from_static_parts(RESULT, "hit")];
static MISS_LABEL: [Label; 1] = [Label::from_static_parts(RESULT, "miss")];
static HIT: Key = Key::from_static_parts(TOKEN_CACHE_LOOKUPS, &HIT_LABEL);
static MISS: Key = Key::from_static_parts(TOKEN_CACHE_LOOKUPS, &MISS_LABEL);
static CACHED_TOKENS: Key = Key::from_static_name(TOKEN_CACHE_TOKENS);
static CACHED_BYTES: Key = Key::from_static_name(TOKEN_CACHE_BYTES);

/// Adding up what a cache holds takes a lock on each of its parts, so it is done once in so many insertions.
const INSERTIONS_BETWEEN_SUMS: u64 = 64;

/// Counts for one cache of accepted tokens.
#[derive(Default)]
pub(crate) struct TokenCacheMeter {
    insertions: AtomicU64,
    tokens: Share,
    bytes: Share,
}

impl TokenCacheMeter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn hit(&self) {
        counter(&HIT).increment(1);
    }

    pub(crate) fn missed(&self) {
        counter(&MISS).increment(1);
    }

    /// Counts an insertion, and now and then asks how many tokens and bytes there are.
    pub(crate) fn inserted(&self, sums: impl FnOnce() -> (u64, u64)) {
        if RECORDS && self.insertions.fetch_add(1, Ordering::Relaxed).is_multiple_of(INSERTIONS_BETWEEN_SUMS) {
            let (tokens, bytes) = sums();
            self.holds(tokens, bytes);
        }
    }

    /// A gauge has one value for all caches of the process, and a recorder that is installed late needs the whole of
    /// it.
    fn holds(&self, tokens: u64, bytes: u64) {
        static ALL_TOKENS: AtomicU64 = AtomicU64::new(0);
        static ALL_BYTES: AtomicU64 = AtomicU64::new(0);
        gauge(&CACHED_TOKENS).set(to_float(self.tokens.set(tokens, &ALL_TOKENS)));
        gauge(&CACHED_BYTES).set(to_float(self.bytes.set(bytes, &ALL_BYTES)));
    }
}

impl Drop for TokenCacheMeter {
    fn drop(&mut self) {
        self.holds(0, 0);
    }
}

/// What one cache or list adds to a sum.
#[derive(Default)]
pub(super) struct Share(AtomicU64);

impl Share {
    /// Changes it, and gives the new sum.
    pub(super) fn set(&self, share: u64, sum: &AtomicU64) -> u64 {
        // What is less now is added as what goes around the end of the numbers.
        let change = share.wrapping_sub(self.0.swap(share, Ordering::Relaxed));
        sum.fetch_add(change, Ordering::Relaxed).wrapping_add(change)
    }
}

/// By way of a duration, whose conversion is the one without a cast.
pub(super) fn to_float(number: u64) -> f64 {
    Duration::from_secs(number).as_secs_f64()
}
