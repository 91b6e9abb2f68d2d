//! How a shared list is configured.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tower_bearer::time::{Clock, SystemClock};
use tower_bearer::{RevocationCheck as _, RevocationList, RevocationListBuilder};

use super::freshness::Freshness;
use super::names::Names;
use super::progress::Report;
use super::shared::Shared;
use super::{RedisRevocations, session};
use crate::config_error::RedisConfigError;
use crate::connection::Commands;
use crate::server::RedisServer;

const DEFAULT_PREFIX: &str = "tower-bearer";
const DEFAULT_TOLERATED_OUTAGE: Duration = Duration::from_secs(300);
/// A connection that is stuck takes a second and a half to notice.
const LEAST_TOLERATED_OUTAGE: Duration = Duration::from_secs(2);
const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_millis(250);
/// For all writes that are under way at once; their replies are short.
const MAX_WRITE_REPLY_BYTES: usize = 1024 * 1024;

/// Configures [`RedisRevocations`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `start()`"]
pub struct RedisRevocationsBuilder {
    server: RedisServer,
    list: RevocationListBuilder,
    clock: Arc<dyn Clock>,
    prefix: String,
    tolerated_outage: Duration,
    is_accepted_after_outage: bool,
    believes_after_restart: bool,
    write_timeout: Duration,
}

impl RedisRevocationsBuilder {
    pub(super) fn new(server: RedisServer, max_token_lifetime: Duration) -> Self {
        Self {
            server,
            list: RevocationList::builder(max_token_lifetime),
            clock: Arc::new(SystemClock::new()),
            prefix: DEFAULT_PREFIX.to_owned(),
            tolerated_outage: DEFAULT_TOLERATED_OUTAGE,
            is_accepted_after_outage: false,
            believes_after_restart: false,
            write_timeout: DEFAULT_WRITE_TIMEOUT,
        }
    }

    /// The [leeway](tower_bearer::ResourceServerBuilder::leeway) of the resource server, which must not be larger.
    /// Default 30 seconds, as there.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.list = self.list.leeway(leeway);
        self
    }

    /// How many entries the list may have. Default 1,000,000, as in a [`RevocationList`]. A replica whose list is full
    /// while the server has more answers 503: give all replicas the same limit.
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.list = self.list.max_entries(entries);
        self
    }

    /// Lists with different prefixes are separate: two services can use one server. Default `tower-bearer`, which makes
    /// the keys `{tower-bearer}:revocations` and two that begin with it. 1 to 64 letters, digits, `-`, `_`, `.`, `:` and
    /// `/`.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// For how long the replica goes on with the list that it has while the server cannot be read; then requests get
    /// 503, `revocation_unavailable`. Default 5 minutes: enough to restart a server, and what is revoked elsewhere in
    /// the meantime is accepted here for no longer. At least 2 seconds. The list may be a second older than this, because
    /// it was last confirmed some time before the outage, and it takes a moment to connect again.
    ///
    /// It is also how recent the list of a replica must be for it to say that a server which lost its own holds it
    /// again.
    pub fn tolerate_outage(mut self, outage: Duration) -> Self {
        self.tolerated_outage = outage;
        self
    }

    /// Goes on with the list that the replica has for as long as the server cannot be read. What is revoked elsewhere
    /// in the meantime is accepted here, and a replica fills an emptied server however old its list is. A replica that
    /// has never read the list answers 503 all the same.
    pub fn dangerously_accept_after_outage(mut self) -> Self {
        self.is_accepted_after_outage = true;
        self
    }

    /// Believes that a server which was restarted, or which took the place of another one, has every entry, even if no
    /// replica is alive that could confirm it. Only for a server that writes each entry to its disk before it replies
    /// (`appendfsync always`), is never restored from a backup, and has no replicas that can become the primary.
    /// Otherwise what was revoked last may be accepted again.
    pub fn believe_after_restart(mut self) -> Self {
        self.believes_after_restart = true;
        self
    }

    /// How long [`revoke`](RedisRevocations::revoke) waits for the server. Default 250 milliseconds.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Where the time comes from. Default: the machine's clocks.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the configuration, and starts a task of the current Tokio runtime that connects to the server and follows
    /// it. Does not wait for it: until the list was read, requests get 503 (see
    /// [`ready`](RedisRevocations::ready)).
    ///
    /// If that runtime ends, the list grows old, and requests get 503 after the
    /// [tolerated outage](Self::tolerate_outage).
    ///
    /// # Errors
    ///
    /// When a setting is missing, contradicts another one or is out of range; when a file cannot be read; when there is
    /// no Tokio runtime.
    pub fn start(self) -> Result<RedisRevocations, RedisConfigError> {
        let runtime = Handle::try_current().map_err(|_| {
            RedisConfigError::new("start", "there is no Tokio runtime; call it in a function that one runs")
        })?;
        if self.tolerated_outage < LEAST_TOLERATED_OUTAGE {
            let problem = "under 2 seconds, a connection that is opened again would refuse requests; set at least that";
            return Err(RedisConfigError::new("tolerate_outage", problem));
        }
        if self.write_timeout.is_zero() {
            return Err(RedisConfigError::new("write_timeout", "0 lets every write fail; set some milliseconds"));
        }
        let names = Names::new(&self.prefix)?;
        let server = Arc::new(self.server.checked()?);
        let list = self.list.clock(Arc::clone(&self.clock)).build();
        let list = list.map_err(|error| RedisConfigError::new(error.setting(), error.to_string()))?;
        let lifetime = list.max_token_lifetime().unwrap_or(Duration::MAX);
        // Whole seconds, as in the server.
        let lifetime = lifetime.as_secs().saturating_add(u64::from(lifetime.subsec_nanos() > 0));
        let shared = Arc::new(Shared {
            commands: Commands::new(Arc::clone(&server), MAX_WRITE_REPLY_BYTES),
            server,
            names,
            list,
            freshness: Freshness::new(Arc::clone(&self.clock), self.tolerated_outage, self.is_accepted_after_outage),
            clock: self.clock,
            write_timeout: self.write_timeout,
            believes_after_restart: self.believes_after_restart,
            own_lifetime: Duration::from_secs(lifetime),
            longest_lifetime: AtomicU64::new(lifetime),
            has_unshared: AtomicBool::new(false),
            report: watch::Sender::new(Report::default()),
        });
        let task = runtime.spawn(session::run(Arc::clone(&shared)));
        Ok(RedisRevocations::new(shared, task.abort_handle()))
    }
}

impl fmt::Debug for RedisRevocationsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRevocationsBuilder")
            .field("server", &self.server)
            .field("key_prefix", &self.prefix)
            .field("tolerate_outage", &self.tolerated_outage)
            .finish_non_exhaustive()
    }
}
