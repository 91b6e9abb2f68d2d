//! Sockets: listening, serving, and an end to it that comes for certain.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::StartError;

/// How long a stop waits for requests under way. Nothing here takes long; what is left then is a client that does not
/// finish its request.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// How long to wait when the system has no socket to give, instead of asking it again at full speed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens a listener; the address it returns has the port that the system chose, when `address` had none.
pub(super) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// What is between TCP and HTTP.
#[derive(Clone)]
pub(super) enum Transport {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// A task that accepts connections and owns them. Dropping this closes all of them at once.
pub(super) struct Connections {
    stopping: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Connections {
    pub(super) fn accept(listener: TcpListener, router: Router, transport: Transport) -> Self {
        let (stopping, stopped) = watch::channel(());
        Self { stopping, accepting: tokio::spawn(accept(listener, router, transport, stopped)) }
    }

    /// Ends with every connection closed.
    pub(super) async fn stop(mut self) {
        self.stopping.send_replace(());
        if let Err(error) = (&mut self.accepting).await {
            tracing::error!(%error, "the authorization server's task failed");
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, router: Router, transport: Transport, mut stopped: watch::Receiver<()>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    open.spawn(connect(stream, router.clone(), transport.clone(), stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // Forgets connections that have ended.
            Some(_) = open.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);

    let all_ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_GRACE, all_ended).await.is_err() {
        open.shutdown().await;
    }
}

#[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only a handshake waits here"))]
async fn connect(stream: TcpStream, router: Router, transport: Transport, mut stopped: watch::Receiver<()>) {
    match transport {
        Transport::Plain => serve(stream, router, stopped).await,
        #[cfg(feature = "tls")]
        Transport::Tls(acceptor) => {
            let shaken = tokio::select! {
                shaken = acceptor.accept(stream) => shaken,
                _ = stopped.changed() => return,
            };
            match shaken {
                Ok(stream) => serve(stream, router, stopped).await,
                // A client that does not trust the certificate is what some certificates are for.
                Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
            }
        }
    }
}

async fn serve<S>(stream: S, router: Router, mut stopped: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
