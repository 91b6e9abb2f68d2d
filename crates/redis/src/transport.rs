//! Bytes to the server and back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::failure::ServerFailure;
use crate::server_url::Place;

/// No error of the TLS library is longer.
const MAX_TLS_TEXT: usize = 200;

pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Connects, and makes the TLS handshake if there is a connector.
pub(crate) async fn connect(place: &Place, tls: Option<TlsConnector>) -> Result<Box<dyn ByteStream>, ServerFailure> {
    let unreachable = |error: io::Error| ServerFailure::Unreachable(error.kind());
    match place {
        Place::Tcp { host, port, .. } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            let Some(tls) = tls else { return Ok(Box::new(stream)) };
            let name = ServerName::try_from(host.clone());
            let name =
                name.map_err(|_| ServerFailure::Tls(String::from("the host's name cannot be in a certificate")))?;
            Ok(Box::new(tls.connect(name, stream).await.map_err(|error| of_handshake(&error))?))
        }
        #[cfg(unix)]
        Place::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(unreachable)?)),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(ServerFailure::Unreachable(io::ErrorKind::Unsupported)),
    }
}

fn of_handshake(error: &io::Error) -> ServerFailure {
    if error.kind() != io::ErrorKind::InvalidData {
        return ServerFailure::ConnectionLost(error.kind());
    }
    let text = error.to_string();
    ServerFailure::Tls(text.chars().filter(|c| !c.is_control()).take(MAX_TLS_TEXT).collect())
}

/// A stream that ends with an error when more comes back for a request than any reply has: the protocol's parser would
/// keep it all.
pub(crate) struct Bounded<S> {
    stream: S,
    max_bytes: usize,
    left: usize,
    /// The client library does not hand the error to the request.
    is_exceeded: Arc<AtomicBool>,
}

impl<S> Bounded<S> {
    pub(crate) fn new(stream: S, max_bytes: usize) -> Self {
        Self { stream, max_bytes, left: max_bytes, is_exceeded: Arc::default() }
    }

    /// Becomes true when more came back.
    pub(crate) fn is_exceeded(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_exceeded)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(()))
            }
            None => {
                self.is_exceeded.store(true, Ordering::Release);
                Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.left = self.max_bytes;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
