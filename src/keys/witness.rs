//! Makes sure that the [`AddressGuard`](super::AddressGuard) checked the address of each connection.
//!
//! [`Issuer::http_client`](crate::Issuer::http_client) may give a name fixed addresses or send everything to a Unix
//! socket, and then the resolver is not called. The HTTP client does not reveal these settings. So a layer around its
//! connector notes for each connection whether the guard checked its address. If not, it closes the connection before an
//! HTTP request is sent; the TLS handshake has happened by then. With a literal address in the URL, which the guard checks
//! by itself, and a Unix socket, only the response shows it: that one is discarded.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tower::{Layer, Service};
use url::{Host, Url};

tokio::task_local! {
    /// Whether the address was checked, for the request being sent or the connection being established for it.
    static LOOKUP: Arc<Lookup>;
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// Whether the address that a connection goes to was checked.
#[derive(Debug)]
struct Lookup(AtomicBool);

/// Sends a request to this URL, and watches the connection that is established for it. A URL that has an address
/// instead of a name is not looked up: check the address first.
pub(super) async fn watch<T>(url: &Url, send: impl Future<Output = T>) -> T {
    let is_checked = !matches!(url.host(), Some(Host::Domain(_)));
    LOOKUP.scope(Arc::new(Lookup(AtomicBool::new(is_checked))), send).await
}

/// Called when the addresses of a name are looked up and checked.
pub(super) fn note_lookup() {
    // Outside of a request nothing is watched.
    let _ = LOOKUP.try_with(|lookup| lookup.0.store(true, Ordering::Relaxed));
}

/// Watches the connections of a connector.
#[derive(Clone, Debug)]
pub(super) struct WitnessLayer;

/// See [`WitnessLayer`].
#[derive(Clone, Debug)]
pub(super) struct Witness<S>(S);

/// A connection to an address that was not checked.
#[derive(Debug)]
pub(super) struct Unchecked;

impl<S> Layer<S> for WitnessLayer {
    type Service = Witness<S>;

    fn layer(&self, connector: S) -> Witness<S> {
        Witness(connector)
    }
}

impl<S, R> Service<R> for Witness<S>
where
    S: Service<R, Error = BoxError, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // If the request takes a connection that became idle meanwhile, another task finishes this one.
        let lookup = LOOKUP.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(Lookup(AtomicBool::new(false))));
        let connecting = LOOKUP.scope(Arc::clone(&lookup), self.0.call(request));
        Box::pin(async move {
            let connection = connecting.await?;
            if lookup.0.load(Ordering::Relaxed) { Ok(connection) } else { Err(Unchecked.into()) }
        })
    }
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address was not checked")
    }
}

impl StdError for Unchecked {}
