//! The resource server: configuration, and the decision about one token.

mod builder;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use builder::ResourceServerBuilder;

use crate::claims::untrusted_iss;
use crate::error::TokenError;
use crate::jose::CompactJws;
use crate::keys::{Keys, Lookup};
use crate::refusal::ServerContext;
use crate::time::Clock;
use crate::token::ValidatedToken;
use crate::validator::{Check, NoListener, Step, StepListener, TokenRules, report};

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

/// Why a look at a token came to no good token.
pub(crate) enum Stop {
    Refused(TokenError),
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
    pub fn builder() -> ResourceServerBuilder {
        ResourceServerBuilder::default()
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
        match self.judge(token, false, listener) {
            Ok(token) => Ok(token),
            Err(Stop::Refused(error)) => Err(error),
            Err(Stop::NeedsKey(pending)) => {
                self.wait(&pending).await;
                self.decide_finally(token, listener)
            }
        }
    }

    /// Decides with the keys at hand.
    pub(crate) fn decide_now(&self, token: &str) -> Result<ValidatedToken, Stop> {
        self.judge(token, false, &mut LogExpectation)
    }

    /// Waits for a key, and decides with what is there then.
    pub(crate) async fn decide_after(&self, token: String, pending: PendingKey) -> Result<ValidatedToken, TokenError> {
        self.wait(&pending).await;
        self.decide_finally(&token, &mut LogExpectation)
    }

    pub(crate) fn context(&self) -> &Arc<ServerContext> {
        &self.0.context
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    async fn wait(&self, pending: &PendingKey) {
        if let Some(issuer) = self.0.issuers.get(pending.issuer) {
            issuer.keys.wait(pending.key_id.as_deref()).await;
        }
    }

    fn decide_finally(&self, token: &str, listener: &mut impl StepListener) -> Result<ValidatedToken, TokenError> {
        self.judge(token, true, listener).map_err(|stop| match stop {
            Stop::Refused(error) => error,
            // The policy lets a request wait once only.
            Stop::NeedsKey(_) => TokenError::NoMatchingKey,
        })
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
                // Nothing is decided yet, so nothing is reported.
                Ok(()) => return Err(Stop::NeedsKey(PendingKey { issuer: position, key_id: key_id.map(Box::from) })),
                Err(error) => Err(Stop::Refused(error)),
            },
        };
        let expected = format_args!("a key of {} for {algorithm}", rules.issuer);
        let candidates = report(listener, Check::Key, candidates, expected, format_args!("kid {key_id:?}"))?;

        let payload = jws.verify(&candidates);
        let expected = format_args!("a signature by the key");
        let payload =
            report(listener, Check::Signature, payload, expected, format_args!("a signature for {algorithm}"))?;

        let now = server.clock.now().ok_or(TokenError::ClockUnavailable)?;
        let (claims, expires_at) = rules.check_claims(&payload, now, listener)?;
        Ok(ValidatedToken::new(claims, expires_at, payload.into_bytes(), Arc::clone(&server.context)))
    }
}

/// Whoever debugs a refusal wants to see the configuration that the token did not meet. What the token says is left out:
/// logs are not the place for it.
struct LogExpectation;

impl StepListener for LogExpectation {
    fn step(&mut self, step: Step<'_>) {
        if !step.passed {
            tracing::debug!(check = ?step.check, expected = %step.expected, "a token failed a check");
        }
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
