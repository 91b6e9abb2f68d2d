//! The layer around a whole API.
//!
//! The simple version is an `async` block that judges the token and calls the inner service. Departures from it, with
//! what each gains for a request whose token is in the cache (`cargo bench --bench layer`, nanoseconds of some 400 in
//! all):
//!
//! 1. **The future has a name** and needs no box: some 50 less, and one allocation.
//! 2. **The text of the token is looked up before it is read**: no pass over it for its characters, the digest is one.
//! 3. **A hit reads the clock once**, for what can change with time. How long a check took is measured where one is
//!    made. With no pass over a query that is not there it is 105 less.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, Uri};
use tower::{Layer, Service};

use super::body::ResponseBody;
use super::extensions::admit;
use super::future::BearerFuture;
use super::watch::Watch;
use crate::error::TokenError;
use crate::presentation::{Parked, Presentation};
use crate::refusal::Refusal;
use crate::resource_server::{Pending, ResourceServer, Stop, Subject, Waited};
use crate::telemetry::Judgement;
use crate::token::ValidatedToken;

type PublicRequests = dyn Fn(&Method, &Uri) -> bool + Send + Sync;

/// Lets only requests with a good token through. Made by [`ResourceServer::layer`].
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct BearerLayer {
    server: ResourceServer,
    is_optional: bool,
    is_public: Option<Arc<PublicRequests>>,
}

impl ResourceServer {
    /// The layer that lets only requests with a good token through.
    pub fn layer(&self) -> BearerLayer {
        BearerLayer { server: self.clone(), is_optional: false, is_public: None }
    }
}

impl BearerLayer {
    /// Lets requests *without* a token through as well: no `Authorization` header, or one of a scheme that is not for
    /// access tokens. A bad token is refused as ever, and so is one under the scheme `DPoP`. Handlers take `Option<ValidatedToken>`.
    pub const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// Lets requests through without looking at their credentials, when the closure says so: health checks, CORS
    /// preflights.
    ///
    /// The closure sees the URI as the client wrote it, without the prefix that axum's `nest` takes off. Compare exact
    /// paths: `//health`, `/Health` and `/health%2f` are other paths, and a prefix that passes may reach more than you
    /// think. Leaving public routes outside of the layer is safer still.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// # let issuer = Issuer::new("https://as.example.com").jwk_set_url("https://as.example.com/keys");
    /// # let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer).build()?;
    /// let layer = api.layer().public_when(|method, uri| method == "GET" && uri.path() == "/health");
    /// # let _ = layer;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn public_when(mut self, is_public: impl Fn(&Method, &Uri) -> bool + Send + Sync + 'static) -> Self {
        self.is_public = Some(Arc::new(is_public));
        self
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BearerService { inner, layer: self.clone() }
    }
}

impl fmt::Debug for BearerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerLayer")
            .field("server", &self.server)
            .field("is_optional", &self.is_optional)
            .finish_non_exhaustive()
    }
}

/// The service that [`BearerLayer`] makes.
#[derive(Clone, Debug)]
pub struct BearerService<S> {
    inner: S,
    layer: BearerLayer,
}

impl BearerLayer {
    fn is_public<B>(&self, request: &Request<B>) -> bool {
        self.is_public.as_ref().is_some_and(|is_public| is_public(request.method(), request.uri()))
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for BearerService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = BearerFuture<S, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if self.layer.is_public(&request) {
            Judgement::anonymous();
            return self.pass(request, None);
        }
        let server = &self.layer.server;
        let presented = Presentation::in_request(&request);
        let mut watch = Watch::default();
        match server.decide(Subject::Presented(presented), Waited::NOTHING, &mut watch) {
            Ok(token) => {
                watch.accepted(server.clock(), &token);
                self.pass(request, Some(token))
            }
            Err(Stop::Refused(TokenError::Absent)) if self.layer.is_optional => {
                Judgement::anonymous();
                self.pass(request, None)
            }
            Err(Stop::Refused(error)) => {
                watch.refused(server.clock(), &error);
                self.refuse(error)
            }
            Err(Stop::Pending(pending)) => match presented.park() {
                Ok(parked) => {
                    let decision = decide_after(server.clone(), pending, parked, watch);
                    let context = Arc::clone(server.context());
                    BearerFuture::wait(decision, context, take_ready(&mut self.inner), request)
                }
                Err(error) => {
                    watch.refused(server.clock(), &error);
                    self.refuse(error)
                }
            },
        }
    }
}

async fn decide_after(
    server: ResourceServer,
    pending: Pending,
    parked: Parked,
    mut watch: Watch,
) -> Result<ValidatedToken, TokenError> {
    let decision = server.decide_after(pending, parked.presentation(), &mut watch).await;
    match &decision {
        Ok(token) => watch.accepted(server.clock(), token),
        Err(error) => watch.refused(server.clock(), error),
    }
    decision
}

impl<S> BearerService<S> {
    fn pass<B>(&mut self, mut request: Request<B>, token: Option<ValidatedToken>) -> BearerFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        admit(request.extensions_mut(), token, self.layer.server.context());
        BearerFuture::pass(self.inner.call(request))
    }

    fn refuse<B>(&mut self, error: TokenError) -> BearerFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
    {
        drop(take_ready(&mut self.inner));
        BearerFuture::refuse(&Refusal::new(error, Some(Arc::clone(self.layer.server.context()))))
    }
}

/// The service that was polled ready; its clone stays behind. Where a request is refused, what the service reserved to
/// be ready, such as a place under a concurrency limit, is then for others, however long this one lives.
pub(super) fn take_ready<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    std::mem::replace(service, clone)
}
