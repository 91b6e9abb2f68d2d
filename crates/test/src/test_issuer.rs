//! An issuer in memory: an issuer URL, signing keys and a clock.

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::Issuer;
use tower_bearer::jose::Algorithm;
use tower_bearer::time::{Clock, SystemClock, UnixTime};

use super::issuer_keys::IssuerKeys;
use super::offset_clock::OffsetClock;
use super::{KeyChangeError, SigningError, SigningKey, TokenBuilder};

/// An issuer without a network: it signs tokens and shows its public keys.
///
/// Clones share the keys, so that one can be rotated while another is in use. RSA keys take about 100 ms to make:
/// tests that need only a valid token share one issuer.
///
/// ```
/// use tower_bearer_test::TestIssuer;
///
/// let issuer = TestIssuer::new("https://as.example.com")?;
/// let token = issuer.token().audience("https://api.example.com").sign();
/// let keys = issuer.jwk_set();
/// assert_eq!(keys["keys"][0]["alg"], "RS256");
///
/// issuer.rotate_keys()?;
/// assert_ne!(issuer.jwk_set(), keys);
/// # let _ = token;
/// # Ok::<(), tower_bearer_test::SigningError>(())
/// ```
#[derive(Clone)]
pub struct TestIssuer {
    url: String,
    clock: Arc<dyn Clock>,
    /// Seconds by which the clock is off.
    clock_offset: Arc<AtomicI64>,
    keys: Arc<Mutex<IssuerKeys>>,
    /// Held while keys change: making one takes long, and two changes at a time would lose one of them.
    changing: Arc<Mutex<()>>,
}

impl TestIssuer {
    /// An issuer with one RS256 key, what most providers use, and the machine's clock.
    ///
    /// `url` is what stands in `iss`, byte by byte.
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made.
    pub fn new(url: impl Into<String>) -> Result<Self, SigningError> {
        Self::with_algorithm(url, Algorithm::RS256)
    }

    /// An issuer with one new key for `algorithm`.
    ///
    /// # Errors
    ///
    /// As [`SigningKey::generate`].
    pub fn with_algorithm(url: impl Into<String>, algorithm: Algorithm) -> Result<Self, SigningError> {
        Ok(Self::with_key(url, SigningKey::generate(algorithm)?))
    }

    /// An issuer with a key that exists already, such as one that several tests share.
    #[must_use]
    pub fn with_key(url: impl Into<String>, key: SigningKey) -> Self {
        Self {
            url: url.into(),
            clock: Arc::new(SystemClock::new()),
            clock_offset: Arc::default(),
            keys: Arc::new(Mutex::new(IssuerKeys::new(key))),
            changing: Arc::default(),
        }
    }

