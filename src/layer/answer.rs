//! The answer to a request that is decided: the inner service's, or a refusal.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use super::body::ResponseBody;

pin_project! {
    #[derive(Debug)]
    #[project = AnswerProjection]
    pub(super) enum Answer<F> {
        Passed {
            #[pin]
            answer: F,
        },
        Refused {
            response: Option<Response<Bytes>>,
        },
    }
}

impl<F> Answer<F> {
    pub(super) const fn pass(answer: F) -> Self {
        Self::Passed { answer }
    }

    pub(super) const fn refuse(response: Response<Bytes>) -> Self {
        Self::Refused { response: Some(response) }
    }
}

impl<F, ResBody, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AnswerProjection::Passed { answer } => {
                answer.poll(task).map_ok(|response| response.map(ResponseBody::inner))
            }
            AnswerProjection::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(ResponseBody::refusal(response))),
                // Polled again after its end: a future may do anything then but harm.
                None => Poll::Pending,
            },
        }
    }
}
