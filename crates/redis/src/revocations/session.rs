//! One connection to the server: the list is read as a whole, then followed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Value, pipe};
use tokio::time::{sleep, timeout};

use super::marker::{ANNOUNCED, Marker, add_marker_read, random};
use super::replies::{self, RecordId, ServerInfo};
use super::shared::Shared;
use crate::connection::Connection;
use crate::failure::ServerFailure;

/// For replies that take the server no time.
pub(super) const REPLY_LIMIT: Duration = Duration::from_secs(1);
/// For the whole list. A million entries take some seconds.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// A page of the list, or a batch of news, is far smaller.
const MAX_REPLY_BYTES: usize = 64 * 1024 * 1024;

pub(super) const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_millis(500);
/// How often a server that does not hold the list is asked whether it does now.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

pub(super) struct Session<'s> {
    pub(super) shared: &'s Shared,
    pub(super) connection: Connection,
    pub(super) server: ServerInfo,
    /// That of the list which is followed.
    pub(super) marker: Option<Marker>,
    /// Every record up to here is in the list.
    pub(super) position: RecordId,
    /// The record by which this replica told the others to read again.
    pub(super) own_hint: Option<RecordId>,
}

/// What the server has, short of the entries.
pub(super) struct Look {
    pub(super) last_record: Option<RecordId>,
    pub(super) marker: Option<Marker>,
    /// All that there are.
    pub(super) markers: Vec<Marker>,
    /// A replica is uploading, or gave up.
    pub(super) is_announced: bool,
    /// An operator asked for initialization.
    pub(super) is_ordered: bool,
}

/// Follows the server until this is dropped: connects again whenever a connection ends.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let failure = match Session::open(&shared).await {
            Ok(mut session) => session.run(&mut backoff).await,
            Err(failure) => failure,
        };
        shared.report_failure(failure);
        sleep(jittered(backoff)).await;
        backoff = backoff.saturating_mul(2).min(MAX_BACKOFF);
    }
}

impl<'s> Session<'s> {
    async fn open(shared: &'s Shared) -> Result<Self, ServerFailure> {
        // What is written from here on goes to the server that is read.
        shared.commands.close().await;
        let connection = Connection::open(&shared.server, MAX_REPLY_BYTES).await?;
        let mut info = pipe();
        for section in ["server", "replication", "memory"] {
            info.cmd("INFO").arg(section);
        }
        let server = replies::server_info(&connection.send::<[Value; 3]>("INFO", &info, REPLY_LIMIT).await?)?;
        if !server.is_primary {
            return Err(ServerFailure::NotPrimary);
        }
        if !server.has_needed_commands {
            return Err(ServerFailure::TooOld);
        }
        shared.report_eviction_policy(server.eviction_policy.as_deref());
        Ok(Self { shared, connection, server, marker: None, position: RecordId::default(), own_hint: None })
    }

    /// Until the connection ends. The backoff starts again once the list was complete.
    async fn run(&mut self, backoff: &mut Duration) -> ServerFailure {
        loop {
            let ended = match timeout(READ_LIMIT, self.synchronize()).await {
                Err(_) => return ServerFailure::TimedOut(READ_LIMIT),
                Ok(Err(failure)) => Err(failure),
                Ok(Ok(())) if self.marker.is_none() => self.wait_until_held().await,
                Ok(Ok(())) => self.follow(backoff).await,
            };
            match ended {
                Ok(()) => sleep(jittered(*backoff)).await,
                Err(failure) => return failure,
            }
        }
    }

    async fn wait_until_held(&mut self) -> Result<(), ServerFailure> {
        self.shared.report_failure(ServerFailure::NotHeld);
        loop {
            sleep(jittered(BETWEEN_LOOKS)).await;
            let look = self.look().await?;
            let is_held = look.marker.as_ref().is_some_and(|marker| self.is_believed(marker));
            let has_unshared = self.shared.has_unshared.load(Ordering::Acquire);
            // A replica whose list is recent is here because the server lost what it had uploaded.
            if is_held || look.is_ordered || has_unshared || self.shared.freshness.is_usable() {
                return Ok(());
            }
        }
    }

    /// The position is what was there before anything else is read.
    pub(super) async fn look(&self) -> Result<Look, ServerFailure> {
        let mut commands = pipe();
        commands.cmd("XREVRANGE").arg(&self.shared.names.news).arg("+").arg("-").arg("COUNT").arg(1);
        add_marker_read(&mut commands, &self.shared.names);
        commands.cmd("PTTL").arg(&self.shared.names.order);
        let announced = commands.cmd("ZRANGE").arg(&self.shared.names.entries).arg(ANNOUNCED).arg(ANNOUNCED);
        announced.arg("BYSCORE").arg("LIMIT").arg(0).arg(1);
        let replies: [Value; 4] = self.connection.send("XREVRANGE", &commands, REPLY_LIMIT).await?;
        let [last_record, markers, order, announced] = &replies;
        let markers = replies::markers(markers)?;
        Ok(Look {
            last_record: replies::record_id(last_record)?,
            marker: Marker::choose(&markers, &self.server.run_id),
            markers,
            is_announced: !replies::markers(announced)?.is_empty(),
            // One that never expires would still be there when an old snapshot is restored.
            is_ordered: matches!(order, Value::Int(1..)),
        })
    }

    /// Whether a replica confirmed that this process of the server has every entry.
    pub(super) fn is_believed(&self, marker: &Marker) -> bool {
        marker.run_id == self.server.run_id || self.shared.believes_after_restart
    }
}

/// Between half of it and all of it, so that replicas do not come back all at once.
pub(super) fn jittered(duration: Duration) -> Duration {
    let half = duration / 2;
    let range = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
    half.saturating_add(Duration::from_micros(random() % range))
}
