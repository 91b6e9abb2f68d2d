//! Watchers: a listener that nobody may talk to, a key server that answers when told, and the crate's log lines.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Once};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tracing_subscriber::layer::{Context, SubscriberExt};

/// A key server on loopback that counts its connections and answers each with a JWK Set when it is let go.
pub(crate) struct KeyServer {
    pub(crate) address: SocketAddr,
    connections: watch::Receiver<usize>,
    gate: Arc<Semaphore>,
}

impl KeyServer {
    /// One that answers at once.
    pub(crate) async fn start(jwk_set: impl Into<String>) -> Self {
        let server = Self::start_shut(jwk_set).await;
        server.open();
        server
    }

    /// One that answers nobody before [`open`](Self::open).
    pub(crate) async fn start_shut(jwk_set: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, connections) = watch::channel(0);
        let (gate, body) = (Arc::new(Semaphore::new(0)), jwk_set.into());
        let entrance = Arc::clone(&gate);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                let (entrance, body) = (Arc::clone(&entrance), body.clone());
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let _let_go = entrance.acquire().await;
                    let head =
                        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                });
            }
        });
        Self { address, connections, gate }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(1);
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    pub(crate) async fn connected(&self, count: usize) {
        self.connections.clone().wait_for(|connections| *connections >= count).await.unwrap();
    }
}

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Everything that the crate logs on this thread from now on, at every level, values included.
///
/// One subscriber for the whole process, which tells the tests apart by their threads: with one for each test, whether
/// a log line is on at all would depend on which test came first.
pub(crate) struct Logs(());

impl Logs {
    pub(crate) fn capture() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Recorder)).unwrap();
        });
        LINES.with_borrow_mut(Vec::clear);
        Self(())
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        LINES.with_borrow(Clone::clone)
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }
}

struct Recorder;

impl Recorder {
    fn record(metadata: &tracing::Metadata<'_>, write: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{} {}", metadata.level(), metadata.name()));
        write(&mut line);
        LINES.with_borrow_mut(|lines| lines.push(line.0));
    }
}

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("tower_bearer")
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        Self::record(event.metadata(), |line| event.record(line));
    }

    fn on_new_span(&self, span: &tracing::span::Attributes<'_>, _: &tracing::span::Id, _: Context<'_, S>) {
        Self::record(span.metadata(), |line| span.record(line));
    }
}
