//! An issuer in memory: an issuer URL, signing keys and a clock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{SigningError, SigningKey, TokenBuilder};
use crate::issuer::Issuer;
use crate::jose::Algorithm;
use crate::time::{Clock, SystemClock};

/// An issuer without a network: it signs tokens and shows its public keys.
///
/// Clones share the keys, so that one can be rotated while another is in use. RSA keys take about 100 ms to make:
/// tests that need only a valid token share one issuer.
///
/// ```
/// use tower_bearer::test_util::TestIssuer;
///
/// let issuer = TestIssuer::new("https://as.example.com")?;
/// let token = issuer.token().audience("https://api.example.com").sign();
/// let keys = issuer.jwk_set();
/// assert_eq!(keys["keys"][0]["alg"], "RS256");
///
/// issuer.rotate_keys()?;
/// assert_ne!(issuer.jwk_set(), keys);
/// # let _ = token;
/// # Ok::<(), tower_bearer::test_util::SigningError>(())
/// ```
#[derive(Clone)]
pub struct TestIssuer {
    url: String,
    clock: Arc<dyn Clock>,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Clone)]
struct Keys {
    /// Signs tokens; the first in the JWK Set.
    signing: SigningKey,
    /// Published beside it.
    others: Vec<SigningKey>,
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
        let keys = Keys { signing: key, others: Vec::new() };
        Self { url: url.into(), clock: Arc::new(SystemClock::new()), keys: Arc::new(Mutex::new(keys)) }
    }

    /// Takes the time of tokens from `clock` instead of the machine's.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        self.with_shared_clock(Arc::new(clock))
    }

    #[must_use]
    pub(crate) fn with_shared_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The issuer URL, as it stands in `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key that signs tokens.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.keys().signing.clone()
    }

    /// Publishes another key. Tokens go on being signed with the first, unless [`TokenBuilder::key`] says otherwise.
    pub fn add_key(&self, key: SigningKey) {
        self.keys().others.push(key);
    }

    /// Replaces every key by a new one for the same algorithm. The old ones are withdrawn at once, without overlap.
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made; the old keys stay then.
    pub fn rotate_keys(&self) -> Result<(), SigningError> {
        // Generated outside the lock: an RSA key takes long enough to hold up whoever asks for a token.
        let old = self.keys().clone();
        let renewed = Keys {
            signing: SigningKey::generate(old.signing.algorithm())?,
            others: old.others.iter().map(|key| SigningKey::generate(key.algorithm())).collect::<Result<_, _>>()?,
        };
        *self.keys() = renewed;
        Ok(())
    }

    /// The published keys as a JWK Set (RFC 7517 §5), public members only.
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        let keys = self.keys().clone();
        let jwks: Vec<Value> = [&keys.signing].into_iter().chain(&keys.others).map(SigningKey::public_jwk).collect();
        json!({ "keys": jwks })
    }

    /// The issuer as a resource server trusts it: with the keys published now, fixed.
    ///
    /// ```
    /// use tower_bearer::ResourceServer;
    /// use tower_bearer::test_util::TestIssuer;
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
        TokenBuilder::new(&self.url, self.signing_key(), Arc::clone(&self.clock))
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("url", &self.url).finish_non_exhaustive()
    }
}
