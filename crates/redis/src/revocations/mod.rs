//! A revocation list that replicas share.

mod builder;
mod entry;
mod follow;
mod freshness;
mod marker;
mod names;
mod progress;
mod replies;
mod report;
mod session;
mod shared;
mod synchronize;
mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Value, pipe};
use tokio::task::AbortHandle;
use tower_bearer::{
    Revocation, RevocationAnswer, RevocationCheck, RevocationError, RevocationSignal, RevocationState,
    RevocationStatus, RevocationVerdict, ValidatedToken,
};

pub use self::builder::RedisRevocationsBuilder;
use self::entry::StoredEntry;
use self::marker::add_marker_read;
use self::progress::Phase;
use self::shared::Shared;
use crate::connection::{results, transaction};
use crate::failure::ServerFailure;
use crate::server::RedisServer;

/// A client that was refused with 503 may try again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long an order to initialize is valid.
const ORDER_SECONDS: u32 = 600;

/// A revocation list that all replicas of a service share through a Redis or Valkey server. Clones share it; when the
/// last one is dropped, the connections are closed.
///
/// Each replica has the whole list in memory, as a [`RevocationList`](tower_bearer::RevocationList): requests never wait
/// for the network. What one replica revokes, the others refuse within a second. See the [crate's page](crate) for what
/// happens in each failure.
///
/// ```no_run
/// use std::time::Duration;
///
/// use tower_bearer::ResourceServer;
/// use tower_bearer_redis::{RedisRevocations, RedisServer};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let server = RedisServer::at("rediss://redis.internal:6380").password_file("/run/secrets/redis");
/// // The longest lifetime that the authorization server gives an access token.
/// let revocations = RedisRevocations::builder(server, Duration::from_secs(600)).start()?;
/// let api = ResourceServer::builder().revocation(revocations.clone());
/// revocations.ready().await; // or let `readiness()` say 503 until then
/// revocations.revoke_subject("https://as.example.com", "alice").await?; // on every replica
/// # let _ = api;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisRevocations(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// Why [`RedisRevocations::revoke`] failed.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RevokeError {
    /// Nothing was revoked.
    #[error(transparent)]
    NotRevoked(#[from] RevocationError),
    /// This replica refuses the tokens from now on. Whether the others do is unknown, because the server did not confirm
    /// the entry: revoke again. As long as this replica lives it keeps the entry, and uploads it once it reaches the
    /// server.
    #[error("revoked on this replica alone: {0}")]
    NotShared(#[source] ServerFailure),
}

impl RedisRevocations {
    /// Starts a configuration. Tokens that were issued longer ago than `max_token_lifetime` are refused: take the longest
    /// lifetime that the authorization server gives an access token.
    pub fn builder(server: RedisServer, max_token_lifetime: Duration) -> RedisRevocationsBuilder {
        RedisRevocationsBuilder::new(server, max_token_lifetime)
    }

    /// Revokes what the entry names, on every replica. This replica refuses the tokens at once, the others within a
    /// second after this returns. Returns once the server has the entry, with the entry as the list has it now.
    ///
    /// It may be dropped at any time: what it has begun is uploaded all the same.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NotRevoked`] when the list is full or the entry cannot be of any token;
    /// [`RevokeError::NotShared`] when the server does not confirm it within the
    /// [`write_timeout`](RedisRevocationsBuilder::write_timeout).
    pub async fn revoke(&self, entry: &Revocation) -> Result<Revocation, RevokeError> {
        let shared = &self.0.shared;
        let mut unshared = Unshared { flag: Some(&shared.has_unshared) };
        // A replica that accepts tokens for longer can have joined a moment ago: then once more, for its lifetime.
        for _ in 0..2 {
            let longest = shared.longest_lifetime();
            let revoked = shared.for_all_replicas(entry).and_then(|entry| shared.list.revoke(&entry));
            let revoked = revoked.inspect_err(|_| unshared.flag = None)?;
            let Some(stored) = StoredEntry::of(&revoked) else { return Err(RevocationError::Time.into()) };
            let needed = self.write(&stored).await.map_err(RevokeError::NotShared)?;
            if needed.is_none_or(|needed| needed <= longest) {
                unshared.flag = None;
                return Ok(revoked);
            }
        }
        Err(RevokeError::NotShared(ServerFailure::UnexpectedReply("EXEC")))
    }

    /// Revokes this token alone, by its `jti`.
    ///
    /// # Errors
    ///
    /// [`RevocationError::NoTokenId`] if it has no `jti`; those of [`revoke`](Self::revoke).
    pub async fn revoke_token(&self, token: &ValidatedToken) -> Result<Revocation, RevokeError> {
        self.revoke(&Revocation::of_token(token)?).await
    }

    /// Revokes every token of this session (`sid`).
    ///
    /// # Errors
    ///
    /// Those of [`revoke`](Self::revoke).
    pub async fn revoke_session(&self, issuer: &str, session_id: &str) -> Result<Revocation, RevokeError> {
        self.revoke(&Revocation::session(issuer, session_id)).await
    }

    /// Revokes every token of this client that has been issued until now, as
    /// [`RevocationList::revoke_client`](tower_bearer::RevocationList::revoke_client) does.
    ///
    /// # Errors
    ///
    /// Those of [`revoke`](Self::revoke).
    pub async fn revoke_client(&self, issuer: &str, client_id: &str) -> Result<Revocation, RevokeError> {
        self.revoke(&Revocation::client(issuer, client_id, self.0.shared.latest_issued_at()?)).await
    }

    /// Revokes every token of this subject that has been issued until now: logs a user out everywhere. See
    /// [`RevocationList::revoke_subject`](tower_bearer::RevocationList::revoke_subject).
    ///
    /// # Errors
    ///
    /// Those of [`revoke`](Self::revoke).
    pub async fn revoke_subject(&self, issuer: &str, subject: &str) -> Result<Revocation, RevokeError> {
        self.revoke(&Revocation::subject(issuer, subject, self.0.shared.latest_issued_at()?)).await
    }

    /// Waits until the list is complete. It does not end while the server cannot be reached or does not hold the list:
    /// give it a time limit.
    pub async fn ready(&self) {
        let mut report = self.0.shared.report.subscribe();
        // The sender is in `self`.
        let _ = report.wait_for(|report| report.phase == Phase::Following).await;
    }

    /// Tells the replicas that the server holds the list from now on: that a new or emptied server lacks nothing that
    /// was revoked and still matters, or that losing it is accepted. The first replica that needs it does so within a
    /// second or two, if it happens within ten minutes. Entries that are in the server or in live replicas are kept.
    ///
    /// # Errors
    ///
    /// When the server does not confirm it in time.
    pub async fn initialize(&self) -> Result<(), ServerFailure> {
        let shared = &self.0.shared;
        let mut command = pipe();
        command.cmd("SET").arg(&shared.names.order).arg(1).arg("EX").arg(ORDER_SECONDS);
        shared.commands.send_repeatable::<Value>("SET", &command, shared.write_timeout).await.map(drop)
    }

    /// The entries that have not ended, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Revocation> + '_ {
        self.0.shared.list.entries()
    }

    fn new(shared: Arc<Shared>, task: AbortHandle) -> Self {
        Self(Arc::new(Inner { shared, task }))
    }

    /// Returns for how long the replica accepts tokens that does so longest, if the server says so.
    async fn write(&self, entry: &StoredEntry) -> Result<Option<Duration>, ServerFailure> {
        let Shared { names, commands, write_timeout, .. } = &*self.0.shared;
        let writes = transaction(|commands| {
            write::add_entries(commands, names, std::slice::from_ref(entry));
            write::add_news(commands, names, entry);
            add_marker_read(commands, names);
        });
        let replies = commands.send_repeatable("EXEC", &writes, *write_timeout).await?;
        let results = results(replies)?;
        let markers = replies::markers(results.last().ok_or(ServerFailure::UnexpectedReply("EXEC"))?)?;
        let longest = markers.iter().map(|marker| marker.lifetime).max();
        if let Some(longest) = longest {
            self.0.shared.longest_lifetime.fetch_max(longest.as_secs(), Ordering::AcqRel);
        }
        Ok(longest)
    }
}

