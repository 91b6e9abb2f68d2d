//! Whole requests, without a network.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{Empty, Full};
use tower::Service;

/// The handler behind every layer: 200 with nothing in it.
pub(crate) async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::default()))
}

/// Sends a request at each call, with these tokens in turn, and gives the status of the answer.
pub(crate) fn requests<S, B>(mut service: S, tokens: &[String]) -> impl FnMut() -> StatusCode + Send + use<S, B>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible> + Send,
{
    // A header of its own for every caller: clones of one count on the same cache line.
    let headers: Vec<_> = tokens.iter().map(|token| authorization(token)).collect();
    let mut next = 0;
    move || {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from_static("/leads");
        request.headers_mut().insert(AUTHORIZATION, headers[next].clone());
        next = if next + 1 == headers.len() { 0 } else { next + 1 };
        now(poll_fn(|context| service.poll_ready(context))).unwrap();
        black_box(now(service.call(black_box(request))).unwrap()).status()
    }
}

/// As hyper makes it: bytes that clones share.
fn authorization(token: &str) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(format!("Bearer {token}"))).unwrap()
}

/// With fixed keys one poll is enough.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("fixed keys need nothing to wait for"),
    }
}
