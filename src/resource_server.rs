//! The resource server: configuration, and the decision about one token.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use crate::challenge::Realm;
use crate::claims::untrusted_iss;
use crate::error::{ConfigError, TokenError};
use crate::issuer::Issuer;
use crate::jose::CompactJws;
use crate::keys::{Keys, Lookup};
use crate::layer::BearerLayer;
use crate::response::{Hook, RefusalBody, Responder, StatusPolicy};
use crate::time::{Clock, SystemClock};
use crate::token::{ServerContext, ValidatedToken};
use crate::validator::{Check, NoListener, StepListener, TokenRules, report};

/// The largest token that is read, unless configured otherwise: 16 KiB, twice what servers accept in a header by default.
const DEFAULT_MAX_TOKEN_BYTES: usize = 16 * 1024;
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// An API that accepts access tokens (RFC 6749 §1.1): who may issue them, for which audience, with which keys.
///
/// Clones share keys and configuration. Two resource servers never accept each other's tokens.
///
/// ```
/// use tower_bearer::{Issuer, ResourceServer};
///
/// let api = ResourceServer::builder()
///     .audience("https://api.example.com")
///     .issuer(Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys"))
///     .build()?;
/// let layer = api.layer();
/// # let _ = layer;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ResourceServer(Arc<Inner>);

struct Inner {
    issuers: Vec<TrustedIssuer>,
    by_url: HashMap<Arc<str>, usize>,
    max_token_bytes: usize,
    clock: Arc<dyn Clock>,
    context: Arc<ServerContext>,
}

struct TrustedIssuer {
    rules: TokenRules,
    keys: Keys,
}

/// What a look at a token came to.
pub(crate) enum Decision {
    Verdict(Result<ValidatedToken, TokenError>),
    /// The key may be had by waiting for a fetch.
    NeedsKey(PendingKey),
}

/// The key that a decision waits for.
pub(crate) struct PendingKey {
    issuer: usize,
    key_id: Option<Box<str>>,
}

impl ResourceServer {
    /// Starts a configuration. At least one audience and one issuer are needed.
    #[must_use]
    pub fn builder() -> ResourceServerBuilder {
        ResourceServerBuilder::default()
    }

    /// The layer that lets only requests with a good token through.
    #[must_use]
    pub fn layer(&self) -> BearerLayer {
        BearerLayer::new(self.clone())
    }

    /// Judges a token that did not come in an `Authorization` header: in the first message of a WebSocket, in a job from
    /// a queue.
    ///
    /// # Errors
    ///
    /// Why the token was refused.
    pub async fn validate(&self, token: &str) -> Result<ValidatedToken, TokenError> {
        self.validate_explained(token, &mut NoListener).await
    }

    /// As [`validate`](Self::validate), and tells each step to a listener. When a fetch of keys comes between, the
    /// steps start anew after it.
    ///
    /// # Errors
    ///
    /// Why the token was refused.
    pub async fn validate_explained(
        &self,
        token: &str,
        listener: &mut (impl StepListener + Send),
    ) -> Result<ValidatedToken, TokenError> {
        match self.decide(token, false, listener) {
            Decision::Verdict(verdict) => verdict,
            Decision::NeedsKey(pending) => {
                self.wait(&pending).await;
                self.decide_finally(token, listener)
            }
        }
    }

    /// Decides with the keys at hand.
    pub(crate) fn decide_now(&self, token: &str) -> Decision {
        self.decide(token, false, &mut NoListener)
    }

    /// Waits for a key, and decides with what is there then.
    pub(crate) async fn decide_after(self, token: String, pending: PendingKey) -> Result<ValidatedToken, TokenError> {
        self.wait(&pending).await;
        self.decide_finally(&token, &mut NoListener)
    }

    pub(crate) fn context(&self) -> &Arc<ServerContext> {
        &self.0.context
    }

    async fn wait(&self, pending: &PendingKey) {
        if let Some(issuer) = self.0.issuers.get(pending.issuer) {
            issuer.keys.wait(pending.key_id.as_deref()).await;
        }
    }

    fn decide_finally(&self, token: &str, listener: &mut impl StepListener) -> Result<ValidatedToken, TokenError> {
        match self.decide(token, true, listener) {
            Decision::Verdict(verdict) => verdict,
            // The policy lets a request wait once only.
            Decision::NeedsKey(_) => Err(TokenError::NoMatchingKey),
        }
    }