impl RevocationCheck for RedisRevocations {
    #[inline]
    fn check(&self, token: &ValidatedToken) -> RevocationAnswer {
        let shared = &self.0.shared;
        match shared.list.check(token) {
            // What is known to be revoked is refused as such, however old the list is.
            RevocationAnswer::Now(RevocationVerdict::NotRevoked) if !shared.freshness.is_usable() => {
                RevocationVerdict::Unavailable { retry_after: RETRY_AFTER }.into()
            }
            answer => answer,
        }
    }

    fn max_token_lifetime(&self) -> Option<Duration> {
        self.0.shared.list.max_token_lifetime()
    }

    fn max_leeway(&self) -> Option<Duration> {
        self.0.shared.list.max_leeway()
    }

    fn changes(&self) -> Option<&RevocationSignal> {
        self.0.shared.list.changes()
    }

    fn status(&self) -> RevocationStatus {
        let shared = &self.0.shared;
        let report = shared.report.borrow().clone();
        let mut status = shared.list.status();
        status.state = shared.freshness.state();
        status.age = shared.freshness.age();
        status.connected = Some(report.phase != Phase::Disconnected);
        status.propagation = report.propagation;
        status.last_error = match (&report.failure, status.state) {
            (Some(failure), _) => Some(failure.to_string()),
            (None, RevocationState::Current) => None,
            (None, _) if shared.freshness.age().is_none() => Some(String::from("the list has not been read yet")),
            (None, _) => Some(String::from("the task that reads the list does not run")),
        };
        status
    }
}

impl fmt::Debug for RedisRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.0.shared;
        f.debug_struct("RedisRevocations").field("server", &shared.server.url).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Says, when it is dropped, that something may not be in the server.
struct Unshared<'s> {
    flag: Option<&'s AtomicBool>,
}

impl Drop for Unshared<'_> {
    fn drop(&mut self) {
        if let Some(flag) = self.flag {
            flag.store(true, Ordering::Release);
        }
    }
}
