//! Introspection (RFC 7662): the application's settings, and the introspector that they make.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "remote-keys")]
use url::Url;

use super::Issuer;
#[cfg(feature = "remote-keys")]
use super::key_assembly::KeyLocation;
use crate::config_error::ConfigError;
#[cfg(feature = "remote-keys")]
use crate::introspection::{EndpointLocation, RemoteEndpoint, SignedAnswers};
use crate::introspection::{Introspection, IntrospectionPlace, Introspector, Method};
use crate::jose::Algorithm;
use crate::keys::KeyEnvironment;
#[cfg(feature = "remote-keys")]
use crate::keys::{Discovery, Wanted};
use crate::telemetry::IntrospectionMeter;
#[cfg(feature = "remote-keys")]
use crate::urls::{check_discovered_issuer, check_fetched};

impl Issuer {
    /// Asks the issuer about its opaque tokens (RFC 7662), in addition to verifying its JWTs with its keys. An issuer
    /// that has no keys needs [`without_keys`](Self::without_keys).
    ///
    /// A token is opaque if its first part is not the header of a JWT. A JWT of an issuer that is not configured is
    /// never sent anywhere. Default: off, so opaque tokens are refused as `opaque_token`.
    ///
    /// ```
    /// use tower_bearer::{ClientSecretBasic, Introspection, Issuer, ResourceServer};
    ///
    /// # fn configured(secret: String) -> Result<ResourceServer, tower_bearer::ConfigError> {
    /// let client = ClientSecretBasic::new("leads-api", secret);
    /// let issuer = Issuer::new("https://as.example.com").introspection(Introspection::discovered().client(client));
    /// ResourceServer::builder().audience("https://api.example.com").issuer(issuer).build()
    /// # }
    /// # assert!(configured(String::from("s3cret")).is_ok());
    /// ```
    #[must_use]
    pub fn introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// The issuer has no keys, or they must not be used: all of its tokens are introspected, its JWTs included. No keys
    /// are fetched. `build()` rejects it without [`introspection`](Self::introspection), and together with a setting
    /// that says where keys are.
    #[must_use]
    pub const fn without_keys(mut self) -> Self {
        self.has_no_keys = true;
        self
    }

    /// Accepts answers about tokens without `aud`, which many servers leave out. A token for any other API of the same
    /// issuer then passes, unless the endpoint itself refuses it for our client (RFC 7662 §4). An `aud` that is there must
    /// still be ours. JWTs that are verified with keys still need it. Default: `aud` is required.
    #[must_use]
    pub const fn introspection_without_audience(mut self) -> Self {
        self.answers_without_audience = true;
        self
    }

    /// Accepts answers about tokens without `exp`, for tokens that end only when they are revoked.
    /// [`ValidatedToken::expires_at`](crate::ValidatedToken::expires_at) is then the time of asking plus the
    /// [cache time](Introspection::cache). Default: `exp` is required.
    #[must_use]
    pub const fn introspection_without_expiry(mut self) -> Self {
        self.answers_without_expiry = true;
        self
    }

    /// The introspector, unless the settings contradict each other.
    #[cfg_attr(not(feature = "remote-keys"), expect(unused_variables, reason = "for signed responses of an endpoint"))]
    pub(crate) fn introspector(
        &self,
        environment: &KeyEnvironment,
        algorithms: &Arc<[Algorithm]>,
        (leeway, has_token_cache): (Duration, bool),
        meter: impl FnOnce() -> IntrospectionMeter,
    ) -> Result<Option<Introspector>, ConfigError> {
        let Some(introspection) = &self.introspection else { return self.check_no_introspection().map(|()| None) };
        introspection.check()?;
        if self.has_no_keys && !(self.key_locations.is_empty() && self.failovers.is_empty()) {
            let problem = "is set next to a place for keys; keep one of them";
            return Err(ConfigError::new("without_keys", problem));
        }
        if let Some(setting) = introspection.needs_keys().filter(|_| self.has_no_keys) {
            let problem =
                format!("`{setting}` needs the issuer's keys, and it has none; remove it or `.without_keys()`");
            return Err(ConfigError::new("introspection", problem));
        }
        if introspection.cannot_be_signed() {
            let problem = "`signed_answers` has no effect with a source of your own; check signatures there";
            return Err(ConfigError::new("introspection", problem));
        }
        if introspection.serves_stale() && !has_token_cache {
            let problem =
                "`serve_stale` needs the token cache, which is off; set `.token_cache_bytes(..)` to more than 0";
            return Err(ConfigError::new("introspection", problem));
        }
        let method = match &introspection.place {
            IntrospectionPlace::Source(source) => Method::Source(Arc::clone(source)),
            #[cfg(feature = "remote-keys")]
            _ => {
                let audiences = introspection.signed_audiences();
                let signed = audiences.map(|audiences| {
                    SignedAnswers::new(Arc::clone(&self.url), Arc::clone(algorithms), audiences, leeway)
                });
                Method::Endpoint(Box::new(self.endpoint(introspection, environment, signed)?))
            }
        };
        let clock = Arc::clone(&environment.clock);
        let introspector = Introspector::new(Arc::clone(&self.url), method, introspection, clock, meter());
        introspector.map(Some).ok_or_else(|| {
            ConfigError::new("introspection", "this machine gives no random numbers to tell tokens apart by; fix that")
        })
    }

