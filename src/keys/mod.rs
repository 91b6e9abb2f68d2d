//! Where an issuer's keys come from: fixed ones, or a cache in front of a source.

#[cfg(feature = "remote-keys")]
mod address_guard;
mod cache;
#[cfg(feature = "remote-keys")]
mod caching;
#[cfg(feature = "remote-keys")]
mod discovery;
#[cfg(feature = "remote-keys")]
mod excerpt;
mod export;
mod failover;
mod failure;
mod file;
#[cfg(feature = "remote-keys")]
mod http_client;
#[cfg(feature = "remote-keys")]
mod http_clients;
mod policy;
#[cfg(feature = "remote-keys")]
mod remote;
mod source;
mod status;
#[cfg(feature = "remote-keys")]
mod transport;
mod unknown_kid;
#[cfg(feature = "remote-keys")]
mod witness;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
pub use export::ExportedKeySets;
pub use failure::KeySetFailure;
pub use policy::KeyPolicy;
pub use source::{FetchedKeySet, KeySource, KeySourceFuture};
pub use status::{FetchCounts, KeySetState, KeySetStatus};

#[cfg(feature = "remote-keys")]
pub(crate) use address_guard::{AddressGuard, PRIVATE_NETWORKS};
pub(crate) use cache::{KeyCache, jitter};
#[cfg(feature = "remote-keys")]
pub(crate) use discovery::{Attempts, Discovery, Wanted};
#[cfg(feature = "remote-keys")]
pub(crate) use excerpt::bounded;
pub(crate) use export::ExportedKeySet;
pub(crate) use failover::FailoverSource;
pub(crate) use file::FileSource;
#[cfg(feature = "remote-keys")]
pub(crate) use http_client::{Form, FormResponse, HttpClient};
#[cfg(feature = "remote-keys")]
pub(crate) use http_clients::{ClientSettings, ConfigureClient, HttpClients};
pub(crate) use policy::Jitter;
#[cfg(feature = "remote-keys")]
pub(crate) use remote::{RemoteLocation, RemoteSource};

use self::cache::Snapshot;
use crate::error::{KeySetError, TokenError};
use crate::jose::{Algorithm, Candidates, JwkSet, VerifyingKey, describe_dropped};
use crate::single_flight::current_runtime;
use crate::time::{Clock, UnixTime};

/// The largest key set or metadata document that is read, in bytes.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// What the keys of all issuers of one resource server have in common.
#[derive(Debug)]
pub(crate) struct KeyEnvironment {
    pub(crate) clock: Arc<dyn Clock>,
    #[cfg(feature = "remote-keys")]
    pub(crate) clients: HttpClients,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) enum Keys {
    Fixed(JwkSet),
    Cached(Arc<KeyCache>),
}

/// What a look for keys came to.
pub(crate) enum Lookup<'a> {
    /// Try these.
    Found(KeysToTry<'a>),
    /// There is none, or nobody can tell.
    Refused(TokenError),
    /// A fetch may bring the key: wait, then look it up again with this.
    Wait(Arrival),
}

/// When a request arrived, as the number of fetches begun by then: a key that a later fetch does not bring, the issuer
/// lacks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Arrival {
    fetches_begun: u64,
}

/// Keys of a set that is not copied or counted for it: threads that look up the same key do not meet.
pub(crate) struct KeysToTry<'a> {
    set: SetRef<'a>,
    candidates: Candidates,
}

enum SetRef<'a> {
    Fixed(&'a JwkSet),
    Cached(Guard<Option<Arc<Snapshot>>>),
}

impl KeyEnvironment {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            #[cfg(feature = "remote-keys")]
            clients: HttpClients::default(),
        }
    }
}

impl Keys {
    /// Keys from the configuration.
    pub(crate) fn fixed(issuer: &str, set: JwkSet) -> Self {
        warn_of_dropped(issuer, &set);
        Self::Fixed(set)
    }

    /// The keys to try, if they are at hand: no fetch is due, and nothing waits.
    #[inline]
    pub(crate) fn known(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<KeysToTry<'_>> {
        match self {
            Self::Fixed(set) => {
                let candidates = set.candidates(key_id, algorithm).ok()?;
                Some(KeysToTry { set: SetRef::Fixed(set), candidates })
            }
            Self::Cached(cache) => cache.known(key_id, algorithm),
        }
    }

