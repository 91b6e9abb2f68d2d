//! Builds tokens with any header and any claims.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tower_bearer::time::{Clock, UnixTime};

use super::signing_key::{SigningKey, join_signature, signing_input};

/// A token in the making, obtained from [`TestIssuer::token`](super::TestIssuer::token).
///
/// It starts as an RFC 9068 access token that is valid now: header `typ` (`at+jwt`), `alg` and `kid`; claims `iss`,
/// `sub`, `aud`, `exp` (in five minutes), `iat`, `jti` (128 random bits) and `client_id`. Everything can be replaced
/// or removed; nothing is checked.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer_test::TestIssuer;
///
/// let issuer = TestIssuer::new("https://as.example.com")?;
/// let token = issuer
///     .token()
///     .subject("alice")
///     .audience("https://api.example.com")
///     .scope("read:leads write:leads")
///     .expires_in(Duration::from_secs(60))
///     .claim("tenant", "acme")
///     .without_claim("jti")
///     .header("typ", "JWT")
///     .sign();
/// # let _ = token;
/// # Ok::<(), tower_bearer_test::SigningError>(())
/// ```
#[derive(Clone)]
pub struct TokenBuilder {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    audiences: Vec<String>,
    key: SigningKey,
    clock: Arc<dyn Clock>,
}

impl TokenBuilder {
    /// `aud` unless [`audience`](Self::audience) says otherwise.
    pub const DEFAULT_AUDIENCE: &'static str = "https://api.example.com";
    /// `sub` unless [`subject`](Self::subject) says otherwise.
    pub const DEFAULT_SUBJECT: &'static str = "test-subject";
    /// `client_id` unless [`client_id`](Self::client_id) says otherwise.
    pub const DEFAULT_CLIENT_ID: &'static str = "test-client";
    /// From `iat` to `exp` unless [`expires_in`](Self::expires_in) says otherwise: five minutes, the length that
    /// providers choose for tokens that cannot be revoked.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

    pub(super) fn new(issuer: &str, key: SigningKey, clock: Arc<dyn Clock>) -> Self {
        let builder = Self { header: Map::new(), claims: Map::new(), audiences: Vec::new(), key: key.clone(), clock };
        let issued_at = builder.now();
        let builder = builder
            .header("typ", "at+jwt")
            .key(&key)
            .claim("iss", issuer)
            .claim("aud", Self::DEFAULT_AUDIENCE)
            .claim("iat", issued_at.as_secs())
            .subject(Self::DEFAULT_SUBJECT)
            .client_id(Self::DEFAULT_CLIENT_ID)
            .expires_in(Self::DEFAULT_LIFETIME);
        match random_id() {
            Some(id) => builder.claim("jti", id),
            None => builder,
        }
    }

    /// Sets `sub`.
    #[must_use]
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.claim("sub", subject.into())
    }

    /// Sets `client_id`.
    #[must_use]
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        self.claim("client_id", client_id.into())
    }

    /// Adds an audience: `aud` is a string with one, an array with several. The first call replaces the default.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        let aud = match self.audiences.as_slice() {
            [only] => Value::from(only.as_str()),
            several => Value::from(several),
        };
        self.claim("aud", aud)
    }

    /// Sets `scope`: scope tokens with spaces between them (RFC 6749 §3.3).
    #[must_use]
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.claim("scope", scope.into())
    }

    /// Sets `exp` to this long after the clock's time, in whole seconds.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        let expiry = self.now().saturating_add(lifetime);
        self.claim("exp", expiry.as_secs())
    }

    /// Sets any claim to any JSON value.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets any header parameter to any JSON value.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Leaves a header parameter out.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signs with `key`, and sets `alg` and `kid` to its own; headers that should say otherwise are set afterwards.
    #[must_use]
    pub fn key(self, key: &SigningKey) -> Self {
        let builder = self.header("alg", key.algorithm().name()).header("kid", key.key_id());
        Self { key: key.clone(), ..builder }
    }

    /// Signs the token: a compact JWS (RFC 7515 §7.1).
    ///
    /// The signature is made with the key's own algorithm, whatever `alg` says.
    #[must_use]
    pub fn sign(self) -> String {
        self.sign_with(|key, message| key.sign(message))
    }

    /// The compact JWS with the signature that `signer` makes over the signing input.
    pub(super) fn sign_with(self, signer: impl FnOnce(&SigningKey, &[u8]) -> Vec<u8>) -> String {
        let header = Value::Object(self.header).to_string();
        let claims = Value::Object(self.claims).to_string();
        let input = signing_input(header.as_bytes(), claims.as_bytes());
        let signature = signer(&self.key, input.as_bytes());
        join_signature(input, &signature)
    }

    /// The claim as set so far.
    pub(super) fn claim_value(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// The clock's time; 1970 when the clock stands before it, which makes a token that expired long ago.
    pub(super) fn now(&self) -> UnixTime {
        self.clock.now().unwrap_or(UnixTime::from_secs(0))
    }
}

impl fmt::Debug for TokenBuilder {
    /// The claims stay out: they say who someone is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder").field("header", &self.header).finish_non_exhaustive()
    }
}

/// 128 random bits in base64url, 22 characters. `None` when the machine has no randomness to give: a token without
/// `jti` is refused by who needs one, a repeated `jti` is not.
pub(super) fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
