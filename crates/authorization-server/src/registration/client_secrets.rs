//! The secrets of a client: the current one, and those before it for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use tower_bearer::time::UnixTime;

/// How many are accepted at a time. The oldest ends early when there would be more.
const CAPACITY: usize = 4;

/// Digests of the secrets that are accepted. Secrets themselves are not kept.
pub(super) struct ClientSecrets(Mutex<Vec<Accepted>>);

struct Accepted {
    digest: Digest,
    /// `None` for the current one, and for one that stays.
    ends: Option<UnixTime>,
}

impl ClientSecrets {
    pub(super) fn new(secret: &str) -> Self {
        Self(Mutex::new(vec![Accepted { digest: digest(&SHA256, secret.as_bytes()), ends: None }]))
    }

    /// Accepts this one too, until it ends.
    pub(super) fn and(self, secret: &str, ends: Option<UnixTime>) -> Self {
        self.accepted().push(Accepted { digest: digest(&SHA256, secret.as_bytes()), ends });
        self
    }

    /// Whether this is the digest of a secret that is accepted at this time. Digests of one length are compared in
    /// constant time.
    pub(super) fn accept(&self, presented: &Digest, now: UnixTime) -> bool {
        let is_it = |accepted: &Accepted| {
            let is_equal = verify_slices_are_equal(presented.as_ref(), accepted.digest.as_ref()).is_ok();
            is_equal && accepted.ends.is_none_or(|ends| now < ends)
        };
        self.accepted().iter().filter(|accepted| is_it(accepted)).count() > 0
    }

    /// Makes this the current one. Those before it end after `overlap`, or earlier if they were to.
    pub(super) fn rotate(&self, secret: &str, overlap: Duration, now: UnixTime) {
        let latest = now.saturating_add(overlap);
        let mut accepted = self.accepted();
        for previous in accepted.iter_mut() {
            previous.ends = Some(previous.ends.map_or(latest, |ends| ends.min(latest)));
        }
        accepted.retain(|previous| previous.ends.is_none_or(|ends| now < ends));
        accepted.insert(0, Accepted { digest: digest(&SHA256, secret.as_bytes()), ends: None });
        accepted.truncate(CAPACITY);
    }

    fn accepted(&self) -> MutexGuard<'_, Vec<Accepted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a client did not get another secret.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientSecretError {
    /// Nobody has this id.
    #[error("there is no client {client_id:?}; give the id of a client that the server knows")]
    NoSuchClient {
        /// The id as given.
        client_id: String,
    },
    /// A client that is public, or authenticates with keys alone.
    #[error("client {client_id:?} has no secret that could be replaced; give the id of a client with one")]
    NoSecret {
        /// The client without a secret.
        client_id: String,
    },
    /// A secret that anyone could guess.
    #[error("the new secret of client {client_id:?} is empty; give it a secret")]
    Empty {
        /// The client that it was for.
        client_id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    fn accepts(secrets: &ClientSecrets, secret: &str, now: u64) -> bool {
        secrets.accept(&digest(&SHA256, secret.as_bytes()), at(now))
    }

    #[test]
    fn a_shorter_overlap_ends_earlier_and_a_longer_one_does_not_extend() {
        let secrets = ClientSecrets::new("a");
        secrets.rotate("b", Duration::from_secs(100), at(0));
        secrets.rotate("c", Duration::from_secs(1_000), at(10));
        assert!(accepts(&secrets, "a", 99) && !accepts(&secrets, "a", 100));
        assert!(accepts(&secrets, "b", 1_009) && !accepts(&secrets, "b", 1_010));
        secrets.rotate("d", Duration::ZERO, at(20));
        for (secret, expected) in [("a", false), ("b", false), ("c", false), ("d", true)] {
            assert_eq!(accepts(&secrets, secret, 20), expected, "{secret}");
        }
    }

    #[test]
    fn only_so_many_are_accepted_at_a_time() {
        let secrets = ClientSecrets::new("0");
        for number in 1..100 {
            secrets.rotate(&number.to_string(), Duration::from_secs(1_000), at(0));
        }
        let accepted: Vec<_> = (0..100).filter(|number: &u32| accepts(&secrets, &number.to_string(), 0)).collect();
        assert_eq!(accepted, [96, 97, 98, 99]);
    }
}
