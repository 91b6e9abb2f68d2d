//! Where an issuer's keys come from: fixed ones, or a cache in front of a source.

#[cfg(feature = "remote-keys")]
mod address_guard;
mod cache;
#[cfg(feature = "remote-keys")]
mod caching;
mod failover;
mod file;
#[cfg(feature = "remote-keys")]
mod http_client;
mod policy;
#[cfg(feature = "remote-keys")]
mod remote;
mod source;

use std::sync::Arc;

pub use policy::KeyPolicy;
pub use source::{FetchedKeySet, KeySource, KeySourceFuture};

#[cfg(feature = "remote-keys")]
pub(crate) use address_guard::{AddressGuard, PRIVATE_NETWORKS};
pub(crate) use cache::KeyCache;
pub(crate) use failover::FailoverSource;
pub(crate) use file::FileSource;
#[cfg(feature = "remote-keys")]
pub(crate) use http_client::{ConfigureClient, HttpClient};
#[cfg(feature = "remote-keys")]
pub(crate) use remote::{Discovery, RemoteLocation, RemoteSource};

use crate::error::TokenError;
use crate::jose::{Algorithm, Candidates, JwkSet};

/// The largest key set or metadata document that is read, in bytes.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) enum Keys {
    Fixed(JwkSet),
    Cached(Arc<KeyCache>),
}

/// What a look for keys came to.
pub(crate) enum Lookup {
    /// Try these.
    Found(Candidates),
    /// There is none, or nobody can tell.
    Refused(TokenError),
    /// A fetch may bring it: wait, then look again.
    Wait,
}

impl Keys {
    /// Looks without waiting. `has_waited` says that this is the look after [`wait`](Self::wait).
    pub(crate) fn look_up(&self, key_id: Option<&str>, algorithm: Algorithm, has_waited: bool) -> Lookup {
        match self {
            Self::Fixed(set) => set.candidates(key_id, algorithm).map_or_else(Lookup::Refused, Lookup::Found),
            Self::Cached(cache) => cache.look_up(key_id, algorithm, has_waited),
        }
    }

    /// Waits for the fetch that [`look_up`](Self::look_up) asked for, within the policy's bounds.
    pub(crate) async fn wait(&self, key_id: Option<&str>) {
        match self {
            Self::Fixed(_) => {}
            Self::Cached(cache) => cache.wait(key_id).await,
        }
    }
}
