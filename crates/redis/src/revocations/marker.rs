//! The marker by which a server says that it holds the list.
//!
//! It is a member of the same sorted set as the entries, so that nothing can remove these and leave it. It names the
//! process of the server for which a replica confirmed that all entries are there: after a restart, a restore from a
//! snapshot or a failover, another process serves, and the marker does not count until a replica has confirmed again.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use redis::Pipeline;

use super::names::Names;

const START: &str = "list:1:";

/// Any version's marker.
pub(super) const ANY_VERSION: &str = "list:";

/// The score of a marker that a replica announces before it reads and uploads: if it is gone afterwards, the server lost
/// what was uploaded in the meantime. With an infinite score, the marker counts. No entry has either.
pub(super) const ANNOUNCED: u64 = 9_007_199_254_740_991;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Marker {
    /// The server's `run_id`.
    pub(super) run_id: String,
    /// Another one each time, so that a replica notices that the list was emptied and uploaded again.
    nonce: String,
    /// For how long after their `iat` the replicas accept tokens, at most.
    pub(super) lifetime: Duration,
}

impl Marker {
    pub(super) fn new(run_id: &str, lifetime: Duration) -> Self {
        Self { run_id: run_id.to_owned(), nonce: nonce(), lifetime }
    }

    /// Of several that were set at the same time, the one that all replicas take: of this process, and with the longest
    /// lifetime.
    pub(super) fn choose(markers: &[Self], run_id: &str) -> Option<Self> {
        let best = markers.iter().max_by_key(|marker| (marker.run_id == run_id, marker.lifetime, &marker.nonce));
        best.cloned()
    }

    pub(super) fn parse(member: &str) -> Option<Self> {
        let mut parts = member.strip_prefix(START)?.split(':');
        let (run_id, nonce, lifetime) = (parts.next()?, parts.next()?, parts.next()?);
        let is_word = |word: &str| (1..=64).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric());
        if parts.next().is_some() || !is_word(run_id) || !is_word(nonce) {
            return None;
        }
        let lifetime = Duration::from_secs(lifetime.parse().ok()?);
        Some(Self { run_id: run_id.to_owned(), nonce: nonce.to_owned(), lifetime })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{START}{}:{}:{}", self.run_id, self.nonce, self.lifetime.as_secs())
    }
}

/// Reads the members with an infinite score: one marker, or none; several if replicas set them at the same time.
pub(super) fn add_marker_read(commands: &mut Pipeline, names: &Names) {
    let command = commands.cmd("ZRANGE").arg(&names.entries).arg("+inf").arg("+inf").arg("BYSCORE");
    command.arg("LIMIT").arg(0).arg(16);
}

/// Text that no other replica makes.
fn nonce() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// Not for secrets.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_back_and_another_version_is_not() {
        let marker = Marker::new("0123abcd", Duration::from_secs(3_600));
        assert_eq!(Marker::parse(&marker.to_string()), Some(marker.clone()));
        assert_ne!(Marker::new("0123abcd", Duration::from_secs(3_600)), marker);
        for other in ["list:2:a:b:1", "list:1:a:b", "list:1:a:b:1:c", "list:1::b:1", "list:1:a:b:-1", "list:", ""] {
            assert_eq!(Marker::parse(other), None, "{other}");
        }
    }
}
