//! One authorization server whose tokens are accepted, and where its keys are.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use url::{Host, Url};

use crate::claims::ClaimNames;
use crate::error::ConfigError;
use crate::jose::{Algorithm, JwkSet, VerifyingKey, verifying_keys_from_pem};
use crate::keys::Keys;
#[cfg(feature = "remote-keys")]
use crate::keys::{HttpClient, KeyCache, KeyPolicy, RemoteSource};
use crate::time::Clock;

/// A secret with fewer different bytes is taken for a password (RFC 8725 §3.5).
const MIN_DISTINCT_SECRET_BYTES: usize = 12;

/// An authorization server whose tokens are accepted.
///
/// Its keys are found by discovery unless one of [`jwk_set_url`](Self::jwk_set_url), [`jwk_set`](Self::jwk_set),
/// [`pem`](Self::pem) or [`shared_secret`](Self::shared_secret) says otherwise.
///
/// ```
/// use tower_bearer::Issuer;
/// use tower_bearer::jose::Algorithm;
///
/// let issuer = Issuer::new("https://as.example.com")
///     .jwk_set_url("https://as.example.com/keys")
///     .algorithms([Algorithm::ES256]);
/// # let _ = issuer;
/// ```
#[derive(Clone)]
pub struct Issuer {
    pub(crate) url: Arc<str>,
    sources: Vec<Source>,
    pub(crate) audiences: Vec<Box<str>>,
    algorithms: Option<Vec<Algorithm>>,
    #[cfg(feature = "remote-keys")]
    key_policy: KeyPolicy,
    pub(crate) audience_claim: Box<str>,
    pub(crate) scope_claims: Vec<Box<str>>,
    pub(crate) require_at_jwt: bool,
    pub(crate) allow_nonce: bool,
    pub(crate) accept_sender_constrained: bool,
    allow_http: bool,
}

#[derive(Clone)]
enum Source {
    #[cfg(feature = "remote-keys")]
    JwkSetUrl(String),
    JwkSet(String),
    Pem(String),
    SharedSecret(Vec<u8>),
}

