//! Why a key of an issuer was not changed.

use std::fmt;

use super::SigningError;

/// Why a key of a [`TestIssuer`](super::TestIssuer) was not changed; the keys stay as they were.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyChangeError {
    /// No key has this id.
    #[error("there is no key {key_id:?}; published are {}", List(published))]
    NoSuchKey {
        /// The id as given.
        key_id: String,
        /// The ids that there are.
        published: Vec<String>,
    },
    /// The new key could not be made.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("none"),
            [first, others @ ..] => {
                write!(f, "{first:?}")?;
                others.iter().try_for_each(|key_id| write!(f, ", {key_id:?}"))
            }
        }
    }
}