    fn decide(&self, token: &str, has_waited: bool, listener: &mut impl StepListener) -> Decision {
        match self.judge(token, has_waited, listener) {
            Ok(token) => Decision::Verdict(Ok(token)),
            Err(Stop::Refused(error)) => Decision::Verdict(Err(error)),
            Err(Stop::NeedsKey(pending)) => Decision::NeedsKey(pending),
        }
    }

    /// The whole path of a token. The order is that of RFC 9068 §4, the signature before the claims.
    fn judge<L: StepListener>(&self, token: &str, has_waited: bool, listener: &mut L) -> Result<ValidatedToken, Stop> {
        let server = &*self.0;
        let jws = CompactJws::parse(token, server.max_token_bytes);
        let (expected, found) = (format_args!("at most {} bytes", server.max_token_bytes), token.len());
        let jws = report(listener, Check::Structure, jws, expected, format_args!("{found} bytes"))?;

        let chosen = server.choose_issuer(&jws);
        let (expected, found) = (server.by_url.keys(), chosen.as_ref().ok().map(|(_, issuer)| &issuer.rules.issuer));
        let chosen = report(
            listener,
            Check::IssuerChoice,
            chosen,
            format_args!("one of {expected:?}"),
            format_args!("{found:?}"),
        );
        let (position, TrustedIssuer { rules, keys }) = chosen?;

        let header = jws.header();
        let algorithm = rules.check_algorithm(header.algorithm);
        let (expected, found) = (&rules.algorithms, header.algorithm);
        let algorithm = report(
            listener,
            Check::Algorithm,
            algorithm,
            format_args!("one of {expected:?}"),
            format_args!("{found:?}"),
        )?;

        let key_id = header.key_id.as_deref();
        let candidates = match keys.look_up(key_id, algorithm, has_waited) {
            Lookup::Found(candidates) => Ok(candidates),
            Lookup::Refused(error) => Err(Stop::Refused(error)),
            // A token of somebody else's must not cost the issuer a request.
            Lookup::Wait => match rules.check_issuer(untrusted_iss(jws.untrusted_payload()).as_deref()) {
                Ok(()) => Err(Stop::NeedsKey(PendingKey { issuer: position, key_id: key_id.map(Box::from) })),
                Err(error) => Err(Stop::Refused(error)),
            },
        };
        let expected = format_args!("a key of {} for {algorithm}", rules.issuer);
        let candidates = report(listener, Check::Key, candidates, expected, format_args!("kid {key_id:?}"))?;

        let payload = jws.verify(&candidates);
        let expected = format_args!("a signature by the key");
        let payload = report(listener, Check::Signature, payload, expected, format_args!("one of {algorithm}"))?;

        let now = server.clock.now().ok_or(TokenError::ClockUnavailable)?;
        let (claims, expires_at) = rules.check_claims(&payload, now, listener)?;
        Ok(ValidatedToken::new(claims, expires_at, payload.into_bytes(), Arc::clone(&server.context)))
    }
}

impl Inner {
    /// With one issuer there is nothing to choose; its `iss` is checked after the signature. With several, the unproven
    /// `iss` chooses among the configured ones, and one that is not ours costs nobody a request.
    fn choose_issuer(&self, jws: &CompactJws<'_>) -> Result<(usize, &TrustedIssuer), TokenError> {
        let position = if self.issuers.len() == 1 {
            0
        } else {
            let issuer = untrusted_iss(jws.untrusted_payload());
            issuer.and_then(|issuer| self.by_url.get(&*issuer).copied()).ok_or(TokenError::IssuerMismatch)?
        };
        self.issuers.get(position).map(|issuer| (position, issuer)).ok_or(TokenError::IssuerMismatch)
    }
}

/// Why a judgement ended without a token.
enum Stop {
    Refused(TokenError),
    NeedsKey(PendingKey),
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<_> = self.0.issuers.iter().map(|issuer| &issuer.rules).collect();
        f.debug_struct("ResourceServer").field("issuers", &rules).finish_non_exhaustive()
    }
}

