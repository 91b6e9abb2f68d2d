//! How an issuer is asked about tokens: what the application says about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "remote-keys")]
use super::client_authentication::ClientAuthentication;
use super::shape::Shapes;
use super::source::IntrospectionSource;
use crate::config_error::ConfigError;

/// How an issuer is asked about its tokens (RFC 7662). See the [guide](crate::guide::opaque_tokens).
///
/// ```
/// use tower_bearer::{ClientSecret, ClientSecretBasic, Introspection, Issuer};
///
/// let client = ClientSecretBasic::new("leads-api", ClientSecret::file("/run/secrets/leads-api"));
/// let issuer = Issuer::new("https://as.example.com").introspection(Introspection::discovered().client(client));
/// # let _ = issuer;
/// ```
///
/// An answer that says that the token is active counts for a minute, or until the token's `exp` if that comes first;
/// for so long a revoked token may still pass. A request whose token is not known waits for the answer, at most 2
/// seconds. While nobody can tell, requests get 503, never 401.
#[derive(Clone)]
#[must_use]
pub struct Introspection {
    pub(crate) place: Place,
    #[cfg(feature = "remote-keys")]
    pub(crate) client: Option<Arc<dyn ClientAuthentication>>,
    pub(crate) shapes: Shapes,
    pub(crate) settings: Settings,
}

/// Whom to ask.
#[derive(Clone)]
pub(crate) enum Place {
    #[cfg(feature = "remote-keys")]
    Url(String),
    #[cfg(feature = "remote-keys")]
    Discovery,
    Source(Arc<dyn IntrospectionSource>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(super) cache: Duration,
    pub(super) inactive_cache: Duration,
    pub(super) stale: Option<Duration>,
    pub(super) request_wait: Duration,
    pub(super) timeout: Duration,
    pub(super) max_calls: usize,
    pub(super) max_waiting_requests: usize,
}

impl Introspection {
    /// Asks the endpoint at this URL.
    #[cfg(feature = "remote-keys")]
    pub fn at(url: impl Into<String>) -> Self {
        Self::new(Place::Url(url.into()))
    }

    /// Asks the endpoint that the issuer's metadata names, `introspection_endpoint` (RFC 8414 §2). The metadata is
    /// fetched with the first call, and again when the endpoint is no longer there.
    #[cfg(feature = "remote-keys")]
    pub fn discovered() -> Self {
        Self::new(Place::Discovery)
    }

    /// Asks in another way: see [`IntrospectionSource`].
    pub fn by(source: impl IntrospectionSource) -> Self {
        Self::new(Place::Source(Arc::new(source)))
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            #[cfg(feature = "remote-keys")]
            client: None,
            shapes: Shapes::default(),
            settings: Settings::default(),
        }
    }

    /// How we authenticate to the endpoint, which RFC 7662 §2.1 requires. Default: none, which `build()` refuses.
    #[cfg(feature = "remote-keys")]
    pub fn client(mut self, client: impl ClientAuthentication) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// The issuer's opaque tokens begin with this text, such as `ory_at_`; others are refused as `opaque_token` and sent
    /// nowhere. Repeatable; a token needs one of the prefixes or predicates. Default: none, so every opaque token is
    /// asked about, which is possible for one issuer only.
    ///
    /// With several issuers that introspect, each needs a prefix or a [predicate](Self::tokens_that): a token is sent to
    /// one of them or to none. `build()` rejects prefixes of which one begins with the other.
    pub fn tokens_with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.shapes.add_prefix(prefix.into());
        self
    }

    /// The issuer's opaque tokens are those for which the closure returns true. It also claims encrypted tokens (JWE),
    /// which nobody else can read. It runs for each token that is not cached: keep it cheap.
    ///
    /// A token that two issuers claim is sent to neither; the request gets 500, and the log an error.
    pub fn tokens_that(mut self, are_ours: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.shapes.add_predicate(are_ours);
        self
    }

    /// For how long an answer counts that says that the token is active, and never past the token's `exp`. Default 60
    /// seconds. That is how long a revoked token may pass; zero asks for every request.
    ///
    /// A token in use is asked about again when four fifths of the time have passed, without a request waiting for it.
    pub const fn cache(mut self, time: Duration) -> Self {
        self.settings.cache = time;
        self
    }

    /// For how long a refused token is refused again without asking. Default 5 seconds; zero asks every time. Refused
    /// tokens are kept apart from good ones, so that junk does not evict them.
    pub const fn inactive_cache(mut self, time: Duration) -> Self {
        self.settings.inactive_cache = time;
        self
    }

    /// Accepts a token that was active for this much longer than the [cache time](Self::cache), never past its `exp`,
    /// while the endpoint cannot be reached or does not answer. Default: off, so those requests get 503.
    ///
    /// A token that is revoked during an outage passes for as long. `build()` rejects it without a
    /// [token cache](crate::ResourceServerBuilder::token_cache_bytes).
    pub const fn serve_stale(mut self, bound: Duration) -> Self {
        self.settings.stale = Some(bound);
        self
    }

    /// For how long a request waits for an answer, its turn included. Default 2 seconds.
    pub const fn request_wait(mut self, wait: Duration) -> Self {
        self.settings.request_wait = wait;
        self
    }

    /// How long a call may take, discovery included. Default 2 seconds: nobody waits longer for it.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// How many calls are made at once. Default 64. A quarter is reserved for tokens that were active before, so that a
    /// flood of new ones leaves them alone.
    pub const fn max_calls(mut self, calls: usize) -> Self {
        self.settings.max_calls = calls;
        self
    }

    /// How many requests may wait for answers at once; further ones get 503. Default 1,024. A quarter is reserved as
    /// for [calls](Self::max_calls).
    pub const fn max_waiting_requests(mut self, requests: usize) -> Self {
        self.settings.max_waiting_requests = requests;
        self
    }

    /// Settings with which no token could pass.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        let problem = if settings.timeout.is_zero() || settings.request_wait.is_zero() {
            "`timeout` or `request_wait` is zero, so no answer could come in time; leave it out"
        } else if settings.max_calls == 0 || settings.max_waiting_requests == 0 {
            "`max_calls` or `max_waiting_requests` is zero, so nobody could be asked; leave it out"
        } else if self.shapes.has_empty_prefix() {
            "a prefix is empty, and every token begins with that; leave it out"
        } else {
            return Ok(());
        };
        Err(ConfigError::new("introspection", problem))
    }

    pub(crate) const fn serves_stale(&self) -> bool {
        self.settings.stale.is_some()
    }

    #[cfg(feature = "remote-keys")]
    pub(crate) const fn call_timeout(&self) -> Duration {
        self.settings.timeout
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache: Duration::from_secs(60),
            inactive_cache: Duration::from_secs(5),
            stale: None,
            request_wait: Duration::from_secs(2),
            timeout: Duration::from_secs(2),
            max_calls: 64,
            max_waiting_requests: 1_024,
        }
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Introspection");
        match &self.place {
            #[cfg(feature = "remote-keys")]
            Place::Url(url) => shown.field("url", url),
            #[cfg(feature = "remote-keys")]
            Place::Discovery => shown.field("url", &"discovered"),
            Place::Source(source) => shown.field("source", source),
        };
        #[cfg(feature = "remote-keys")]
        shown.field("client", &self.client);
        shown.field("settings", &self.settings).finish_non_exhaustive()
    }
}