    /// Looks up a key that is not [known](Self::known). This may start a fetch that is due, and counts unknown `kid`s.
    /// `waited_since` is when the request arrived, if this lookup follows [`wait`](Self::wait).
    pub(crate) fn look_further(
        &self,
        key_id: Option<&str>,
        algorithm: Algorithm,
        waited_since: Option<Arrival>,
    ) -> Lookup<'_> {
        match self {
            Self::Fixed(set) => {
                let found = set.candidates(key_id, algorithm);
                let found = found.map(|candidates| KeysToTry { set: SetRef::Fixed(set), candidates });
                found.map_or_else(|none| Lookup::Refused(none.into()), Lookup::Found)
            }
            Self::Cached(cache) => cache.look_further(key_id, algorithm, waited_since),
        }
    }

    /// Waits for the fetch that [`look_further`](Self::look_further) asked for, within the policy's bounds.
    pub(crate) async fn wait(&self, key_id: Option<&str>, arrival: Arrival) {
        match self {
            Self::Fixed(_) => {}
            Self::Cached(cache) => cache.wait(key_id, arrival).await,
        }
    }

    /// Waits for a set that serves, or for the reason why there is none.
    pub(crate) async fn load(&self, deadline: Duration) -> Result<(), KeySetError> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Cached(cache) => {
                if cache.has_keys() {
                    return Ok(());
                }
                current_runtime().map_err(|missing| KeySetError::Runtime(missing.to_string().into()))?;
                let too_late = || cache.last_error().unwrap_or(KeySetError::Timeout(deadline));
                tokio::time::timeout(deadline, cache.load()).await.unwrap_or_else(|_| Err(too_late()))
            }
        }
    }

    /// Starts a fetch that is due, without waiting for it.
    #[inline(always)]
    pub(crate) fn fetch_if_due(&self) {
        match self {
            Self::Fixed(_) => {}
            Self::Cached(cache) => cache.fetch_if_due(),
        }
    }

    /// Whether the key of a verified signature is still in the set, and the set is within its staleness bound. Nothing is
    /// fetched.
    #[inline]
    pub(crate) fn check_in_force(&self, key: &VerifyingKey) -> Result<(), TokenError> {
        match self {
            Self::Fixed(_) if key.is_withdrawn() => Err(TokenError::NoMatchingKey),
            Self::Fixed(_) => Ok(()),
            Self::Cached(cache) => cache.check_in_force(key),
        }
    }

    /// Waits for the fetch that is under way or due, if one is, within the policy's bounds.
    pub(crate) async fn wait_for_refresh(&self) {
        self.wait(None, Arrival { fetches_begun: 0 }).await;
    }

    /// Forgets the keys for good.
    pub(crate) fn close(&self) {
        match self {
            Self::Fixed(set) => set.withdraw_missing(None),
            Self::Cached(cache) => cache.close(),
        }
    }

    pub(crate) fn status(&self, issuer: &str, enabled: bool) -> KeySetStatus {
        match self {
            Self::Fixed(set) => KeySetStatus::fixed(issuer, enabled, set),
            Self::Cached(cache) => cache.status(enabled),
        }
    }

    /// Fixed keys need no copy: they stand in the configuration.
    pub(crate) fn export(&self, issuer: &str, now: UnixTime) -> Option<ExportedKeySet> {
        match self {
            Self::Fixed(_) => None,
            Self::Cached(cache) => cache.export(issuer, now),
        }
    }

    pub(crate) fn import(&self, copy: &ExportedKeySet, now: UnixTime) -> Result<bool, KeySetError> {
        match self {
            Self::Fixed(_) => Ok(false),
            Self::Cached(cache) => cache.import(copy, now),
        }
    }
}

impl KeysToTry<'static> {
    #[inline]
    fn cached(snapshot: Guard<Option<Arc<Snapshot>>>, candidates: Candidates) -> Self {
        Self { set: SetRef::Cached(snapshot), candidates }
    }
}

impl KeysToTry<'_> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<VerifyingKey>> {
        let set = match &self.set {
            SetRef::Fixed(set) => Some(*set),
            SetRef::Cached(snapshot) => snapshot.as_ref().map(|snapshot| &*snapshot.set),
        };
        set.into_iter().flat_map(|set| set.get(self.candidates))
    }
}

/// Logs the keys of a set that are not used. Call it once for each set.
fn warn_of_dropped(issuer: &str, set: &JwkSet) {
    if !set.dropped().is_empty() {
        let (keys, dropped) = (set.len(), set.dropped().len());
        let problems = describe_dropped(set.dropped());
        tracing::warn!(%issuer, keys, dropped, %problems, "some keys of the set cannot be used");
    }
}
