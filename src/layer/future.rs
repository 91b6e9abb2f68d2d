//! The future of one request.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use super::answer::Answer;
use super::body::ResponseBody;
use super::extensions::admit;
use crate::error::TokenError;
use crate::refusal::Refusal;
use crate::server_context::ServerContext;
use crate::token::ValidatedToken;

pin_project! {
    /// Answers one request. Only one whose key is not known yet owns a box.
    pub struct BearerFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: Stage<S, S::Future, ReqBody>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, F, ReqBody> {
        Decided {
            #[pin]
            answer: Answer<F>,
        },
        Waiting {
            decision: Pin<Box<dyn Future<Output = Result<ValidatedToken, TokenError>> + Send>>,
            waiting: Option<Box<WaitingRequest<S, ReqBody>>>,
        },
    }
}

/// A request that waits for a key, with the service that is ready for it.
struct WaitingRequest<S, ReqBody> {
    context: Arc<ServerContext>,
    ready: S,
    request: Request<ReqBody>,
}

impl<S, ReqBody> BearerFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) const fn pass(answer: S::Future) -> Self {
        Self { state: Stage::Decided { answer: Answer::pass(answer) } }
    }

    pub(super) fn refuse(refusal: &Refusal) -> Self {
        Self { state: Stage::Decided { answer: Answer::refuse(refusal.to_response()) } }
    }

    pub(super) fn wait(
        decision: impl Future<Output = Result<ValidatedToken, TokenError>> + Send + 'static,
        context: Arc<ServerContext>,
        ready: S,
        request: Request<ReqBody>,
    ) -> Self {
        let waiting = Some(Box::new(WaitingRequest { context, ready, request }));
        Self { state: Stage::Waiting { decision: Box::pin(decision), waiting } }
    }
}

impl<S, ReqBody, ResBody> Future for BearerFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let answer = match state.as_mut().project() {
                StageProjection::Decided { answer } => return answer.poll(task),
                StageProjection::Waiting { decision, waiting } => {
                    let verdict = ready!(decision.as_mut().poll(task));
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    let WaitingRequest { context, mut ready, mut request } = *waiting;
                    match verdict {
                        Ok(token) => {
                            admit(request.extensions_mut(), Some(token), &context);
                            Answer::pass(ready.call(request))
                        }
                        Err(error) => Answer::refuse(Refusal::new(error, Some(context)).to_response()),
                    }
                }
            };
            state.set(Stage::Decided { answer });
        }
    }
}

impl<S, ReqBody> fmt::Debug for BearerFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerFuture").finish_non_exhaustive()
    }
}
