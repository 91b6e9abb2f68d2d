//! The configuration of a resource server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use super::description::{DEFAULT_LEEWAY, DEFAULT_MAX_TOKEN_BYTES, ResourceServerDescription};
use super::revocation_settings::RevocationSettings;
use super::{Inner, ResourceServer};
use crate::challenge::Realm;
use crate::config_error::ConfigError;
use crate::error::TokenError;
use crate::issuer::{Issuer, OmittedSetting};
use crate::keys::KeyEnvironment;
use crate::response::{Hook, RefusalBody, Responder};
use crate::revocation::RevocationCheck;
use crate::server_context::ServerContext;
use crate::status_policy::StatusPolicy;
use crate::telemetry;
use crate::time::{Clock, SystemClock};
use crate::token_cache::{self, TokenCache};
use crate::trust::{CommonRules, IssuerResolver, TrustedIssuers};

const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// Configures a [`ResourceServer`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build()`"]
pub struct ResourceServerBuilder {
    audiences: Vec<Box<str>>,
    issuers: Vec<Issuer>,
    resolver: Option<Arc<dyn IssuerResolver>>,
    realm: Option<String>,
    leeway: Duration,
    max_token_age: Option<Duration>,
    max_token_bytes: usize,
    token_cache_bytes: usize,
    revocation: RevocationSettings,
    statuses: StatusPolicy,
    body: RefusalBody,
    hook: Option<Arc<Hook>>,
    clock: Option<Arc<dyn Clock>>,
}

impl Default for ResourceServerBuilder {
    fn default() -> Self {
        Self {
            audiences: Vec::new(),
            issuers: Vec::new(),
            resolver: None,
            realm: None,
            leeway: DEFAULT_LEEWAY,
            max_token_age: None,
            max_token_bytes: DEFAULT_MAX_TOKEN_BYTES,
            token_cache_bytes: token_cache::DEFAULT_BYTES,
            revocation: RevocationSettings::default(),
            statuses: StatusPolicy::default(),
            body: RefusalBody::default(),
            hook: None,
            clock: None,
        }
    }
}