    /// Whether its HTTP settings have an effect although no keys are fetched.
    #[cfg(feature = "remote-keys")]
    pub(super) fn introspects_over_http(&self) -> bool {
        let place = self.introspection.as_ref().map(|introspection| &introspection.place);
        place.is_some_and(|place| !matches!(place, IntrospectionPlace::Source(_)))
    }

    /// Whether the issuer's metadata says where its introspection endpoint is.
    #[cfg(feature = "remote-keys")]
    pub(super) fn discovers_endpoint(&self) -> bool {
        let place = self.introspection.as_ref().map(|introspection| &introspection.place);
        matches!(place, Some(IntrospectionPlace::Discovery))
    }

    fn check_no_introspection(&self) -> Result<(), ConfigError> {
        let setting = if self.has_no_keys {
            "without_keys"
        } else if self.answers_without_audience {
            "introspection_without_audience"
        } else if self.answers_without_expiry {
            "introspection_without_expiry"
        } else {
            return Ok(());
        };
        Err(ConfigError::new(setting, "is set without `.introspection(..)`; add that, or remove it"))
    }

    #[cfg(feature = "remote-keys")]
    fn endpoint(
        &self,
        introspection: &Introspection,
        environment: &KeyEnvironment,
        signed: Option<SignedAnswers>,
    ) -> Result<RemoteEndpoint, ConfigError> {
        let Some(authentication) = &introspection.client else {
            let problem = "has no client, and an endpoint must authenticate its callers (RFC 7662 §2.1); add \
                           `.client(ClientSecretBasic::new(..))` or another `ClientAuthentication`";
            return Err(ConfigError::new("introspection", problem));
        };
        self.key_policy.check()?;
        if self.has_no_keys && !self.discovers_endpoint() {
            self.key_requests.check_no_discovery()?;
        }
        let (location, entry) = match &introspection.place {
            IntrospectionPlace::Url(url) => {
                let url = check_fetched("introspection", url, self.allow_http)?;
                (EndpointLocation::Url(url.clone()), url)
            }
            _ => self.discovered_endpoint()?,
        };
        // Headers for keys go along if the endpoint is on the same origin as these.
        let configured = if self.has_no_keys { Some(entry.clone()) } else { self.origin_of_keys() };
        let client = self.key_requests.client(&environment.clients, &self.key_policy, configured.as_ref())?;
        client.check_literal(&entry).map_err(|error| {
            let problem = format!("{error}; remove the network, or use another address");
            ConfigError::new("refuse_networks", problem)
        })?;
        let (issuer, authentication) = (Arc::clone(&self.url), Arc::clone(authentication));
        let timing = (introspection.call_timeout(), Arc::clone(&environment.clock));
        Ok(RemoteEndpoint::new(issuer, client, location, authentication, signed, timing))
    }

    /// The metadata is at the same place as for keys.
    #[cfg(feature = "remote-keys")]
    fn discovered_endpoint(&self) -> Result<(EndpointLocation, Url), ConfigError> {
        let (issuer, wanted) = (Arc::clone(&self.url), Wanted::IntrospectionEndpoint);
        let (discovery, entry) = match self.key_locations.first() {
            Some(KeyLocation::MetadataUrl(url)) => {
                let url = check_fetched("metadata_url", url, self.allow_http)?;
                (Discovery::at(wanted, issuer, url.clone()), url)
            }
            _ => {
                let url = check_discovered_issuer(&self.url, self.allow_http)?;
                (Discovery::at_issuer(wanted, issuer, &url), url)
            }
        };
        let discovery = discovery.allow_http(self.allow_http).require_same_origin(self.key_requests.same_origin);
        Ok((EndpointLocation::Discovery(Box::new(discovery)), entry))
    }

    #[cfg(feature = "remote-keys")]
    fn origin_of_keys(&self) -> Option<Url> {
        match self.key_locations.first() {
            Some(KeyLocation::JwkSetUrl(url) | KeyLocation::MetadataUrl(url)) => Url::parse(url).ok(),
            _ => Url::parse(&self.url).ok(),
        }
    }
}
