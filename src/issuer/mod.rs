//! One authorization server whose tokens are accepted, and where its keys are.

mod description;
#[cfg(feature = "remote-keys")]
mod http_settings;
mod introspection_settings;
mod key_assembly;
mod key_location_settings;
mod speaker_settings;

use std::fmt;
use std::sync::Arc;

pub use description::{FailoverDescription, IssuerDescription, OmittedSetting};

#[cfg(feature = "remote-keys")]
use http_settings::KeyRequests;
use key_assembly::KeyLocation;

use crate::claims::ClaimNames;
use crate::config_error::ConfigError;
use crate::introspection::Introspection;
use crate::jose::Algorithm;
use crate::keys::KeyPolicy;
use crate::speaker::Markers;
use crate::urls::check_issuer_name;

const DEFAULT_AUDIENCE_CLAIM: &str = "aud";
const DEFAULT_SCOPE_CLAIMS: [&str; 2] = ["scope", "scp"];
const DEFAULT_CLIENT_ID_CLAIMS: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// An authorization server whose tokens are accepted.
///
/// Its opaque tokens are accepted if introspection is configured: see [`introspection`](Self::introspection). Its keys
/// are found by discovery unless one of [`metadata_url`](Self::metadata_url),
/// [`jwk_set_url`](Self::jwk_set_url), [`jwk_set_file`](Self::jwk_set_file), [`key_source`](Self::key_source),
/// [`jwk_set`](Self::jwk_set), [`pem`](Self::pem) or [`shared_secret`](Self::shared_secret) says otherwise.
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
    key_locations: Vec<KeyLocation>,
    failovers: Vec<KeyLocation>,
    pub(crate) audiences: Vec<Box<str>>,
    algorithms: Option<Vec<Algorithm>>,
    key_policy: KeyPolicy,
    #[cfg(feature = "remote-keys")]
    key_requests: KeyRequests,
    pub(crate) audience_claim: Box<str>,
    pub(crate) scope_claims: Vec<Box<str>>,
    pub(crate) client_id_claims: Vec<Box<str>>,
    pub(crate) markers: Markers,
    pub(crate) require_at_jwt: bool,
    pub(crate) allow_nonce: bool,
    pub(crate) accept_sender_constrained: bool,
    introspection: Option<Introspection>,
    pub(crate) has_no_keys: bool,
    pub(crate) answers_without_audience: bool,
    pub(crate) answers_without_expiry: bool,
    allow_http: bool,
}

impl Issuer {
    /// The issuer with this name, exactly as in the tokens' `iss` and in the metadata; a trailing slash matters.
    ///
    /// If discovery finds the keys, the name is a URL: HTTPS, except on loopback, without query and fragment (RFC 8414
    /// §2). Otherwise nothing is fetched from it, and it may be anything that `iss` may be (RFC 7519 §4.1.1):
    /// `privy.example`, `urn:example:issuer`, an `http` URL. `build()` rejects a name that no token can match or that
    /// is a mistake: one that is empty, is longer than 1,024 bytes, has control characters, has space around it, or has
    /// a colon but is not a URI; a URL with user information; and the URL of metadata.
    ///
    /// ```
    /// use tower_bearer::{Issuer, ResourceServer};
    ///
    /// # fn configured(jwk_set: String) -> Result<ResourceServer, tower_bearer::ConfigError> {
    /// ResourceServer::builder()
    ///     .audience("https://api.example.com")
    ///     .issuer(Issuer::new("privy.example").jwk_set(jwk_set))
    ///     .build()
    /// # }
    /// # let _ = configured;
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            url: name.into().into(),
            key_locations: Vec::new(),
            failovers: Vec::new(),
            audiences: Vec::new(),
            algorithms: None,
            key_policy: KeyPolicy::default(),
            #[cfg(feature = "remote-keys")]
            key_requests: KeyRequests::default(),
            audience_claim: DEFAULT_AUDIENCE_CLAIM.into(),
            scope_claims: DEFAULT_SCOPE_CLAIMS.map(Into::into).into(),
            client_id_claims: DEFAULT_CLIENT_ID_CLAIMS.map(Into::into).into(),
            markers: Markers::default(),
            require_at_jwt: false,
            allow_nonce: false,
            accept_sender_constrained: false,
            introspection: None,
            has_no_keys: false,
            answers_without_audience: false,
            answers_without_expiry: false,
            allow_http: false,
        }
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

    /// Accepts access tokens with a `nonce`, which old versions of Keycloak make. By default a `nonce` marks an ID
    /// token.
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

    pub(crate) fn claim_names(&self) -> ClaimNames {
        ClaimNames {
            audience: self.audience_claim.clone(),
            scope: self.scope_claims.clone(),
            client: self.client_id_claims.clone(),
        }
    }

    /// The allowed algorithms, free of contradictions.
    pub(crate) fn checked_algorithms(&self) -> Result<Arc<[Algorithm]>, ConfigError> {
        let has_secret = self.key_locations.iter().any(|location| matches!(location, KeyLocation::SharedSecret(_)));
        let Some(algorithms) = &self.algorithms else {
            let default = if has_secret { Algorithm::SHARED_SECRET } else { Algorithm::PUBLIC_KEY };
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

    pub(crate) fn check_name(&self) -> Result<(), ConfigError> {
        check_issuer_name(&self.url)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.url)
            .field("keys", &self.key_locations)
            .field("failovers", &self.failovers)
            .field("introspection", &self.introspection)
            .field("audiences", &self.audiences)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}
