//! Layers for single routes: what more a good token must have.
//!
//! They need no handle. The [`BearerLayer`](super::BearerLayer) around them leaves the token and the way to answer in
//! the request's extensions. Without that layer, or with a token that another resource server judged, they answer 500
//! and log an error: a wrongly built service lets nobody through.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::answer::Answer;
use super::bearer::take_ready;
use super::body::ResponseBody;
use super::extensions::required_token;
use crate::claim_path::ClaimPath;
use crate::config_error::ConfigError;
use crate::requirement::Requirement;
use crate::resource_server::ResourceServer;
use crate::scope::{Quantity, ScopeRequirement};
use crate::telemetry;
use crate::token::ValidatedToken;

macro_rules! require_layer {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use = "a layer does nothing until it is added to a service"]
        pub struct $name {
            requirement: Requirement,
            server_id: Option<u64>,
        }

        impl $name {
            const fn new(requirement: Requirement) -> Self {
                Self { requirement, server_id: None }
            }

            /// Insists on tokens that this resource server judged, where several are at work in one application.
            pub fn under(mut self, server: &ResourceServer) -> Self {
                self.server_id = Some(server.context().id());
                self
            }
        }

        impl<S> Layer<S> for $name {
            type Service = RequireService<S>;

            fn layer(&self, inner: S) -> Self::Service {
                RequireService { inner, requirement: self.requirement.clone(), server_id: self.server_id }
            }
        }
    };
}

require_layer! {
    /// Asks for scopes: a token without them gets 403, and the challenge names them (RFC 6750 §3.1).
    ///
    /// ```
    /// use tower_bearer::RequireScopes;
    ///
    /// let reading = RequireScopes::any(["read:leads", "admin"]);
    /// let from_a_file = RequireScopes::try_all(vec![String::from("write:leads")])?;
    /// # let _ = (reading, from_a_file);
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    RequireScopes
}

impl RequireScopes {
    /// Asks for every one of these scopes.
    ///
    /// # Panics
    ///
    /// At start-up, when the list is empty or a text is not one scope. Use [`try_all`](Self::try_all) for text that is
    /// not a constant.
    #[track_caller]
    pub fn all<const N: usize>(scopes: [&'static str; N]) -> Self {
        constant(Self::try_all(scopes))
    }

    /// Asks for at least one of these scopes.
    ///
    /// # Panics
    ///
    /// As [`all`](Self::all).
    #[track_caller]
    pub fn any<const N: usize>(scopes: [&'static str; N]) -> Self {
        constant(Self::try_any(scopes))
    }

    /// Asks for every one of these scopes, which come from a configuration.
    ///
    /// # Errors
    ///
    /// When the list is empty or a text is not one scope (RFC 6749 §3.3).
    pub fn try_all<T: Into<String>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        ScopeRequirement::try_all(scopes).map(Requirement::Scopes).map(Self::new)
    }

    /// Asks for at least one of these scopes, which come from a configuration.
    ///
    /// # Errors
    ///
    /// As [`try_all`](Self::try_all).
    pub fn try_any<T: Into<String>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        ScopeRequirement::try_any(scopes).map(Requirement::Scopes).map(Self::new)
    }
}

require_layer! {
    /// Asks for roles: a token without them gets 403.
    ///
    /// ```
    /// use tower_bearer::RequireRoles;
    ///
    /// let keycloak = RequireRoles::any(["realm_access", "roles"], ["admin", "sales"]);
    /// let namespaced = RequireRoles::all("https://example.com/roles", ["admin"]);
    /// # let _ = (keycloak, namespaced);
    /// ```
    RequireRoles
}

