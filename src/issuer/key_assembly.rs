//! Where an issuer's keys are, and how they get from there into a resource server.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "remote-keys")]
use url::Url;

use super::Issuer;
use crate::config_error::ConfigError;
use crate::jose::{Algorithm, JwkSet, KeyFault, VerifyingKey, describe_dropped};
#[cfg(feature = "remote-keys")]
use crate::keys::{Discovery, HttpClient, RemoteLocation, RemoteSource, Wanted};
use crate::keys::{FailoverSource, FileSource, KeyCache, KeyEnvironment, KeySource, Keys};
use crate::telemetry::IssuerMeter;
#[cfg(feature = "remote-keys")]
use crate::urls::{check_discovered_issuer, check_fetched};

/// A secret with fewer different bytes is taken for a password (RFC 8725 §3.5).
const MIN_DISTINCT_SECRET_BYTES: usize = 12;

/// Where keys are, when not to be found by discovery.
#[derive(Clone)]
pub(super) enum KeyLocation {
    #[cfg(feature = "remote-keys")]
    JwkSetUrl(String),
    #[cfg(feature = "remote-keys")]
    MetadataUrl(String),
    File(PathBuf),
    Source(Arc<dyn KeySource>),
    JwkSet(String),
    Pem(String),
    SharedSecret(Vec<u8>),
}

impl Issuer {
    /// Keys that stand in the configuration are parsed here; others are fetched when first needed.
    pub(crate) fn keys(
        &self,
        algorithms: &Arc<[Algorithm]>,
        environment: &KeyEnvironment,
        meter: IssuerMeter,
    ) -> Result<Keys, ConfigError> {
        let fixed = match self.key_locations.as_slice() {
            [] => None,
            [location] if location.is_fetched() => None,
            [KeyLocation::JwkSet(json)] => Some(fixed_set(&self.url, json, algorithms)?),
            [KeyLocation::SharedSecret(secret)] => Some(secret_keys(secret, algorithms)?),
            locations => match locations.iter().map(KeyLocation::as_pem).collect::<Option<Vec<_>>>() {
                Some(pems) => Some(pem_keys(&self.url, &pems, algorithms)?),
                None => {
                    let problem = "keys come from more than one place; keep one of `.jwk_set_url(..)`, \
                                   `.metadata_url(..)`, `.key_source(..)`, `.jwk_set(..)`, `.shared_secret(..)` and \
                                   `.pem(..)`, of which only the last can be repeated";
                    return Err(ConfigError::new("issuer", problem));
                }
            },
        };
        match fixed {
            Some(_) if !self.failovers.is_empty() => {
                let problem = "has a failover beside keys that stand in the configuration and cannot fail; remove the \
                               failover, or let the keys be fetched";
                Err(ConfigError::new("issuer", problem))
            }
            Some(fixed) => {
                #[cfg(feature = "remote-keys")]
                self.check_unused_requests()?;
                Ok(fixed)
            }
            None => self.cached_keys(algorithms, environment, meter),
        }
    }

