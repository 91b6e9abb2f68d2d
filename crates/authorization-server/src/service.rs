//! What is on the server's port, or is not while it is stopped.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use tokio::net::TcpListener;

use super::StartError;
use super::connections::{Connections, Transport, listen};

/// A router at an address, that can be stopped and started again. Dropping it closes every connection.
pub(super) struct Service {
    address: SocketAddr,
    router: Router,
    transport: Transport,
    /// `None` while stopped.
    connections: Mutex<Option<Connections>>,
    /// Held during a stop and a restart, which take their time and could otherwise overtake each other.
    changing: tokio::sync::Mutex<()>,
}

impl Service {
    pub(super) fn serve(address: SocketAddr, listener: TcpListener, router: Router, transport: Transport) -> Self {
        let connections = Mutex::default();
        let service = Self { address, router, transport, connections, changing: tokio::sync::Mutex::default() };
        service.accept(listener);
        service
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn is_running(&self) -> bool {
        self.connections().is_some()
    }

    pub(super) async fn stop(&self) {
        let _one_at_a_time = self.changing.lock().await;
        let running = self.connections().take();
        if let Some(connections) = running {
            connections.stop().await;
        }
    }

    pub(super) async fn restart(&self) -> Result<(), StartError> {
        let _one_at_a_time = self.changing.lock().await;
        if !self.is_running() {
            let (listener, _) = listen(self.address).await?;
            self.accept(listener);
        }
        Ok(())
    }

    fn accept(&self, listener: TcpListener) {
        let address = self.address;
        tracing::warn!(%address, "the bundled authorization server is running; it is not for production");
        *self.connections() = Some(Connections::accept(listener, self.router.clone(), self.transport.clone()));
    }

    fn connections(&self) -> MutexGuard<'_, Option<Connections>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