    /// Takes the time of tokens from `clock` instead of the machine's.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// The issuer URL, as it stands in `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes the issuer's clock wrong: by so many seconds it is fast, or slow when the number is negative. It decides
    /// the times in tokens; how long ago something was, it measures as before. 0, the default, sets it right.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.clock_offset.store(seconds, Ordering::Relaxed);
    }

    /// By how many seconds the clock is wrong.
    #[must_use]
    pub fn clock_offset(&self) -> i64 {
        self.clock_offset.load(Ordering::Relaxed)
    }

    /// The key that signs tokens.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.keys().signing().clone()
    }

    /// The keys of the JWK Set, in its order. The one that signs is first, unless it was
    /// [withdrawn](Self::withdraw_key).
    #[must_use]
    pub fn published_keys(&self) -> Vec<SigningKey> {
        self.keys().published().cloned().collect()
    }

    /// Publishes another key. Tokens go on being signed with the first, unless [`TokenBuilder::key`] says otherwise.
    ///
    /// Given the key that signs, after it was [withdrawn](Self::withdraw_key), it publishes that again.
    pub fn add_key(&self, key: SigningKey) {
        let Ok(()) = self.change(|keys| {
            keys.add(key);
            Ok::<_, Infallible>(())
        });
    }

    /// Replaces every key by a new one for the same algorithm. The old ones are withdrawn at once, without overlap;
    /// those of [earlier rotations](Self::rotate_keys_with_overlap) too.
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made; the old keys stay then.
    pub fn rotate_keys(&self) -> Result<(), SigningError> {
        self.rotate_keys_with_overlap(Duration::ZERO)
    }

    /// Replaces every key by a new one for the same algorithm. The new ones sign at once; the old ones stay published
    /// for `overlap`, in the [monotonic time](Clock::monotonic) of the issuer's clock. Keys of an earlier rotation keep
    /// the time that they were given then; an overlap of zero ends it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer_test::TestIssuer;
    /// use tower_bearer::time::{ManualClock, UnixTime};
    ///
    /// let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
    /// let issuer = TestIssuer::new("https://as.example.com")?.with_clock(clock.clone());
    ///
    /// issuer.rotate_keys_with_overlap(Duration::from_secs(600))?;
    /// assert_eq!(issuer.published_keys().len(), 2);
    /// clock.advance(Duration::from_secs(600));
    /// assert_eq!(issuer.published_keys().len(), 1);
    /// # Ok::<(), tower_bearer_test::SigningError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made; the old keys stay then.
    pub fn rotate_keys_with_overlap(&self, overlap: Duration) -> Result<(), SigningError> {
        self.change(|keys| keys.rotate(overlap, &self.clock))
    }

    /// Publishes the key that the next rotation signs with, as providers do that announce a key before they use it.
    /// Asked again before that rotation, it gives the same key.
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made.
    pub fn publish_next_key(&self) -> Result<SigningKey, SigningError> {
        self.change(IssuerKeys::publish_next)
    }

    /// Takes every key with this `kid` out of the JWK Set at once.
    ///
    /// The key that signs goes on signing: those are tokens by a key that nobody can find, as from a provider that
    /// signs before it publishes. [`add_key`](Self::add_key) publishes it again.
    ///
    /// # Errors
    ///
    /// [`KeyChangeError::NoSuchKey`] when no published key has this id.
    pub fn withdraw_key(&self, key_id: &str) -> Result<(), KeyChangeError> {
        self.change(|keys| keys.withdraw(key_id))
    }

    /// Puts a new key for the same algorithm in the place of the one with this `kid`, under the same `kid`. Tokens
    /// signed before no longer verify, though their key seems to be there.
    ///
    /// # Errors
    ///
    /// [`KeyChangeError::NoSuchKey`] when no key has this id; [`KeyChangeError::Signing`] when none could be made.
    pub fn replace_key_material(&self, key_id: &str) -> Result<(), KeyChangeError> {
        self.change(|keys| keys.replace_material(key_id))
    }

    /// The published keys as a JWK Set (RFC 7517 §5), public members only.
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        let jwks: Vec<Value> = self.published_keys().iter().map(SigningKey::public_jwk).collect();
        json!({ "keys": jwks })
    }

    /// The issuer as a resource server trusts it: with the keys published now, fixed.
    ///
    /// ```
    /// use tower_bearer::ResourceServer;
    /// use tower_bearer_test::TestIssuer;
    ///
    /// let issuer = TestIssuer::new("https://as.example.com")?;
    /// let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
    /// # let _ = api;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn trusted(&self) -> Issuer {
        Issuer::new(&self.url).jwk_set(self.jwk_set().to_string())
    }

    /// Starts a token that is valid now: for `https://api.example.com`, of five minutes, without a scope, until the
    /// builder is told otherwise.
    #[must_use]
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::new(&self.url, self.signing_key(), self.clock())
    }

    /// The time that tokens get: the clock's, with its [offset](Self::set_clock_offset), or 1970 when the machine's
    /// clock has an earlier one.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.clock().now().unwrap_or(UnixTime::from_secs(0))
    }

    /// The clock that the issuer's tokens get their time from, as fast or slow as its [offset](Self::set_clock_offset)
    /// makes it now.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        match self.clock_offset() {
            0 => Arc::clone(&self.clock),
            offset_s => Arc::new(OffsetClock { clock: Arc::clone(&self.clock), offset_s }),
        }
    }

    /// Changes the keys, all or nothing: whoever reads them meanwhile sees the old ones and does not wait.
    fn change<T, E>(&self, change: impl FnOnce(&mut IssuerKeys) -> Result<T, E>) -> Result<T, E> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = self.keys().clone();
        let changed = change(&mut keys)?;
        *self.keys() = keys;
        Ok(changed)
    }

    fn keys(&self) -> MutexGuard<'_, IssuerKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("url", &self.url).finish_non_exhaustive()
    }
}
