//! One connection, and one that is opened again after it was lost.
//!
//! Nothing is sent twice: whether a command may be repeated is known to its caller alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, RedisConnectionInfo, Value, pipe};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn, spawn_blocking};
use tokio::time::timeout;

use crate::failure::ServerFailure;
use crate::server::CheckedServer;
use crate::server_url::Place;
use crate::transport::{Bounded, connect};

/// How long a connection may take, from the name's resolution to the password's acceptance.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A connection that nobody else uses. It is closed when it is dropped.
pub(crate) struct Connection {
    redis: MultiplexedConnection,
    driver: JoinHandle<()>,
    max_reply_bytes: usize,
    is_reply_too_large: Arc<AtomicBool>,
}

impl Connection {
    /// `max_reply_bytes` is for all replies to one request.
    pub(crate) async fn open(server: &CheckedServer, max_reply_bytes: usize) -> Result<Self, ServerFailure> {
        let opened = timeout(CONNECT_LIMIT, Self::open_unbounded(server, max_reply_bytes)).await;
        opened.map_err(|_| ServerFailure::TimedOut(CONNECT_LIMIT))?
    }

    async fn open_unbounded(server: &CheckedServer, max_reply_bytes: usize) -> Result<Self, ServerFailure> {
        let files = server.clone();
        // Reads the files.
        let prepared = spawn_blocking(move || prepare(&files)).await;
        let (tls, login) = prepared.map_err(|_| ServerFailure::File(String::from("the runtime ended")))??;
        let stream = Bounded::new(connect(&server.url.place, tls).await?, max_reply_bytes);
        let is_reply_too_large = stream.is_exceeded();
        let without_limit = AsyncConnectionConfig::new().set_response_timeout(None);
        let connected = MultiplexedConnection::new_with_config(&login, stream, without_limit).await;
        let (redis, driver) = connected.map_err(|error| ServerFailure::of_command("AUTH", error))?;
        Ok(Self { redis, driver: spawn(driver), max_reply_bytes, is_reply_too_large })
    }

    /// Sends these commands, and returns their replies, or the first error. After any failure but `Refused`, the
    /// connection is of no more use.
    ///
    /// `name` is that of the commands, for errors.
    pub(crate) async fn send<T: FromRedisValue>(
        &self,
        name: &'static str,
        commands: &Pipeline,
        within: Duration,
    ) -> Result<T, ServerFailure> {
        let replies = timeout(within, commands.query_async(&mut self.redis.clone())).await;
        replies.map_err(|_| ServerFailure::TimedOut(within))?.map_err(|error| {
            if self.is_reply_too_large.load(Ordering::Acquire) {
                return ServerFailure::ReplyTooLarge { max_bytes: self.max_reply_bytes };
            }
            ServerFailure::of_command(name, error)
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Commands that the server runs together, or not at all.
///
/// They are sent as any other commands, because an error in reply to `MULTI` is not expected by the client library's own
/// transactions.
pub(crate) fn transaction(add: impl FnOnce(&mut Pipeline)) -> Pipeline {
    let mut commands = pipe();
    commands.cmd("MULTI");
    add(&mut commands);
    commands.cmd("EXEC");
    commands
}

/// The replies to the commands of a transaction.
pub(crate) fn results(replies: Vec<Value>) -> Result<Vec<Value>, ServerFailure> {
    match replies.into_iter().next_back() {
        Some(Value::Array(results)) => {
            let results = results.into_iter().map(Value::extract_error).collect::<Result<_, _>>();
            results.map_err(|error| ServerFailure::of_command("EXEC", error))
        }
        _ => Err(ServerFailure::UnexpectedReply("EXEC")),
    }
}

type Prepared = (Option<tokio_rustls::TlsConnector>, RedisConnectionInfo);

fn prepare(server: &CheckedServer) -> Result<Prepared, ServerFailure> {
    let tls = match &server.url.place {
        Place::Tcp { tls: true, .. } => Some(server.tls.connector()?),
        Place::Tcp { .. } | Place::Unix(_) => None,
    };
    // Without `CLIENT SETINFO`, which some ACLs refuse.
    let mut login = RedisConnectionInfo::default().set_db(server.url.database).set_skip_set_lib_name();
    if let Some(password) = &server.password {
        login = login.set_password(password.read()?);
    }
    if let Some(user) = &server.user {
        login = login.set_username(user);
    }
    Ok((tls, login))
}

/// The connection for commands that callers wait for. They share it; the next one opens it again after it was lost.
pub(crate) struct Commands {
    server: Arc<CheckedServer>,
    max_reply_bytes: usize,
    open: Mutex<Option<Arc<Connection>>>,
}

impl Commands {
    pub(crate) fn new(server: Arc<CheckedServer>, max_reply_bytes: usize) -> Self {
        Self { server, max_reply_bytes, open: Mutex::const_new(None) }
    }

    /// Sends these commands once. Opening the connection, if there is none, is within the time.
    ///
    /// Whether a command that failed took effect is unknown, unless the server refused it.
    pub(crate) async fn send<T: FromRedisValue>(
        &self,
        name: &'static str,
        commands: &Pipeline,
        within: Duration,
    ) -> Result<T, ServerFailure> {
        let sent = timeout(within, async {
            let connection = self.connection().await?;
            let sent = connection.send(name, commands, within).await;
            // A server that refuses one command, such as a primary that became a replica, may not be the right one.
            sent.inspect_err(|_| self.close_this(&connection))
        });
        sent.await.unwrap_or_else(|_| {
            self.close_current();
            Err(ServerFailure::TimedOut(within))
        })
    }

    /// The same for commands that have no other effect when they are sent twice: once more, if the connection was lost,
    /// or its server is no primary any more. Within the same time.
    pub(crate) async fn send_repeatable<T: FromRedisValue>(
        &self,
        name: &'static str,
        commands: &Pipeline,
        within: Duration,
    ) -> Result<T, ServerFailure> {
        let sent = timeout(within, async {
            match self.send(name, commands, within).await {
                Err(ServerFailure::ConnectionLost(_)) => {}
                Err(ServerFailure::Refused { code }) if code == "READONLY" => {}
                sent => return sent,
            }
            self.send(name, commands, within).await
        });
        sent.await.unwrap_or(Err(ServerFailure::TimedOut(within)))
    }

    /// The next command opens a connection again, which may lead to another server. Commands that were sent get their
    /// replies.
    pub(crate) async fn close(&self) {
        self.open.lock().await.take();
    }

    fn close_this(&self, connection: &Arc<Connection>) {
        // If another caller has the lock, it opens a connection, or finds that this one has ended.
        if let Ok(mut open) = self.open.try_lock() {
            open.take_if(|open| Arc::ptr_eq(open, connection));
        }
    }

    fn close_current(&self) {
        if let Ok(mut open) = self.open.try_lock() {
            open.take();
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, ServerFailure> {
        let mut open = self.open.lock().await;
        match &mut *open {
            // A command on a connection that has ended could not be told from one that was lost on its way.
            Some(connection) if !connection.driver.is_finished() => Ok(Arc::clone(connection)),
            ended => {
                let connection = Connection::open(&self.server, self.max_reply_bytes).await?;
                Ok(Arc::clone(ended.insert(Arc::new(connection))))
            }
        }
    }
}
