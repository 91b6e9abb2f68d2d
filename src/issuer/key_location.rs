//! Where an issuer's keys are, and how they get from there into a resource server.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::Issuer;
use crate::error::ConfigError;
use crate::jose::{Algorithm, JwkSet, VerifyingKey, verifying_keys_from_pem};
#[cfg(feature = "remote-keys")]
use crate::keys::{HttpClient, RemoteSource};
use crate::keys::{KeyCache, KeySource, Keys};
use crate::time::Clock;
#[cfg(feature = "remote-keys")]
use crate::urls::check_jwk_set;

/// A secret with fewer different bytes is taken for a password (RFC 8725 §3.5).
const MIN_DISTINCT_SECRET_BYTES: usize = 12;

/// Where keys are, when not to be found by discovery.
#[derive(Clone)]
pub(super) enum KeyLocation {
    #[cfg(feature = "remote-keys")]
    JwkSetUrl(String),
    Source(Arc<dyn KeySource>),
    JwkSet(String),
    Pem(String),
    SharedSecret(Vec<u8>),
}

impl Issuer {
    /// Keys that stand in the configuration are parsed here; others are fetched when first needed.
    pub(crate) fn keys(&self, algorithms: &Arc<[Algorithm]>, clock: &Arc<dyn Clock>) -> Result<Keys, ConfigError> {
        let source: Arc<dyn KeySource> = match self.key_locations.as_slice() {
            [KeyLocation::JwkSet(json)] => {
                let set = JwkSet::parse(json.as_bytes(), algorithms);
                let problem = |error| ConfigError::new("jwk_set", format!("{error}; give the issuer's public keys"));
                return set.map(Keys::Fixed).map_err(problem);
            }
            [KeyLocation::SharedSecret(secret)] => return secret_keys(secret, algorithms),
            [KeyLocation::Source(source)] => Arc::clone(source),
            #[cfg(feature = "remote-keys")]
            [KeyLocation::JwkSetUrl(url)] => {
                Arc::new(RemoteSource::at(self.built_client()?, check_jwk_set(url, self.allow_http)?))
            }
            #[cfg(feature = "remote-keys")]
            [] => Arc::new(RemoteSource::discover(self.built_client()?, Arc::clone(&self.url), self.allow_http)),
            #[cfg(not(feature = "remote-keys"))]
            [] => {
                let problem = "has no keys; add `.jwk_set(..)`, or the feature `remote-keys` for discovery";
                return Err(ConfigError::new("issuer", problem));
            }
            locations => match locations.iter().map(KeyLocation::as_pem).collect::<Option<Vec<_>>>() {
                Some(pems) => return pem_keys(&pems, algorithms),
                None => {
                    let problem = "keys come from more than one place; keep one of `.jwk_set_url(..)`, \
                                   `.key_source(..)`, `.jwk_set(..)`, `.shared_secret(..)` and `.pem(..)`, \
                                   of which only the last can be repeated";
                    return Err(ConfigError::new("issuer", problem));
                }
            },
        };
        self.key_policy.check()?;
        let (issuer, policy) = (Arc::clone(&self.url), self.key_policy.clone());
        let cache = KeyCache::new(issuer, Arc::clone(algorithms), source, policy, Arc::clone(clock));
        Ok(Keys::Cached(Arc::new(cache)))
    }

    #[cfg(feature = "remote-keys")]
    fn built_client(&self) -> Result<HttpClient, ConfigError> {
        HttpClient::new(&*self.configure_client, self.key_policy.connect_timeout, self.key_policy.fetch_timeout)
    }
}

impl KeyLocation {
    fn as_pem(&self) -> Option<&str> {
        match self {
            Self::Pem(pem) => Some(pem),
            _ => None,
        }
    }
}

impl fmt::Debug for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "remote-keys")]
            Self::JwkSetUrl(_) => "JwkSetUrl",
            Self::Source(source) => return source.fmt(f),
            Self::JwkSet(_) => "JwkSet",
            Self::Pem(_) => "Pem",
            Self::SharedSecret(_) => "SharedSecret",
        })
    }
}

fn pem_keys(pems: &[&str], algorithms: &[Algorithm]) -> Result<Keys, ConfigError> {
    let mut keys: Vec<VerifyingKey> = Vec::new();
    for pem in pems {
        if !pem.contains("-----BEGIN ") {
            let problem =
                "the text is not PEM; give the key itself, from `-----BEGIN PUBLIC KEY-----` on, not its path";
            return Err(ConfigError::new("pem", problem));
        }
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
