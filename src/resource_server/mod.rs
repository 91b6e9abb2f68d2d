//! The resource server: configuration, and the decision about one token.

mod builder;
mod health;
mod issuers;
mod memory;
mod shown;

use std::fmt;
use std::sync::Arc;

pub use builder::ResourceServerBuilder;
pub use health::{Readiness, WarmUpError};
pub use memory::TokenCacheStatus;

use self::shown::{Choice, LogExpectation, Urls};
use crate::claims::untrusted_iss;
use crate::error::TokenError;
use crate::jose::{Algorithm, CompactJws};
use crate::keys::{Arrival, Lookup};
use crate::refusal::ServerContext;
use crate::response::{Responder, StatusPolicy};
use crate::time::{Clock, UnixTime};
use crate::token::{Claims, Signer, ValidatedToken};
use crate::token_cache::TokenCache;
use crate::trust::{Table, TrustedIssuer, TrustedIssuers};
use crate::validator::{Check, NoListener, Shown, StepListener, TokenRules, report};

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

#[derive(Clone)]
struct Inner {
    issuers: Arc<TrustedIssuers>,
    max_token_bytes: usize,
    clock: Arc<dyn Clock>,
    context: Arc<ServerContext>,
    token_cache: Option<Arc<TokenCache>>,
}

/// Why a look at a token came to no good token.
pub(crate) enum Stop {
    Refused(TokenError),
    /// More may be known by waiting.
    Pending(Pending),
}

/// What a decision waits for.
pub(crate) enum Pending {
    /// The resolver's word on an issuer.
    Issuer(Box<str>),
    /// A fetch of the issuer's keys, for a `kid` of a request that arrived then.
    Key(Arc<TrustedIssuer>, Option<Box<str>>, Arrival),
}

/// What a decision has waited for already: once for each, and the issuer comes first.
#[derive(Clone, Copy)]
enum Waited {
    Nothing,
    Issuer,
    /// Since then.
    Key(Arrival),
}

impl ResourceServer {
    /// Starts a configuration. At least one audience and one issuer are needed.
    pub fn builder() -> ResourceServerBuilder {
        ResourceServerBuilder::default()
    }

