//! The body of a response: the inner service's, or that of a refusal.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The inner service's body, or the short text of a refusal.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProjection]
    enum Kind<B> {
        Inner {
            #[pin]
            body: B,
        },
        Refusal {
            text: Option<Bytes>,
        },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) const fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(crate) fn refusal(response: Response<Bytes>) -> Response<Self> {
        response.map(|text| Self { kind: Kind::Refusal { text: (!text.is_empty()).then_some(text) } })
    }
}

/// An empty body. Layers that answer by themselves ask for it: CORS, which belongs outside, answers preflights so.
impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self { kind: Kind::Refusal { text: None } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(context),
            KindProjection::Refusal { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Refusal { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Refusal { text: Some(text) } => SizeHint::with_exact(u64::try_from(text.len()).unwrap_or(u64::MAX)),
            // Not an exact 0, of which axum would make a `content-length` that its own 404 does not have in a response
            // to `HEAD`: a hidden route must not differ.
            Kind::Refusal { text: None } => SizeHint::default(),
        }
    }
}
