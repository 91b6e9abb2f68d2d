//! The handle of a server.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::connections::{Connections, listen};
use super::router::router;
use super::state::ServerState;
use super::{AuthorizationServerBuilder, Endpoint, StartError};
use crate::test_util::{Defect, SigningError, TokenBuilder};

/// A running authorization server. **Not for production**: see the [module](super).
///
/// It runs until the handle is dropped or [stopped](Self::stop); a stopped one keeps its keys, clients and counters and
/// can be [started again](Self::restart).
///
/// ```
/// use tower_bearer::authorization_server::AuthorizationServer;
/// use tower_bearer::jose::Algorithm;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await?;
/// let keys = reqwest::get(server.jwks_uri()).await?.text().await?;
///
/// server.stop().await;
/// assert!(reqwest::get(server.jwks_uri()).await.is_err());
///
/// server.restart().await?;
/// assert_eq!(reqwest::get(server.jwks_uri()).await?.text().await?, keys);
/// # Ok(())
/// # }
/// ```
pub struct AuthorizationServer {
    state: Arc<ServerState>,
    address: SocketAddr,
    /// `None` while stopped. Dropping it ends the task and closes every connection.
    connections: Option<Connections>,
}

impl AuthorizationServer {
    /// Starts with the settings of a server: no clients, RS256, a free port, the machine's clock.
    pub fn builder() -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::new()
    }

    pub(super) fn serve(state: Arc<ServerState>, address: SocketAddr, listener: TcpListener) -> Self {
        let mut server = Self { state, address, connections: None };
        server.accept(listener);
        server
    }

    /// The issuer URL, `http://127.0.0.1:PORT` and the [path](AuthorizationServerBuilder::issuer_path), without a slash
    /// at its end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.state.issuer.url()
    }

    /// The URL of the token endpoint.
    #[must_use]
    pub fn token_endpoint(&self) -> &str {
        &self.state.token_endpoint
    }

    /// The URL of the JWK Set.
    #[must_use]
    pub fn jwks_uri(&self) -> &str {
        &self.state.jwks_uri
    }

    /// Where the server listens, also while it is stopped.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests this endpoint has got since the first start, refused ones included.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.state.requests(endpoint)
    }

    /// Replaces every key by a new one for the same algorithm; the old ones are withdrawn at once. Blocks for as long as
    /// making the keys takes, for RSA about 100 ms each.
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made; the old keys stay then.
    pub fn rotate_keys(&self) -> Result<(), SigningError> {
        self.state.issuer.rotate_keys()
    }

    /// Starts a token by this server's key, such as the first client gets; without clients, as
    /// [`TestIssuer::token`](crate::test_util::TestIssuer::token) makes it.
    #[must_use]
    pub fn token(&self) -> TokenBuilder {
        let issuer = &self.state.issuer;
        self.state.clients.first().map_or_else(|| issuer.token(), |client| client.token(issuer, &client.all_scopes()))
    }

    /// The same token with one thing wrong with it.
    #[must_use]
    pub fn defective_token(&self, defect: Defect) -> String {
        self.token().sign_defective(defect)
    }

    /// Stops listening, lets requests under way end, for at most a second, and closes every connection. The port is free
    /// afterwards. A stopped server stays as it is.
    pub async fn stop(&mut self) {
        if let Some(connections) = self.connections.take() {
            connections.stop().await;
        }
    }

    /// Starts a stopped server again, at the same address with the same keys. A running server stays as it is.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] when someone else has taken the port meanwhile.
    pub async fn restart(&mut self) -> Result<(), StartError> {
        if self.connections.is_none() {
            let (listener, _) = listen(self.address).await?;
            self.accept(listener);
        }
        Ok(())
    }

    fn accept(&mut self, listener: TcpListener) {
        tracing::warn!(issuer = self.issuer(), "the bundled authorization server is running; it is not for production");
        self.connections = Some(Connections::accept(listener, router(Arc::clone(&self.state))));
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.issuer())
            .field("running", &self.connections.is_some())
            .finish_non_exhaustive()
    }
}