    /// The same resource server with other statuses for its refusals, for a part of the API whose clients need them.
    /// Keys, issuers and all that is known about them are shared: what one fetches the other has, and both judge alike.
    ///
    /// It counts as another resource server: a token that one judged is not taken by the [route
    /// layers](crate::layer) under the other.
    ///
    /// ```
    /// use tower_bearer::{Issuer, ResourceServer, StatusPolicy};
    ///
    /// let api = ResourceServer::builder()
    ///     .audience("https://api.example.com")
    ///     .issuer(Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys"))
    ///     .build()?;
    /// let for_mcp_clients = api.with_status_policy(StatusPolicy::rfc6750()).layer();
    /// # let _ = for_mcp_clients;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_status_policy(&self, statuses: StatusPolicy) -> Self {
        let server = &*self.0;
        let responder = Responder { statuses, ..server.context.responder.clone() };
        // A token knows how its server answers, so the two cannot have the same.
        let token_cache = server.token_cache.as_ref().map(|cache| Arc::new(cache.empty()));
        Self(Arc::new(Inner { context: Arc::new(ServerContext::new(responder)), token_cache, ..server.clone() }))
    }

    /// Judges a token that did not come in an `Authorization` header: in the first message of a WebSocket, in a job
    /// from a queue.
    ///
    /// # Errors
    ///
    /// Why the token was refused.
    pub async fn validate(&self, token: &str) -> Result<ValidatedToken, TokenError> {
        if let Some((token, _)) = self.recall(token.as_bytes()) {
            return Ok(token);
        }
        self.judge_to_the_end(token.as_bytes(), Waited::Nothing, &mut NoListener).await
    }

    /// As [`validate`](Self::validate), and tells each step to a listener, also those that the cache of tokens would
    /// spare. When a wait for keys or for the resolver comes between, the steps start anew after it.
    ///
    /// # Errors
    ///
    /// Why the token was refused.
    pub async fn validate_explained(
        &self,
        token: &str,
        listener: &mut (impl StepListener + Send),
    ) -> Result<ValidatedToken, TokenError> {
        self.judge_to_the_end(token.as_bytes(), Waited::Nothing, listener).await
    }

    /// Judges a token again that was good when it came, without its text: for connections that outlive a request, such
    /// as a WebSocket. It fetches nothing and checks no signature, but it is as late as the keys are: a key that the
    /// issuer withdrew is noticed when requests have the set refreshed.
    ///
    /// # Errors
    ///
    /// When the token has expired, its key has left the issuer's set, the issuer is disabled or removed, the set is too
    /// old to say, the [resolver](ResourceServerBuilder::issuer_resolver)'s issuer has made room for another one since,
    /// or another resource server validated the token.
    ///
    /// ```
    /// # use tower_bearer::ResourceServer;
    /// # use tower_bearer_test::TestIssuer;
    /// # let issuer = TestIssuer::new("https://as.example.com")?;
    /// # let text = issuer.token().sign();
    /// # let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let token = api.validate(&text).await?;
    /// assert!(api.revalidate(&token).is_ok());
    ///
    /// api.disable_issuer("https://as.example.com");
    /// assert_eq!(api.revalidate(&token).unwrap_err().reason(), "issuer_disabled");
    /// # Ok::<(), tower_bearer::TokenError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn revalidate(&self, token: &ValidatedToken) -> Result<(), TokenError> {
        let server = &*self.0;
        if token.server().id() != server.context.id() {
            return Err(TokenError::OtherResourceServer);
        }
        self.check_again(token).map(drop)
    }

    /// What can change about a token that was good. Also says what time it was.
    fn check_again(&self, token: &ValidatedToken) -> Result<UnixTime, TokenError> {
        let server = &*self.0;
        let Signer { issuer, key } = token.signer();
        if !issuer.is_enabled() {
            return Err(TokenError::IssuerDisabled);
        }
        if key.is_withdrawn() {
            return Err(issuer.keys.withdrawn());
        }
        issuer.check_serves(&server.issuers.table())?;
        let now = server.clock.now().ok_or(TokenError::ClockUnavailable)?;
        issuer.rules.check_times(token.times(), now)?;
        issuer.note_verified(&*server.clock);
        Ok(now)
    }

    /// Decides with what is known.
    pub(crate) fn decide_now(&self, token: &[u8]) -> Result<ValidatedToken, Stop> {
        self.judge(token, Waited::Nothing, &mut LogExpectation)
    }

    /// Waits, and decides with what is known then.
    pub(crate) async fn decide_after(&self, token: Vec<u8>, pending: Pending) -> Result<ValidatedToken, TokenError> {
        let waited = self.wait(&pending).await;
        self.judge_to_the_end(&token, waited, &mut LogExpectation).await
    }

    pub(crate) fn context(&self) -> &Arc<ServerContext> {
        &self.0.context
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// Judges, and waits wherever more may be known by it.
    async fn judge_to_the_end<L: StepListener + Send>(
        &self,
        token: &[u8],
        mut waited: Waited,
        listener: &mut L,
    ) -> Result<ValidatedToken, TokenError> {
        loop {
            match self.judge(token, waited, listener) {
                Ok(token) => return Ok(token),
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Pending(pending)) => waited = self.wait(&pending).await,
            }
        }
    }

    async fn wait(&self, pending: &Pending) -> Waited {
        match pending {
            Pending::Issuer(url) => {
                self.0.issuers.resolve(url).await;
                Waited::Issuer
            }
            Pending::Key(issuer, key_id, arrival) => {
                issuer.keys.wait(key_id.as_deref(), *arrival).await;
                Waited::Key(*arrival)
            }
        }
    }

    /// The whole path of a token. The order is that of RFC 9068 §4, the signature before the claims.
    fn judge<L: StepListener>(&self, token: &[u8], waited: Waited, listener: &mut L) -> Result<ValidatedToken, Stop> {
        let server = &*self.0;
        let jws = CompactJws::parse(token, server.max_token_bytes);
        let (expected, found) = (format_args!("at most {} bytes", server.max_token_bytes), token.len());
        let jws = report(listener, Check::Structure, jws, expected, format_args!("{found} bytes"))?;

        let table = server.issuers.table();
        let chosen = match server.choose_issuer(&table, &jws, waited) {
            Err(pending @ Stop::Pending(_)) => return Err(pending),
            Err(Stop::Refused(error)) => Err(error),
            Ok(issuer) => Ok(issuer),
        };
        let chosen_url = chosen.as_ref().ok().map(|issuer| &*issuer.rules.issuer);
        let (expected, found) = (Urls(&table), Choice { chosen: chosen_url, payload: jws.untrusted_payload() });
        let expected = format_args!("one of {expected:?}");
        let issuer = report(listener, Check::IssuerChoice, chosen, expected, format_args!("{found}"))?;
        let TrustedIssuer { rules, keys, .. } = &**issuer;

        let header = jws.header();
        let algorithm = rules.check_algorithm(header.algorithm);
        let expected = format_args!("one of {:?}", rules.algorithms);
        let found = header.algorithm.map_or("an unknown one", Algorithm::name);
        let algorithm = report(listener, Check::Algorithm, algorithm, expected, format_args!("{found}"))?;

        let key_id = header.key_id.as_deref();
        let looked_up = keys.look_up(key_id, algorithm, waited.for_key_since());
        if !matches!(looked_up, Lookup::Found(_)) {
            // No key will prove `iss`, and for a token of another issuer there is none to look for.
            server.check_unproven_issuer(rules, &jws, listener)?;
        }
        let found = match looked_up {
            Lookup::Found(keys) => Ok(keys),
            Lookup::Refused(error) => Err(Stop::Refused(error)),
            // Nothing is decided yet, so nothing is reported.
            Lookup::Wait(arrival) => {
                return Err(Stop::Pending(Pending::Key(Arc::clone(issuer), key_id.map(Box::from), arrival)));
            }
        };
        let expected = format_args!("a key of {} for {algorithm}", rules.issuer);
        let found = report(listener, Check::Key, found, expected, format_args!("kid {}", Shown(&key_id)))?;

        let verified = jws.verify(found.iter());
        let expected = format_args!("a signature by the key");
        let found = format_args!("a signature for {algorithm}");
        let (payload, key) = report(listener, Check::Signature, verified, expected, found)?;
        issuer.note_verified(&*server.clock);

        let now = server.clock.now().ok_or(TokenError::ClockUnavailable)?;
        let (claims, expires_at) = rules.check_claims(&payload, now, listener)?;
        let signer = Signer { issuer: Arc::clone(issuer), key: Arc::clone(key) };
        let context = Arc::clone(&server.context);
        let claims = Claims::new(claims, &payload);
        let validated = ValidatedToken::new(claims, expires_at, payload, context, signer);
        self.remember(token, &validated);
        Ok(validated)
    }
}

