//! Which issuers are trusted: a list that can change while requests read it, and what resolves the issuers of many
//! tenants.
//!
//! The simple version is a map from URL to issuer behind a lock. Departures from it, with what each gains in a lookup
//! (`cargo bench --bench lookup`, nanoseconds):
//!
//! 1. **Readers take no lock**: the list is replaced as a whole. Until it is changed for the first time, which most
//!    never are, not even the guard of a replaceable list is needed: 10 less.
//! 2. **Up to four issuers are compared, not hashed**: the hash has to be keyed, because the URL comes from the token.
//!    40 to 66 with three issuers, where 100 take 79 to 94.

mod resolver;
mod resolver_policy;
mod table;
mod trusted_issuer;

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

pub use resolver::{IssuerResolver, IssuerResolverError, IssuerResolverFuture};

pub(crate) use table::Table;
pub(crate) use trusted_issuer::{CommonRules, TrustedIssuer};

use self::resolver::Resolutions;
use crate::config_error::ConfigError;
use crate::error::TokenError;
use crate::issuer::{Issuer, IssuerDescription};
use crate::keys::{KeyPolicy, KeySetState, KeySetStatus};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// The issuers of one resource server. Requests read the table without a lock; changes go one after the other.
#[derive(Debug)]
pub(crate) struct TrustedIssuers {
    common: CommonRules,
    /// The table of the configuration. It serves until something changes: a reader of what never changes need not say
    /// that it is reading, which costs 10 ns of a lookup's 60. An issuer of it that is removed leaves a shell without
    /// keys and without their source.
    first: Table,
    changed: OnceLock<ArcSwap<Table>>,
    changing: Mutex<()>,
    resolutions: Option<Resolutions>,
    /// When [`warn_of_unused`](Self::warn_of_unused) last looked, in milliseconds of monotonic time; zero for never.
    looked_for_unused_at: AtomicU64,
}

/// The issuers that are trusted now; they stay so for whoever holds it.
pub(crate) enum TableRef<'a> {
    First(&'a Table),
    Changed(Guard<Arc<Table>>),
}

impl TrustedIssuers {
    pub(crate) fn new(
        common: CommonRules,
        issuers: &[Issuer],
        resolver: Option<Arc<dyn IssuerResolver>>,
    ) -> Result<Self, ConfigError> {
        let mut table = Table::new(resolver.is_some());
        for issuer in issuers {
            if table.insert_configured(Arc::new(common.trust(issuer, false)?)).is_some() {
                let problem = format!("{:?} is set twice; keep one and give it all its keys", issuer.url);
                return Err(ConfigError::new("issuer", problem));
            }
        }
        table.check_shapes()?;
        Ok(Self {
            common,
            first: table,
            changed: OnceLock::new(),
            changing: Mutex::default(),
            resolutions: resolver.map(Resolutions::new),
            looked_for_unused_at: AtomicU64::new(0),
        })
    }