/// Configures a [`ResourceServer`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build()`"]
pub struct ResourceServerBuilder {
    audiences: Vec<Box<str>>,
    issuers: Vec<Issuer>,
    realm: Option<String>,
    leeway: Duration,
    max_token_age: Option<Duration>,
    max_token_bytes: usize,
    statuses: StatusPolicy,
    body: RefusalBody,
    hook: Option<Arc<Hook>>,
    clock: Arc<dyn Clock>,
}

impl Default for ResourceServerBuilder {
    fn default() -> Self {
        Self {
            audiences: Vec::new(),
            issuers: Vec::new(),
            realm: None,
            leeway: DEFAULT_LEEWAY,
            max_token_age: None,
            max_token_bytes: DEFAULT_MAX_TOKEN_BYTES,
            statuses: StatusPolicy::default(),
            body: RefusalBody::default(),
            hook: None,
            clock: Arc::new(SystemClock::new()),
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

    /// Which status each kind of refusal gets.
    pub fn status_policy(mut self, statuses: StatusPolicy) -> Self {
        self.statuses = statuses;
        self
    }

    /// What the body of a refusal holds. Default: JSON.
    pub const fn refusal_body(mut self, body: RefusalBody) -> Self {
        self.body = body;
        self
    }

    /// Changes the response of a refusal: another body, more headers. It stays an error: a status below 400 is put back.
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
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the configuration. Nothing is fetched.
    ///
    /// # Errors
    ///
    /// When something needed is missing or two settings contradict each other; the text says what to do.
    pub fn build(self) -> Result<ResourceServer, ConfigError> {
        if self.issuers.is_empty() {
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
        let mut issuers = Vec::with_capacity(self.issuers.len());
        let mut by_url = HashMap::new();
        for (position, issuer) in self.issuers.iter().enumerate() {
            if by_url.insert(Arc::clone(&issuer.url), position).is_some() {
                let problem = format!("{:?} is set twice; keep one and give it all its keys", issuer.url);
                return Err(ConfigError::new("issuer", problem));
            }
            issuers.push(self.trusted_issuer(issuer)?);
        }
        let responder = Responder {
            realm: Realm::new(self.realm.as_deref().unwrap_or(self.first_audience()))?,
            statuses: self.statuses,
            body: self.body,
            hook: self.hook,
        };
        let context = Arc::new(ServerContext::new(responder));
        let max_token_bytes = self.max_token_bytes;
        Ok(ResourceServer(Arc::new(Inner { issuers, by_url, max_token_bytes, clock: self.clock, context })))
    }

    fn trusted_issuer(&self, issuer: &Issuer) -> Result<TrustedIssuer, ConfigError> {
        issuer.checked_url()?;
        let audiences = if issuer.audiences.is_empty() { &self.audiences } else { &issuer.audiences };
        if audiences.iter().any(|audience| audience.is_empty()) {
            let problem = "one is empty; write what the issuer puts into `aud` for this API, or leave it out";
            return Err(ConfigError::new("audience", problem));
        }
        if audiences.is_empty() {
            let problem = format!(
                "none is set for {:?}, so tokens for any service would pass; \
                 add `.audience(\"…\")` with what the issuer writes into `aud` for this API",
                issuer.url
            );
            return Err(ConfigError::new("audience", problem));
        }
        if issuer.audience_claim.is_empty() {
            return Err(ConfigError::new("audience_claim", "the name is empty; leave the setting out for `aud`"));
        }
        if issuer.scope_claims.is_empty() || issuer.scope_claims.iter().any(|name| name.is_empty()) {
            let problem = "the list or a name in it is empty; leave the setting out for `scope` and `scp`";
            return Err(ConfigError::new("scope_claims", problem));
        }
        let algorithms = issuer.checked_algorithms()?;
        let keys = issuer.keys(&algorithms, &self.clock)?;
        let rules = TokenRules {
            issuer: Arc::clone(&issuer.url),
            audiences: audiences.as_slice().into(),
            algorithms,
            claim_names: issuer.claim_names(),
            leeway: self.leeway,
            max_token_age: self.max_token_age,
            require_at_jwt: issuer.require_at_jwt,
            allow_nonce: issuer.allow_nonce,
            accept_sender_constrained: issuer.accept_sender_constrained,
        };
        Ok(TrustedIssuer { rules, keys })
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
