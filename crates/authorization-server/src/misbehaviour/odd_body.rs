//! Bodies that come in an odd way: slowly, in part, or without end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// A body in pieces, with something between them. It announces its whole length.
pub(super) struct PacedBody {
    rest: Bytes,
    piece: usize,
    between: Between,
    progress: Progress,
}

/// What comes after a piece when there is more.
#[derive(Clone, Copy)]
pub(super) enum Between {
    /// A pause, and then the next piece.
    Wait(Duration),
    /// Nothing, ever.
    Nothing,
    /// An end to the connection.
    Failure,
}

enum Progress {
    /// A piece may come.
    Ready,
    /// A piece has just gone out.
    Sent,
    Waiting(Pin<Box<Sleep>>),
    /// What went out may reach the client before the connection ends.
    Failing,
}

impl PacedBody {
    /// `whole` in pieces of so many bytes.
    pub(super) fn new(whole: Bytes, piece: usize, between: Between) -> Self {
        Self { rest: whole, piece: piece.max(1), between, progress: Progress::Ready }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        loop {
            match &mut self.progress {
                Progress::Ready => {
                    self.progress = Progress::Sent;
                    let piece = self.piece.min(self.rest.len());
                    return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))));
                }
                Progress::Sent => match self.between {
                    Between::Wait(pause) => self.progress = Progress::Waiting(Box::pin(tokio::time::sleep(pause))),
                    // No waker: the end of the connection ends this.
                    Between::Nothing => return Poll::Pending,
                    Between::Failure => {
                        self.progress = Progress::Failing;
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                },
                Progress::Waiting(pause) => {
                    ready!(pause.as_mut().poll(context));
                    self.progress = Progress::Ready;
                }
                Progress::Failing => {
                    return Poll::Ready(Some(Err(io::Error::other("the body breaks off, as it was told to"))));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}

/// A body made while it is sent, of a length that it does not announce.
pub(super) struct StreamedBody<I>(pub(super) I);

impl<I: Iterator<Item = Bytes> + Unpin> Body for StreamedBody<I> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.0.find(|piece| !piece.is_empty()).map(|piece| Ok(Frame::data(piece))))
    }
}