impl Inner {
    /// A token of another issuer is refused as that, whatever is known about our issuer's keys: it waits for none, costs
    /// no fetch, and an outage is not its business (RFC 9068 §4, "iss").
    #[cold]
    fn check_unproven_issuer<L: StepListener>(
        &self,
        rules: &TokenRules,
        jws: &CompactJws<'_>,
        listener: &mut L,
    ) -> Result<(), TokenError> {
        let found = untrusted_iss(jws.untrusted_payload());
        let Err(error) = rules.check_issuer(found.as_deref()) else { return Ok(()) };
        if error == TokenError::IssuerMismatch {
            self.issuers.warn_of_unused();
        }
        let expected = format_args!("{:?}", rules.issuer);
        report(listener, Check::Issuer, Err(error), expected, format_args!("{}", Shown(&found)))
    }

    /// With one issuer there is nothing to choose; its `iss` is checked after the signature. With several, the unproven
    /// `iss` chooses among those that are trusted, and one that is not ours costs nobody a request.
    fn choose_issuer<'t>(
        &self,
        table: &'t Table,
        jws: &CompactJws<'_>,
        waited: Waited,
    ) -> Result<&'t Arc<TrustedIssuer>, Stop> {
        let issuer = match table.only() {
            Some(only) => only,
            None => {
                let url = untrusted_iss(jws.untrusted_payload()).ok_or(TokenError::IssuerMismatch)?;
                match table.get(&url) {
                    Some(issuer) => issuer,
                    None => {
                        let unknown = self.issuers.look_up_unknown(&url, waited.for_issuer());
                        if unknown == Err(TokenError::IssuerMismatch) {
                            self.issuers.warn_of_unused();
                        }
                        unknown?;
                        return Err(Stop::Pending(Pending::Issuer(url.as_ref().into())));
                    }
                }
            }
        };
        if issuer.is_enabled() { Ok(issuer) } else { Err(TokenError::IssuerDisabled.into()) }
    }
}

impl Waited {
    const fn for_issuer(self) -> bool {
        !matches!(self, Self::Nothing)
    }

    const fn for_key_since(self) -> Option<Arrival> {
        match self {
            Self::Nothing | Self::Issuer => None,
            Self::Key(arrival) => Some(arrival),
        }
    }
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.0.issuers.table();
        let rules: Vec<_> = table.iter().map(|issuer| &issuer.rules).collect();
        f.debug_struct("ResourceServer").field("issuers", &rules).finish_non_exhaustive()
    }
}