impl Issuer {
    /// The issuer with this identifier, exactly as it stands in the tokens' `iss` and in the metadata: a trailing slash
    /// counts. HTTPS, except on loopback; without query and fragment (RFC 8414 §2).
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into().into(),
            sources: Vec::new(),
            audiences: Vec::new(),
            algorithms: None,
            #[cfg(feature = "remote-keys")]
            key_policy: KeyPolicy::default(),
            audience_claim: "aud".into(),
            scope_claims: vec!["scope".into(), "scp".into()],
            require_at_jwt: false,
            allow_nonce: false,
            accept_sender_constrained: false,
            allow_http: false,
        }
    }

    /// Takes the keys from this URL instead of asking the issuer's metadata for it.
    #[cfg(feature = "remote-keys")]
    #[must_use]
    pub fn jwk_set_url(mut self, url: impl Into<String>) -> Self {
        self.sources.push(Source::JwkSetUrl(url.into()));
        self
    }

    /// Takes the keys from this JWK Set (RFC 7517 §5), as JSON text. They never change.
    #[must_use]
    pub fn jwk_set(mut self, json: impl Into<String>) -> Self {
        self.sources.push(Source::JwkSet(json.into()));
        self
    }

    /// Takes this public key in PEM, for every token of the issuer whatever its `kid`. More than one call adds keys.
    #[must_use]
    pub fn pem(mut self, pem: impl Into<String>) -> Self {
        self.sources.push(Source::Pem(pem.into()));
        self
    }

    /// Accepts HMAC signatures made with this secret, HS256 unless [`algorithms`](Self::algorithms) says otherwise.
    ///
    /// Whoever holds the secret can make tokens; prefer public keys. The secret must be random and at least as long as
    /// the hash, 32 bytes for HS256 (RFC 7518 §3.2), and cannot stand beside public keys.
    #[must_use]
    pub fn shared_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.sources.push(Source::SharedSecret(secret.into()));
        self
    }

    /// Accepts tokens of this issuer for this audience, instead of the resource server's own audiences. Repeatable.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into().into_boxed_str());
        self
    }

    /// Accepts these algorithms only. Default: [all with a public key](Algorithm::PUBLIC_KEY).
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// How its keys are fetched and kept.
    #[cfg(feature = "remote-keys")]
    #[must_use]
    pub fn key_policy(mut self, policy: KeyPolicy) -> Self {
        self.key_policy = policy;
        self
    }

    /// Reads the audience from another claim than `aud`, for providers whose access tokens have none (Amazon Cognito:
    /// `client_id`).
    #[must_use]
    pub fn audience_claim(mut self, name: impl Into<String>) -> Self {
        self.audience_claim = name.into().into_boxed_str();
        self
    }

    /// Reads the scopes from the first of these claims that the token has. Default: `scope`, then `scp`.
    #[must_use]
    pub fn scope_claims<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.scope_claims = names.into_iter().map(|name| name.into().into_boxed_str()).collect();
        self
    }

    /// Strict RFC 9068: `typ` must be `at+jwt`, and `sub`, `client_id`, `iat` and `jti` must be there. Off by default,
    /// because most providers send `JWT`.
    #[must_use]
    pub const fn require_at_jwt(mut self) -> Self {
        self.require_at_jwt = true;
        self
    }

    /// Accepts access tokens with a `nonce`, which old versions of Keycloak make. By default a `nonce` marks an ID token.
    #[must_use]
    pub const fn allow_nonce(mut self) -> Self {
        self.allow_nonce = true;
        self
    }

    /// Accepts tokens that are bound to a key (`cnf`) although the request does not prove the key: whoever stole such a
    /// token can use it, which the binding was to prevent.
    #[must_use]
    pub const fn dangerously_accept_sender_constrained(mut self) -> Self {
        self.accept_sender_constrained = true;
        self
    }

    /// Allows plain HTTP to other hosts than loopback, for names inside a cluster. Whoever can change the traffic can
    /// then sign tokens.
    #[must_use]
    pub const fn dangerously_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    pub(crate) fn claim_names(&self) -> ClaimNames {
        ClaimNames { audience: self.audience_claim.clone(), scope: self.scope_claims.clone() }
    }

    /// The allowed algorithms, free of contradictions.
    pub(crate) fn checked_algorithms(&self) -> Result<Arc<[Algorithm]>, ConfigError> {
        let has_secret = self.sources.iter().any(|source| matches!(source, Source::SharedSecret(_)));
        let Some(algorithms) = &self.algorithms else {
            let default = if has_secret { &[Algorithm::HS256][..] } else { Algorithm::PUBLIC_KEY };
            return Ok(default.into());
        };
        let problem = if algorithms.is_empty() {
            "the list is empty, so no token could pass; name an algorithm or leave the setting out"
        } else if !has_secret && algorithms.iter().any(|algorithm| algorithm.is_hmac()) {
            "HMAC algorithms need `.shared_secret(..)` and cannot stand beside public keys; remove the HS algorithms"
        } else if has_secret && !algorithms.iter().all(|algorithm| algorithm.is_hmac()) {
            "public-key algorithms cannot stand beside `.shared_secret(..)`; configure one or the other"
        } else {
            return Ok(algorithms.as_slice().into());
        };
        Err(ConfigError::new("algorithms", problem))
    }

    /// RFC 8414 §2: an HTTPS URL without query and fragment.
    pub(crate) fn checked_url(&self) -> Result<(), ConfigError> {
        let shown = &self.url;
        let url = Url::parse(shown).map_err(|error| {
            ConfigError::new("issuer", format!("{shown:?} is not a URL ({error}); write it as in the tokens' `iss`"))
        })?;
        check_authority("issuer", &url, self.allow_http)?;
        let problem = if url.query().is_some() {
            "has a query"
        } else if url.fragment().is_some() {
            "has a fragment"
        } else {
            return Ok(());
        };
        Err(ConfigError::new("issuer", format!("{shown:?} {problem}, which no issuer may have; remove it")))
    }

    /// Keys that stand in the configuration are parsed here; others are fetched when first needed.
    #[cfg_attr(not(feature = "remote-keys"), allow(unused_variables))]
    pub(crate) fn keys(&self, algorithms: &Arc<[Algorithm]>, clock: &Arc<dyn Clock>) -> Result<Keys, ConfigError> {
        match self.sources.as_slice() {
            #[cfg(feature = "remote-keys")]
            [] => self.cached_keys(algorithms, clock, None),
            #[cfg(not(feature = "remote-keys"))]
            [] => Err(ConfigError::new(
                "issuer",
                "has no keys; add `.jwk_set(..)` or `.pem(..)`, or switch on the feature `remote-keys` for discovery",
            )),
            #[cfg(feature = "remote-keys")]
            [Source::JwkSetUrl(url)] => self.cached_keys(algorithms, clock, Some(url)),
            [Source::JwkSet(json)] => match JwkSet::parse(json.as_bytes(), algorithms) {
                Ok(set) => Ok(Keys::Fixed(set)),
                Err(error) => Err(ConfigError::new("jwk_set", format!("{error}; give the issuer's public keys"))),
            },
            [Source::SharedSecret(secret)] => secret_keys(secret, algorithms),
            sources => pem_keys(sources, algorithms),
        }
    }

    #[cfg(feature = "remote-keys")]
    fn cached_keys(
        &self,
        algorithms: &Arc<[Algorithm]>,
        clock: &Arc<dyn Clock>,
        jwk_set_url: Option<&String>,
    ) -> Result<Keys, ConfigError> {
        let policy = self.key_policy.clone();
        let client = HttpClient::new(policy.connect_timeout, policy.fetch_timeout)?;
        let source = match jwk_set_url {
            Some(text) => {
                let url = Url::parse(text).map_err(|error| {
                    ConfigError::new("jwk_set_url", format!("{text:?} is not a URL ({error}); give the full URL"))
                })?;
                check_authority("jwk_set_url", &url, self.allow_http)?;
                RemoteSource::at(client, url)
            }
            None => RemoteSource::discover(client, Arc::clone(&self.url), self.allow_http),
        };
        let (issuer, algorithms, clock) = (Arc::clone(&self.url), Arc::clone(algorithms), Arc::clone(clock));
        Ok(Keys::Cached(Arc::new(KeyCache::new(issuer, algorithms, Box::new(source), policy, clock))))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.url)
            .field("sources", &self.sources)
            .field("audiences", &self.audiences)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "remote-keys")]
            Self::JwkSetUrl(_) => "JwkSetUrl",
            Self::JwkSet(_) => "JwkSet",
            Self::Pem(_) => "Pem",
            Self::SharedSecret(_) => "SharedSecret",
        })
    }
}