    fn cached_keys(
        &self,
        algorithms: &Arc<[Algorithm]>,
        environment: &KeyEnvironment,
        meter: IssuerMeter,
    ) -> Result<Keys, ConfigError> {
        self.key_policy.check()?;
        let (issuer, policy) = (Arc::clone(&self.url), self.key_policy.clone());
        let mut sources = self.sources(environment)?;
        let source = match (sources.pop(), sources.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                sources.extend(last);
                Arc::new(FailoverSource::new(Arc::clone(&issuer), Arc::clone(algorithms), sources, &policy))
            }
        };
        let cache =
            KeyCache::new(issuer, Arc::clone(algorithms), source, policy, Arc::clone(&environment.clock), meter);
        Ok(Keys::Cached(Arc::new(cache)))
    }

    /// The first source, and its failovers in order.
    #[cfg(feature = "remote-keys")]
    fn sources(&self, environment: &KeyEnvironment) -> Result<Vec<Arc<dyn KeySource>>, ConfigError> {
        let mut sources: Vec<Arc<dyn KeySource>> = Vec::new();
        let limit = match self.failovers.len() {
            0 => self.key_policy.fetch_timeout,
            failovers => FailoverSource::share(&self.key_policy, failovers + 1),
        };
        let mut client: Option<HttpClient> = None;
        let first = std::iter::once(self.key_locations.first());
        for location in first.chain(self.failovers.iter().map(Some)) {
            let place = match location {
                Some(KeyLocation::Source(source)) => {
                    sources.push(Arc::clone(source));
                    continue;
                }
                Some(KeyLocation::File(path)) => {
                    sources.push(Arc::new(FileSource::new(path.clone())));
                    continue;
                }
                Some(KeyLocation::JwkSetUrl(url)) => {
                    let setting = if sources.is_empty() { "jwk_set_url" } else { "failover_jwk_set_url" };
                    RemoteLocation::JwkSet(check_fetched(setting, url, self.allow_http)?)
                }
                Some(KeyLocation::MetadataUrl(url)) => {
                    let url = check_fetched("metadata_url", url, self.allow_http)?;
                    self.discovery(Discovery::at(Wanted::JwksUri, Arc::clone(&self.url), url))
                }
                // Keys that stand in the configuration are no source.
                _ => {
                    let url = check_discovered_issuer(&self.url, self.allow_http)?;
                    self.discovery(Discovery::at_issuer(Wanted::JwksUri, Arc::clone(&self.url), &url))
                }
            };
            let client = match &client {
                Some(client) => client,
                None => {
                    // A failover is not the configured origin, even if its URL is the first one.
                    let configured =
                        if sources.is_empty() { place.entry().cloned() } else { Url::parse(&self.url).ok() };
                    let configured = configured.as_ref();
                    client.insert(self.key_requests.client(&environment.clients, &self.key_policy, configured)?)
                }
            };
            if let Some(url) = place.entry() {
                client.check_literal(url).map_err(|error| {
                    let problem = format!("{error}; remove the network, or use another address");
                    ConfigError::new("refuse_networks", problem)
                })?;
            }
            sources.push(Arc::new(RemoteSource::new(client.clone(), place, limit)));
        }
        if client.is_none() {
            self.check_unused_requests()?;
        }
        if !matches!(self.key_locations.first(), None | Some(KeyLocation::MetadataUrl(_))) {
            self.check_no_discovery()?;
        }
        Ok(sources)
    }

    /// Settings for HTTP requests of which there are none.
    #[cfg(feature = "remote-keys")]
    fn check_unused_requests(&self) -> Result<(), ConfigError> {
        if self.introspects_over_http() { self.check_no_discovery() } else { self.key_requests.check_unused() }
    }

    /// Settings for metadata, of which there are none.
    #[cfg(feature = "remote-keys")]
    fn check_no_discovery(&self) -> Result<(), ConfigError> {
        if self.discovers_endpoint() { Ok(()) } else { self.key_requests.check_no_discovery() }
    }

    #[cfg(feature = "remote-keys")]
    fn discovery(&self, discovery: Discovery) -> RemoteLocation {
        let discovery = discovery.allow_http(self.allow_http).require_same_origin(self.key_requests.same_origin);
        RemoteLocation::Discovery(Box::new(discovery))
    }

    /// The first source, and its failovers in order.
    #[cfg(not(feature = "remote-keys"))]
    fn sources(&self, _: &KeyEnvironment) -> Result<Vec<Arc<dyn KeySource>>, ConfigError> {
        if self.key_locations.is_empty() {
            let problem = "has no keys; add `.jwk_set(..)`, or the feature `remote-keys` for discovery";
            return Err(ConfigError::new("issuer", problem));
        }
        let source = |location: &KeyLocation| -> Option<Arc<dyn KeySource>> {
            match location {
                KeyLocation::Source(source) => Some(Arc::clone(source)),
                KeyLocation::File(path) => Some(Arc::new(FileSource::new(path.clone()))),
                _ => None,
            }
        };
        Ok(self.key_locations.iter().chain(&self.failovers).filter_map(source).collect())
    }
}

impl KeyLocation {
    fn is_fetched(&self) -> bool {
        match self {
            #[cfg(feature = "remote-keys")]
            Self::JwkSetUrl(_) | Self::MetadataUrl(_) => true,
            Self::File(_) | Self::Source(_) => true,
            Self::JwkSet(_) | Self::Pem(_) | Self::SharedSecret(_) => false,
        }
    }

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
            #[cfg(feature = "remote-keys")]
            Self::MetadataUrl(_) => "MetadataUrl",
            Self::File(path) => return f.debug_tuple("File").field(path).finish(),
            Self::Source(source) => return source.fmt(f),
            Self::JwkSet(_) => "JwkSet",
            Self::Pem(_) => "Pem",
            Self::SharedSecret(_) => "SharedSecret",
        })
    }
}

/// Unusable keys are dropped, as from every source. A ROCA key is an error instead: anybody can sign with it, and the
/// configuration says to trust it.
fn fixed_set(issuer: &str, json: &str, algorithms: &[Algorithm]) -> Result<Keys, ConfigError> {
    let problem = |error| ConfigError::new("jwk_set", format!("{error}; give the issuer's public keys"));
    let set = JwkSet::parse(json.as_bytes(), algorithms).map_err(problem)?;
    let weak: Vec<_> = set.dropped().iter().filter(|key| key.fault == KeyFault::Roca).cloned().collect();
    if !weak.is_empty() {
        let problem = format!("{}; remove it, and have the issuer replace it", describe_dropped(&weak));
        return Err(ConfigError::new("jwk_set", problem));
    }
    Ok(Keys::fixed(issuer, set))
}

fn pem_keys(issuer: &str, pems: &[&str], algorithms: &[Algorithm]) -> Result<Keys, ConfigError> {
    let set = JwkSet::from_pem(pems, algorithms).map_err(|problem| ConfigError::new("pem", problem))?;
    Ok(Keys::fixed(issuer, set))
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
    Ok(Keys::Fixed(JwkSet::of_secret(keys)))
}
