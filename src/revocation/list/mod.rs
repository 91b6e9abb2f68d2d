//! The built-in revocation list, in memory.

mod core;
#[cfg(test)]
#[cfg(feature = "unit-tests")]
mod exploration;
mod shard;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::core::{Added, Core, Settings, TokenNames};
use super::entry::Revocation;
use super::error::RevocationError;
use super::signal::RevocationSignal;
use super::status::{RevocationState, RevocationStatus};
use super::{RevocationAnswer, RevocationCheck, RevocationVerdict};
use crate::config_error::ConfigError;
use crate::telemetry::{self, RevocationMeter};
use crate::time::{Clock, SystemClock, UnixTime};
use crate::token::ValidatedToken;

const DEFAULT_MAX_ENTRIES: usize = 1_000_000;
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
/// So many that an addition leaves nearly all tokens alone, and so few that they stay in a processor's first cache.
const PLACES: usize = 4096;

/// A list of what was revoked: tokens, sessions, clients and subjects. Clones share the entries.
///
/// It is kept in memory: what is revoked here is not known to other replicas and is lost at a restart.
///
/// Entries end by time alone. The list assumes a maximum lifetime of tokens, which the resource server enforces: `iat`
/// is required, and older tokens are refused. An entry lasts for this lifetime and twice the leeway, because a token's
/// `iat` may be one leeway ahead of our clock; one for a token id with a known `exp`, until that and twice the leeway.
/// When the list is full, revoking fails, and nothing that is revoked is accepted again.
///
/// What is revoked is refused from the moment at which the method returns, whether or not the token is in the cache.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::RevocationList;
///
/// let list = RevocationList::new(Duration::from_secs(600))?; // the longest lifetime of a token
/// list.revoke_subject("https://as.example.com", "alice")?; // log her out everywhere
/// assert_eq!(list.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RevocationList(Arc<Inner>);

struct Inner {
    core: Core,
    signal: RevocationSignal,
    meter: RevocationMeter,
}

/// Configures a [`RevocationList`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build()`"]
pub struct RevocationListBuilder(Settings);

impl RevocationList {
    /// An empty list with the default settings. Tokens that were issued longer ago than `max_token_lifetime` are
    /// refused: take the longest lifetime that the authorization server gives an access token.
    ///
    /// # Errors
    ///
    /// Those of [`build`](RevocationListBuilder::build).
    pub fn new(max_token_lifetime: Duration) -> Result<Self, ConfigError> {
        Self::builder(max_token_lifetime).build()
    }

    /// Starts a configuration.
    pub fn builder(max_token_lifetime: Duration) -> RevocationListBuilder {
        RevocationListBuilder(Settings {
            max_token_lifetime,
            leeway: DEFAULT_LEEWAY,
            max_entries: DEFAULT_MAX_ENTRIES,
            clock: Arc::new(SystemClock::new()),
        })
    }

    /// Revokes what the entry names, and returns the entry as the list has it now: merged with the one that was there,
    /// of which the later times count. Tokens are refused from the moment at which this returns.
    ///
    /// An entry whose tokens have all expired is not kept.
    ///
    /// # Errors
    ///
    /// When the list is full, or the entry cannot be of any token.
    pub fn revoke(&self, entry: &Revocation) -> Result<Revocation, RevocationError> {
        let Added { entry, revokes_more, entries } = self.0.core.revoke(entry)?;
        self.0.meter.entries(entries);
        if revokes_more {
            self.0.signal.notify();
        }
        Ok(entry)
    }

    /// Revokes this token alone, by its `jti`.
    ///
    /// # Errors
    ///
    /// [`RevocationError::NoTokenId`] if it has no `jti`; those of [`revoke`](Self::revoke).
    pub fn revoke_token(&self, token: &ValidatedToken) -> Result<Revocation, RevocationError> {
        self.revoke(&Revocation::of_token(token)?)
    }

    /// Revokes every token of this session (`sid`).
    ///
    /// # Errors
    ///
    /// Those of [`revoke`](Self::revoke).
    pub fn revoke_session(&self, issuer: &str, session_id: &str) -> Result<Revocation, RevocationError> {
        self.revoke(&Revocation::session(issuer, session_id))
    }