/// HTTPS, or HTTP where nobody else can listen or the configuration says that it is all right.
pub(crate) fn is_secure_enough(url: &Url, allows_http: bool) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => allows_http || is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn check_authority(setting: &'static str, url: &Url, allows_http: bool) -> Result<(), ConfigError> {
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown: it may be a password. It would end up in logs, which name the URL of each failed fetch.
        return Err(ConfigError::new(setting, "the URL has user information in front of its host; remove it"));
    }
    if url.host().is_some() && is_secure_enough(url, allows_http) {
        return Ok(());
    }
    let problem = format!(
        "{:?} is not HTTPS, so anybody on the way could forge keys; use https, \
         or `.dangerously_allow_http()` for a name inside your own network",
        url.as_str()
    );
    Err(ConfigError::new(setting, problem))
}

fn pem_keys(sources: &[Source], algorithms: &[Algorithm]) -> Result<Keys, ConfigError> {
    let mut keys: Vec<VerifyingKey> = Vec::new();
    for source in sources {
        let Source::Pem(pem) = source else {
            let problem = "keys come from more than one kind of source; keep one of `jwk_set_url`, `jwk_set`, `pem` \
                           and `shared_secret`";
            return Err(ConfigError::new("issuer", problem));
        };
        keys.extend(verifying_keys_from_pem(pem, algorithms).map_err(|fault| {
            ConfigError::new("pem", format!("unusable key ({fault}); give a public key for an allowed algorithm"))
        })?);
    }
    Ok(Keys::Fixed(JwkSet::of_unnamed(keys)))
}

fn secret_keys(secret: &[u8], algorithms: &[Algorithm]) -> Result<Keys, ConfigError> {
    let distinct: HashSet<_> = secret.iter().collect();
    if distinct.len() < MIN_DISTINCT_SECRET_BYTES {
        let problem = "has too few different bytes to be random (RFC 8725 §3.5); generate it, e.g. `openssl rand 32`";
        return Err(ConfigError::new("shared_secret", problem));
    }
    let keys = algorithms.iter().map(|algorithm| VerifyingKey::secret(*algorithm, secret)).collect::<Result<_, _>>();
    let keys = keys.map_err(|_| {
        let problem = "is shorter than the hash (RFC 7518 §3.2); use at least 32 random bytes for HS256, 48 for HS384, \
                       64 for HS512";
        ConfigError::new("shared_secret", problem)
    })?;
    Ok(Keys::Fixed(JwkSet::of_unnamed(keys)))
}