    #[inline]
    pub(crate) fn table(&self) -> TableRef<'_> {
        self.changed.get().map_or(TableRef::First(&self.first), |changed| TableRef::Changed(changed.load()))
    }

    /// Adds an issuer, in the place of one with the same URL.
    pub(crate) fn add(&self, issuer: &Issuer) -> Result<(), ConfigError> {
        let trusted = Arc::new(self.common.trust(issuer, false)?);
        let replaced = self.try_change(|table| {
            let replaced = table.insert_configured(trusted);
            table.check_shapes().map(|()| replaced)
        })?;
        if let Some(replaced) = replaced {
            replaced.revoke();
        }
        Ok(())
    }

    pub(crate) fn remove(&self, url: &str) -> bool {
        let removed = self.change(|table| table.remove(url));
        removed.is_some_and(|removed| {
            removed.revoke();
            true
        })
    }

    pub(crate) fn set_enabled(&self, url: &str, enabled: bool) -> bool {
        // Under the lock, so that it does not set the flag of one that is being replaced.
        let _changing = self.changing();
        let table = self.table();
        table.get(url).is_some_and(|issuer| {
            issuer.set_enabled(enabled);
            true
        })
    }

    /// The configuration of the issuers that are not from the resolver.
    pub(crate) fn describe(&self) -> Vec<IssuerDescription> {
        self.table().configured().iter().filter_map(|issuer| issuer.describe()).collect()
    }

    /// Whether an issuer that is not in the table may be had by waiting for the resolver.
    pub(crate) fn look_up_unknown(&self, url: &str, has_waited: bool) -> Result<(), TokenError> {
        let Some(resolutions) = &self.resolutions else { return Err(TokenError::IssuerMismatch) };
        resolutions.look_up(url, self.now(), has_waited)
    }

    /// Waits for the resolver's answer about an issuer.
    pub(crate) async fn resolve(self: &Arc<Self>, url: &str) {
        if let Some(resolutions) = &self.resolutions {
            resolutions.wait(self, url).await;
        }
    }

    /// Called when a token names an issuer that is not ours. If no token of ours was ever verified, the two may be the
    /// same issuer, spelled differently. Such tokens start no fetch of their own, and without this warning the log would
    /// stay silent. At most one warning a minute for each issuer.
    pub(crate) fn warn_of_unused(&self) {
        let now = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX).max(1);
        let last = self.looked_for_unused_at.load(Ordering::Relaxed);
        let is_recent = last != 0 && Duration::from_millis(now.saturating_sub(last)) < KeyPolicy::MAX_BACKOFF;
        let order = Ordering::Relaxed;
        if is_recent || self.looked_for_unused_at.compare_exchange(last, now, order, order).is_err() {
            return;
        }
        let table = self.table();
        if table.configured().iter().any(|issuer| issuer.verified_at() > 0) {
            return;
        }
        let statuses: Vec<_> = table.configured().iter().filter_map(|issuer| issuer.status()).collect();
        let has_failed = |status: &KeySetStatus| status.state == KeySetState::Absent && status.last_error.is_some();
        let any_failed = statuses.iter().any(has_failed);
        for status in statuses {
            match (status.state, status.last_error) {
                (KeySetState::Absent, Some(error)) => {
                    tracing::warn!(
                        issuer = %status.issuer, reason = error.reason, %error, failures = status.failures,
                        "tokens name another issuer than the configured one, whose keys were never fetched"
                    );
                }
                _ if any_failed => {}
                _ => {
                    tracing::warn!(
                        issuer = %status.issuer,
                        "tokens name another issuer than the configured one, of which none was accepted yet"
                    );
                }
            }
        }
    }

    /// Takes in an issuer from the resolver, in the place of the one that was verified least recently if there are too
    /// many. False when nobody had used that one either.
    fn insert(&self, issuer: Arc<TrustedIssuer>) -> bool {
        self.change(|table| table.insert_resolved(issuer))
    }

    fn now(&self) -> Duration {
        self.common.environment.clock.monotonic()
    }

    /// Copies the table, changes the copy and puts it in the place of the old one.
    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        match self.try_change(|table| Ok::<_, Infallible>(change(table))) {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }

    /// Like [`change`](Self::change), but it may fail; then nothing changes.
    fn try_change<T, E>(&self, change: impl FnOnce(&mut Table) -> Result<T, E>) -> Result<T, E> {
        let _changing = self.changing();
        let mut table = Table::clone(&self.table());
        let answer = change(&mut table)?;
        let table = Arc::new(table);
        self.changed.get_or_init(|| ArcSwap::new(Arc::clone(&table))).store(table);
        Ok(answer)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for TableRef<'_> {
    type Target = Table;

    #[inline]
    fn deref(&self) -> &Table {
        match self {
            Self::First(table) => table,
            Self::Changed(table) => table,
        }
    }
}
