//! The resource server: configuration, and the decision about one token.

mod builder;
mod door;
mod health;
mod issuers;
mod memory;
mod observer;
mod proof;
mod proof_rules;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::ResourceServerBuilder;
pub use health::{Readiness, WarmUpError};
pub use memory::TokenCacheStatus;

pub(crate) use door::{Pending, Stop, Subject, Waited};
pub(crate) use observer::Observer;

use self::observer::EveryStep;
use crate::error::TokenError;
use crate::presentation::Presentation;
use crate::response::{Responder, StatusPolicy};
use crate::server_context::ServerContext;
use crate::time::Clock;
use crate::token::ValidatedToken;
use crate::token_cache::TokenCache;
use crate::trust::TrustedIssuers;
use crate::validator::{NoListener, StepListener};

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
        self.decide_and_wait(Presentation::bearer(token), &mut NoListener).await
    }

    /// Validates what a client presents, by the rules of the layer, for code that does not run behind the layer.
    ///
    /// # Errors
    ///
    /// Why the token was refused, or [`TokenError::Absent`] if there is none.
    pub async fn validate_presentation(&self, presentation: Presentation<'_>) -> Result<ValidatedToken, TokenError> {
        self.decide_and_wait(presentation, &mut NoListener).await
    }

    /// As [`validate`](Self::validate), and reports each step to a listener, including those that the cache of tokens
    /// would skip. After a wait for keys or for the resolver, the steps start over.
    ///
    /// # Errors
    ///
    /// Why the token was refused.
    pub async fn validate_explained(
        &self,
        token: &str,
        listener: &mut (impl StepListener + Send),
    ) -> Result<ValidatedToken, TokenError> {
        self.decide_and_wait(Presentation::bearer(token), &mut EveryStep(listener)).await
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
        match self.decide(Subject::Held(token), Waited::Nothing, &mut NoListener) {
            Ok(_) => Ok(()),
            Err(Stop::Refused(error)) => Err(error),
            Err(Stop::Pending(_)) => Err(TokenError::KeysUnavailable { retry_after: Duration::ZERO }),
        }
    }

    /// As [`revalidate`](Self::revalidate), but if our side cannot decide, waits for the fetch of keys that is under way
    /// or due and tries once more. It waits at most for the [`request_wait`](crate::KeyPolicy::request_wait) of the
    /// issuer's policy.
    ///
    /// # Errors
    ///
    /// Those of `revalidate`.
    ///
    /// ```
    /// # use tower_bearer::ResourceServer;
    /// # use tower_bearer_test::TestIssuer;
    /// # let issuer = TestIssuer::new("https://as.example.com")?;
    /// # let text = issuer.token().sign();
    /// # let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let token = api.validate(&text).await?;
    /// // Every minute, for as long as the connection lasts:
    /// assert!(api.revalidate_async(&token).await.is_ok());
    /// # Ok::<(), tower_bearer::TokenError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn revalidate_async(&self, token: &ValidatedToken) -> Result<(), TokenError> {
        let decided = self.revalidate(token);
        if decided.as_ref().is_err_and(|error| error.retry_after().is_some()) {
            self.wait_for_evidence(token).await;
            return self.revalidate(token);
        }
        decided
    }

    pub(crate) fn context(&self) -> &Arc<ServerContext> {
        &self.0.context
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.0.issuers.table();
        let rules: Vec<_> = table.iter().map(|issuer| &issuer.rules).collect();
        f.debug_struct("ResourceServer").field("issuers", &rules).finish_non_exhaustive()
    }
}
