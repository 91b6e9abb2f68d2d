//! Connections to the target: TCP, and TLS where the URL says so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, Error as TlsError};

/// What HTTP goes over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}
pub(super) type Stream = Box<dyn Transport>;

/// Where connections go: an address that was looked at before, whatever the name resolves to later.
#[derive(Clone)]
pub(super) struct Connector {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    /// `tls` is the name that the server's certificate must have.
    ///
    /// # Errors
    ///
    /// When the roots of the system cannot be read.
    pub(super) fn new(address: SocketAddr, tls: Option<ServerName<'static>>, is_http2: bool) -> Result<Self, TlsError> {
        let tls = match tls {
            Some(name) => {
                let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
                    .with_safe_default_protocol_versions()?
                    .with_platform_verifier()?
                    .with_no_client_auth();
                config.alpn_protocols = vec![if is_http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
                Some((TlsConnector::from(Arc::new(config)), name))
            }
            None => None,
        };
        Ok(Self { address, tls })
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await?),
            None => Box::new(tcp),
        })
    }
}