impl RequireRoles {
    /// Asks for every one of these roles in the claim at `path`.
    ///
    /// # Panics
    ///
    /// At start-up, when the path or the list is empty.
    #[track_caller]
    pub fn all<const N: usize>(path: impl Into<ClaimPath>, roles: [&'static str; N]) -> Self {
        constant(Self::try_all(path, roles))
    }

    /// Asks for at least one of these roles in the claim at `path`.
    ///
    /// # Panics
    ///
    /// As [`all`](Self::all).
    #[track_caller]
    pub fn any<const N: usize>(path: impl Into<ClaimPath>, roles: [&'static str; N]) -> Self {
        constant(Self::try_any(path, roles))
    }

    /// Asks for every one of these roles, which come from a configuration.
    ///
    /// # Errors
    ///
    /// When the path or the list is empty.
    pub fn try_all<T: Into<String>>(
        path: impl Into<ClaimPath>,
        roles: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        Self::try_new(&path.into(), roles, Quantity::All)
    }

    /// Asks for at least one of these roles, which come from a configuration.
    ///
    /// # Errors
    ///
    /// As [`try_all`](Self::try_all).
    pub fn try_any<T: Into<String>>(
        path: impl Into<ClaimPath>,
        roles: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        Self::try_new(&path.into(), roles, Quantity::Any)
    }

    fn try_new<T: Into<String>>(
        path: &ClaimPath,
        roles: impl IntoIterator<Item = T>,
        quantity: Quantity,
    ) -> Result<Self, ConfigError> {
        Requirement::roles(path, roles.into_iter().map(Into::into).collect(), quantity).map(Self::new)
    }
}

require_layer! {
    /// Asks for a token that was issued recently, by `iat`: an older one, or one without `iat`, gets 401 `invalid_token`,
    /// so that its client fetches a new one. For all routes at once, use
    /// [`max_token_age`](crate::ResourceServerBuilder::max_token_age); the stricter of both counts.
    ///
    /// A client can get a new token without its user, so this does not tell how long ago somebody logged in.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::RequireTokenAge;
    ///
    /// let for_payments = RequireTokenAge::at_most(Duration::from_secs(5 * 60));
    /// # let _ = for_payments;
    /// ```
    RequireTokenAge
}

impl RequireTokenAge {
    /// Asks that the token was issued at most this long ago, plus the resource server's
    /// [leeway](crate::ResourceServerBuilder::leeway) for clocks that differ.
    pub const fn at_most(age: Duration) -> Self {
        Self::new(Requirement::MaxAge(age))
    }
}

require_layer! {
    /// Asks whatever a closure decides: a token that it turns down gets 403.
    ///
    /// ```
    /// use tower_bearer::{RequireToken, SpeaksFor};
    ///
    /// // Needs a `user_marker` of the issuer: without one, no token is known to be a user's.
    /// let users_only = RequireToken::that("speaks for a user", |token| token.speaks_for() == SpeaksFor::User);
    /// # let _ = users_only;
    /// ```
    RequireToken
}

impl RequireToken {
    /// Asks that the closure is true of the token. The name is for logs; clients do not see it.
    pub fn that(
        name: impl Into<Cow<'static, str>>,
        predicate: impl Fn(&ValidatedToken) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(Requirement::Predicate { name: name.into(), predicate: Arc::new(predicate) })
    }
}

/// The service that the `Require` layers make.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    requirement: Requirement,
    server_id: Option<u64>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequireService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let token = required_token(request.extensions(), self.server_id);
        match token.and_then(|token| self.requirement.check(token).map_err(|error| token.refuse(error))) {
            Ok(()) => RequireFuture { answer: Answer::pass(self.inner.call(request)) },
            Err(refusal) => {
                telemetry::route_refused(refusal.error());
                drop(take_ready(&mut self.inner));
                RequireFuture { answer: Answer::refuse(refusal.to_logged_response()) }
            }
        }
    }
}

pin_project! {
    /// Answers one request.
    #[derive(Debug)]
    pub struct RequireFuture<F> {
        #[pin]
        answer: Answer<F>,
    }
}

impl<F, ResBody, E> Future for RequireFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().answer.poll(task)
    }
}

/// A constant that is wrong is a mistake in the program: it ends at start-up, as `HeaderName::from_static` does.
#[track_caller]
#[expect(clippy::panic, reason = "only texts from the program's source get here")]
fn constant<T>(built: Result<T, ConfigError>) -> T {
    match built {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}
