//! How an issuer is asked about tokens: the application's settings.

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
/// The answer that a token is active is valid for a minute, or until the token's `exp` if that comes first; a revoked
/// token may pass for that long. A request whose token is not known waits for the answer, at most 2 seconds. While it
/// is unknown whether a token is active, requests get 503, never 401.
#[derive(Clone)]
#[must_use]
pub struct Introspection {
    pub(crate) place: Place,
    #[cfg(feature = "remote-keys")]
    pub(crate) client: Option<Arc<dyn ClientAuthentication>>,
    /// Our names in signed answers, if those are requested; our client id, if the list is empty.
    #[cfg(feature = "remote-keys")]
    pub(crate) signed_for: Option<Vec<Box<str>>>,
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
    /// How often the issuer is asked about JWTs whose signature was verified.
    pub(super) confirm_jwts: Option<Duration>,
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
    /// fetched with the first call and once an hour; also, at most once in 30 seconds, when a call fails as if the
    /// endpoint had moved: no connection, a redirect, 404, 405, 410 or another content type. The known endpoint is
    /// used until another one is found.
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
            #[cfg(feature = "remote-keys")]
            signed_for: None,
            shapes: Shapes::default(),
            settings: Settings::default(),
        }
    }

    /// How we authenticate to the endpoint, which RFC 7662 §2.1 requires. Default: none, which `build()` rejects.
    #[cfg(feature = "remote-keys")]
    pub fn client(mut self, client: impl ClientAuthentication) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// The issuer's opaque tokens begin with this string, such as `ory_at_`; others are refused as `opaque_token` and
    /// sent nowhere. Repeatable; a token needs one of the prefixes or predicates. Default: none, so every opaque token
    /// is introspected, which is possible for one issuer only.
    ///
    /// With several issuers that introspect, each needs a prefix or a [predicate](Self::tokens_that): a token is sent to
    /// one of them or to none. `build()` rejects two prefixes if one begins with the other.
    pub fn tokens_with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.shapes.add_prefix(prefix.into());
        self
    }

    /// The issuer's opaque tokens are those for which the closure returns true. It also claims encrypted tokens (JWE),
    /// which only their issuer can read. It runs for each token that is not cached: keep it cheap.
    ///
    /// A token that two issuers claim is sent to neither; the request gets 500, and the log an error.
    pub fn tokens_that(mut self, are_ours: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.shapes.add_predicate(are_ours);
        self
    }

    /// For how long the answer that a token is active is valid, and never past the token's `exp`. Default 60 seconds.
    /// That is how long a revoked token may pass; with zero, every request makes a call.
    ///
    /// A token in use is introspected again when four fifths of the time have passed, without a request waiting for it.
    pub const fn cache(mut self, time: Duration) -> Self {
        self.settings.cache = time;
        self
    }

    /// For how long a refused token is refused again without a call. Default 5 seconds; zero: a call each time. Refused
    /// tokens are kept apart from good ones, so that junk does not evict them.
    pub const fn inactive_cache(mut self, time: Duration) -> Self {
        self.settings.inactive_cache = time;
        self
    }

    /// Accepts active tokens for this much longer than the [cache time](Self::cache), never past their `exp`, while the
    /// endpoint cannot be reached or does not respond. Default: off, so those requests get 503. So do requests for which
    /// there is no place or no turn while the endpoint responds.
    ///
    /// A token that is revoked during an outage passes for as long. `build()` rejects it without a
    /// [token cache](crate::ResourceServerBuilder::token_cache_bytes).
    pub const fn serve_stale(mut self, bound: Duration) -> Self {
        self.settings.stale = Some(bound);
        self
    }

    /// Introspects JWTs, too, so that their revocation is noticed: each is verified with the issuer's keys first, then
    /// introspected, while its request waits, and again after this time. Default: off, so a JWT with a good signature
    /// passes until it expires.
    ///
    /// `iss`, `sub`, `client_id` and `jti` must be the same in the token and in the answer, where both have them; otherwise
    /// the request gets 503 `introspection_mismatch`. `aud` and `exp` may be absent from the answer. While our side
    /// cannot decide, requests get 503 as for opaque tokens. `build()` rejects it for an issuer [without
    /// keys](crate::Issuer::without_keys).
    pub const fn introspect_jwts(mut self, every: Duration) -> Self {
        self.settings.confirm_jwts = Some(every);
        self
    }

    /// Asks for signed answers (RFC 9701), so that the issuer's statement can be proven later, and so that an attacker
    /// who can change the traffic cannot change an answer. Plain JSON is then rejected: the request gets 503.
    ///
    /// An answer must have the type `token-introspection+jwt`, name the issuer in `iss` and our client id in `aud`, and be
    /// signed with a key of the issuer. `build()` rejects it for an issuer [without keys](crate::Issuer::without_keys).
    #[cfg(feature = "remote-keys")]
    pub fn signed_answers(mut self) -> Self {
        self.signed_for.get_or_insert_default();
        self
    }

    /// Like [`signed_answers`](Self::signed_answers), but with a name for us in `aud` other than the client id, such as
    /// the identifier of this API. Repeatable; an answer needs one of them.
    #[cfg(feature = "remote-keys")]
    pub fn signed_answers_for(mut self, audience: impl Into<String>) -> Self {
        self.signed_for.get_or_insert_default().push(audience.into().into());
        self
    }

    /// For how long a request waits for an answer, its turn included. Default 2 seconds.
    pub const fn request_wait(mut self, wait: Duration) -> Self {
        self.settings.request_wait = wait;
        self
    }

    /// How long a call may take, discovery included. Default 2 seconds: no request waits longer for it.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// How many calls are made at once. Default 64. A quarter is reserved for tokens that were active before, so that a
    /// flood of new ones does not affect them.
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
            "`max_calls` or `max_waiting_requests` is zero, so no call could be made; leave it out"
        } else if self.shapes.has_empty_prefix() {
            "a prefix is empty, so every token begins with it; leave it out"
        } else {
            return Ok(());
        };
        Err(ConfigError::new("introspection", problem))
    }

    pub(crate) const fn serves_stale(&self) -> bool {
        self.settings.stale.is_some()
    }

    /// The setting that has no effect for an issuer without keys.
    pub(crate) const fn needs_keys(&self) -> Option<&'static str> {
        #[cfg(feature = "remote-keys")]
        if self.signed_for.is_some() {
            return Some("signed_answers");
        }
        if self.settings.confirm_jwts.is_some() { Some("introspect_jwts") } else { None }
    }

    /// Whether signed answers are requested from a source, which is not asked over HTTP.
    pub(crate) const fn cannot_be_signed(&self) -> bool {
        #[cfg(feature = "remote-keys")]
        if self.signed_for.is_some() {
            return matches!(self.place, Place::Source(_));
        }
        false
    }

    /// Our names in signed answers, if those are requested.
    #[cfg(feature = "remote-keys")]
    pub(crate) fn signed_audiences(&self) -> Option<Vec<Box<str>>> {
        let named = self.signed_for.as_ref()?;
        let client_id = || self.client.iter().map(|client| client.client_id().into()).collect();
        Some(if named.is_empty() { client_id() } else { named.clone() })
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
            confirm_jwts: None,
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