    /// Revokes every token of this client that has been issued until now.
    ///
    /// The issuer's clock may be ahead of ours by the leeway, so a token that is issued within the leeway from now may
    /// be refused, too. [`Revocation::client`] takes a time of the issuer's clock instead.
    ///
    /// # Errors
    ///
    /// Those of [`revoke`](Self::revoke).
    pub fn revoke_client(&self, issuer: &str, client_id: &str) -> Result<Revocation, RevocationError> {
        self.revoke(&Revocation::client(issuer, client_id, self.latest_issued_at()?))
    }

    /// Revokes every token of this subject that has been issued until now: logs a user out everywhere.
    ///
    /// The issuer's clock may be ahead of ours by the leeway, so a token that is issued within the leeway from now may
    /// be refused, too. [`Revocation::subject`] takes a time of the issuer's clock instead.
    ///
    /// # Errors
    ///
    /// Those of [`revoke`](Self::revoke).
    pub fn revoke_subject(&self, issuer: &str, subject: &str) -> Result<Revocation, RevocationError> {
        self.revoke(&Revocation::subject(issuer, subject, self.latest_issued_at()?))
    }

    /// The entries that have not ended, in no order. They are copied part by part: one that is added in the meantime may
    /// be missing.
    pub fn entries(&self) -> impl Iterator<Item = Revocation> + '_ {
        self.0.core.entries()
    }

    /// How many entries have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        let entries = self.0.core.len();
        self.0.meter.entries(entries);
        entries
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries it may have.
    #[must_use]
    pub fn max_entries(&self) -> usize {
        self.0.core.settings().max_entries
    }

    /// The latest `iat` that a token can have now.
    fn latest_issued_at(&self) -> Result<UnixTime, RevocationError> {
        let now = self.0.core.wall().ok_or(RevocationError::ClockUnavailable)?;
        Ok(now.saturating_add(self.0.core.settings().leeway))
    }
}

impl RevocationCheck for RevocationList {
    #[inline]
    fn check(&self, token: &ValidatedToken) -> RevocationAnswer {
        let revoked = self.0.core.find(token.revocation_memo(), || TokenNames {
            issuer: &token.trusted_issuer().rules.issuer,
            token_id: token.token_id(),
            session_id: token.session_id().map(Into::into),
            client_id: token.client_id(),
            subject: token.subject(),
            issued_at: token.issued_at(),
        });
        revoked.map_or(RevocationVerdict::NotRevoked, RevocationVerdict::Revoked).into()
    }

    fn max_token_lifetime(&self) -> Option<Duration> {
        Some(self.0.core.settings().max_token_lifetime)
    }

    fn max_leeway(&self) -> Option<Duration> {
        Some(self.0.core.settings().leeway)
    }

    fn changes(&self) -> Option<&RevocationSignal> {
        Some(&self.0.signal)
    }

    fn status(&self) -> RevocationStatus {
        let mut status = RevocationStatus::new(RevocationState::Current);
        status.entries = Some(self.len());
        status.max_entries = Some(self.max_entries());
        status
    }
}

impl RevocationListBuilder {
    /// The [leeway](crate::ResourceServerBuilder::leeway) of the resource server, which must not be larger. Default 30
    /// seconds, as there.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.0.leeway = leeway;
        self
    }

    /// How many entries the list may have. Default 1,000,000, which take less than 300 MB; a list grows as it is filled.
    pub const fn max_entries(mut self, entries: usize) -> Self {
        self.0.max_entries = entries;
        self
    }

    /// Where the time comes from. Default: the machine's clocks.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.0.clock = Arc::new(clock);
        self
    }

    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// When a setting is zero, or this machine provides no random numbers.
    pub fn build(self) -> Result<RevocationList, ConfigError> {
        let Self(settings) = self;
        if settings.max_token_lifetime.is_zero() {
            let problem = "0 refuses every token; set the longest lifetime that the authorization server gives a token";
            return Err(ConfigError::new("max_token_lifetime", problem));
        }
        if settings.max_entries == 0 {
            let problem = "0 leaves no room for an entry; leave it at its default of 1,000,000";
            return Err(ConfigError::new("max_entries", problem));
        }
        let core = Core::new(settings, PLACES).ok_or_else(|| {
            let problem =
                "this machine provides no random numbers, or a million lists were made: make one and clone it";
            ConfigError::new("revocation", problem)
        })?;
        telemetry::describe();
        Ok(RevocationList(Arc::new(Inner { core, signal: RevocationSignal::new(), meter: RevocationMeter::new() })))
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationList").field("max_entries", &self.max_entries()).finish_non_exhaustive()
    }
}
