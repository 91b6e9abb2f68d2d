//! The resource server: configuration, and the decision about one token.

mod asked;
mod builder;
mod description;
mod door;
mod health;
mod held;
mod introspected;
mod issuers;
mod memory;
mod observer;
mod proof;
mod proof_rules;
mod revocation_settings;
mod revocations;
mod waits;

use std::fmt;
use std::sync::Arc;

pub use builder::ResourceServerBuilder;
pub use description::ResourceServerDescription;
pub use health::{Readiness, WarmUpError};
pub use memory::TokenCacheStatus;

pub(crate) use door::{Stop, Subject};
pub(crate) use observer::Observer;
pub(crate) use waits::{Pending, Waited};

use self::observer::EveryStep;
use self::revocations::Revocations;
use crate::error::TokenError;
use crate::presentation::Presentation;
use crate::response::Responder;
use crate::server_context::ServerContext;
use crate::status_policy::StatusPolicy;
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
    revocations: Option<Arc<Revocations>>,
    /// The settings of the builder, as data.
    settings: Arc<ResourceServerDescription>,
}

impl ResourceServer {
    /// Starts a configuration. At least one audience and one issuer are needed.
    pub fn builder() -> ResourceServerBuilder {
        ResourceServerBuilder::default()
    }

    /// The same resource server with other statuses for its refusals, for a part of the API whose clients need them.
    /// Keys, issuers, the revocation check and all that is known about them are shared: what one fetches the other has,
    /// and both judge alike.
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
        let context = Arc::new(ServerContext::new(responder, Arc::clone(&server.clock)));
        Self(Arc::new(Inner { context, token_cache, ..server.clone() }))
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
    /// would skip. After a wait for keys, for the resolver or for introspection, the steps start over.
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