impl ResourceServerBuilder {
    /// Accepts tokens for this audience: what the authorization server writes into `aud` for this API. Repeatable;
    /// a token must name one of them, byte by byte.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into().into_boxed_str());
        self
    }

    /// Accepts tokens of this issuer. Repeatable.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Asks the application about issuers that are not configured, for an API with many tenants. The closure takes the
    /// `iss` of a token **that nobody has verified yet**: look it up in a list of your own.
    ///
    /// Calls are bounded: one at a time for an issuer, each up to 5 seconds of which a request waits 2, and at most 100
    /// under way or fruitless within 30 seconds. An issuer that is not ours is not asked for again for 30 seconds; when
    /// the resolver fails, requests get 503 and the next call comes after 5 seconds. Up to 1,000 resolved issuers are
    /// kept; then the one that was verified least recently goes, and if that one never was, the call counts as
    /// fruitless too: tokens that merely name tenants in turn cost no more. Each has its own keys and its own budget
    /// for fetching them, and costs nothing while nobody uses it. Tenants share one HTTP client unless
    /// [`Issuer::http_client`] gives them their own.
    ///
    /// ```
    /// use tower_bearer::{Issuer, ResourceServer};
    ///
    /// async fn is_tenant(_issuer: &str) -> Result<bool, std::io::Error> {
    ///     Ok(true) // ask the database
    /// }
    ///
    /// let api = ResourceServer::builder()
    ///     .audience("https://api.example.com")
    ///     .issuer_resolver(|issuer: String| async move {
    ///         Ok(is_tenant(&issuer).await?.then(|| Issuer::new(issuer)))
    ///     })
    ///     .build()?;
    /// # let _ = api;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn issuer_resolver(mut self, resolver: impl IssuerResolver) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// The `realm` of challenges (RFC 9110 §11.5). Default: the first audience.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// How far the issuer's clock and ours may be apart. Default 30 seconds, at most 300.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Refuses tokens that were issued longer ago, by `iat`, which is then required. Default: only `exp` ends a token.
    pub const fn max_token_age(mut self, age: Duration) -> Self {
        self.max_token_age = Some(age);
        self
    }

    /// Refuses larger tokens before anything in them is decoded. Default 16 KiB. Over HTTP/2 the server's own limit on
    /// headers comes first.
    pub const fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// How much memory accepted tokens may take, so that their signature is not checked again when they come back.
    /// Default 32 MiB, room for about 30,000 tokens; at least 1 MiB, or 0 for none.
    ///
    /// A token from the cache is as good as one that was just checked: its time, its key, its issuer and the age of the
    /// issuer's keys are looked at for every request. What is kept are its claims and a keyed digest of its text, never
    /// the text. Tokens that were refused are not kept, and a flood of tokens that come once does not displace those
    /// that come again.
    ///
    /// ```
    /// use tower_bearer::{Issuer, ResourceServer};
    ///
    /// let api = ResourceServer::builder()
    ///     .audience("https://api.example.com")
    ///     .issuer(Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys"))
    ///     .token_cache_bytes(256 * 1024 * 1024) // some 250,000 tokens
    ///     .build()?;
    /// # let _ = api;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub const fn token_cache_bytes(mut self, bytes: usize) -> Self {
        self.token_cache_bytes = bytes;
        self
    }

    /// Asks at every use of every token whether it was revoked: in a [`RevocationList`](crate::RevocationList), or in any
    /// other way. Default: a JWT is accepted until it expires. The [guide](crate::guide::revocation) says when to use this,
    /// and what it costs.
    ///
    /// A check that has a [maximum lifetime](RevocationCheck::max_token_lifetime) of tokens, as the list does, makes `iat`
    /// required: of it and [`max_token_age`](Self::max_token_age), the stricter holds.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{Issuer, ResourceServer, RevocationList};
    ///
    /// let revoked = RevocationList::new(Duration::from_secs(600))?; // the longest lifetime of a token
    /// let api = ResourceServer::builder()
    ///     .audience("https://api.example.com")
    ///     .issuer(Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys"))
    ///     .revocation(revoked.clone())
    ///     .build()?;
    ///
    /// // From here on, every token that alice has is refused:
    /// revoked.revoke_subject("https://as.example.com", "alice")?;
    /// # let _ = api;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn revocation(mut self, check: impl RevocationCheck) -> Self {
        self.revocation.check = Some(Arc::new(check));
        self
    }

    /// How long a request waits for the verdict of a [revocation check](Self::revocation) that takes time; then it gets
    /// 503. Default 250 milliseconds: a shared store in the same network answers in a few.
    pub const fn revocation_wait(mut self, wait: Duration) -> Self {
        self.revocation.wait = wait;
        self
    }

    /// Which status each kind of refusal gets. Default: [`StatusPolicy::default`].
    pub fn status_policy(mut self, statuses: StatusPolicy) -> Self {
        self.statuses = statuses;
        self
    }

    /// What the body of a refusal holds. Default: JSON.
    pub const fn refusal_body(mut self, body: RefusalBody) -> Self {
        self.body = body;
        self
    }

    /// Changes the response of a refusal: another body, more headers. It stays an error: a status below 400 is put
    /// back.
    ///
    /// ```
    /// use tower_bearer::{Issuer, ResourceServer};
    ///
    /// let api = ResourceServer::builder()
    ///     .audience("https://api.example.com")
    ///     .issuer(Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys"))
    ///     .on_refusal(|error, mut response| {
    ///         *response.body_mut() = format!("refused: {}", error.reason()).into();
    ///         response
    ///     })
    ///     .build()?;
    /// # let _ = api;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn on_refusal(
        mut self,
        hook: impl Fn(&TokenError, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// Where the time comes from. Default: the machine's clocks.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Checks the configuration. Nothing is fetched.
    ///
    /// # Errors
    ///
    /// When something needed is missing or two settings contradict each other; the text says what to do.
    pub fn build(self) -> Result<ResourceServer, ConfigError> {
        if self.issuers.is_empty() && self.resolver.is_none() {
            return Err(ConfigError::new("issuer", "none is set; add `.issuer(Issuer::new(\"https://…\"))`"));
        }
        if self.leeway > MAX_LEEWAY {
            let problem = format!("{:?} is more than 300 s; fix the clocks instead", self.leeway);
            return Err(ConfigError::new("leeway", problem));
        }
        if self.max_token_bytes == 0 {
            return Err(ConfigError::new(
                "max_token_bytes",
                "0 refuses every token; leave it at its default of 16 KiB",
            ));
        }
        self.revocation.check(self.leeway)?;
        let max_token_age = self.revocation.max_token_age(self.max_token_age);
        let token_cache = TokenCache::new(self.token_cache_bytes)?.map(Arc::new);
        let realm = self.realm.clone().unwrap_or_else(|| self.first_audience().to_owned());
        let settings = Arc::new(self.describe(&realm));
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let revocations = self.revocation.assemble(&clock);
        let common = CommonRules {
            audiences: self.audiences,
            leeway: self.leeway,
            max_token_age,
            environment: KeyEnvironment::new(Arc::clone(&clock)),
            has_token_cache: token_cache.is_some(),
        };
        let issuers = Arc::new(TrustedIssuers::new(common, &self.issuers, self.resolver)?);
        let responder =
            Responder { realm: Realm::new(&realm)?, statuses: self.statuses, body: self.body, hook: self.hook };
        telemetry::describe();
        Ok(ResourceServer(Arc::new(Inner {
            issuers,
            max_token_bytes: self.max_token_bytes,
            context: Arc::new(ServerContext::new(responder, Arc::clone(&clock))),
            clock,
            token_cache,
            revocations,
            settings,
        })))
    }

    /// All settings except those that can change after `build`.
    fn describe(&self, realm: &str) -> ResourceServerDescription {
        let omitted = [
            (self.hook.is_some(), OmittedSetting::OnRefusal),
            (self.clock.is_some(), OmittedSetting::Clock),
            (self.resolver.is_some(), OmittedSetting::IssuerResolver),
            (self.revocation.is_set(), OmittedSetting::Revocation),
        ];
        ResourceServerDescription {
            audiences: self.audiences.iter().map(|audience| audience.to_string()).collect(),
            realm: Some(realm.to_owned()),
            leeway: self.leeway,
            max_token_age: self.revocation.max_token_age(self.max_token_age),
            max_token_bytes: self.max_token_bytes,
            token_cache_bytes: self.token_cache_bytes,
            refusal_body: self.body,
            omitted: omitted.into_iter().filter_map(|(is_set, setting)| is_set.then_some(setting)).collect(),
            ..ResourceServerDescription::default()
        }
    }

    /// The audience that names the realm.
    fn first_audience(&self) -> &str {
        let of_issuers = self.issuers.iter().flat_map(|issuer| &issuer.audiences);
        self.audiences.iter().chain(of_issuers).next().map_or("", AsRef::as_ref)
    }
}

impl fmt::Debug for ResourceServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServerBuilder")
            .field("audiences", &self.audiences)
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}
