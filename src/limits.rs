//! Limits that several modules state: where they hold, and in the errors that name them.

/// A set with more keys is a failure, not a set.
pub(crate) const MAX_KEYS: usize = 100;

/// How many keys are tried for one token: each costs a signature check.
pub(crate) const MAX_CANDIDATES: usize = 4;

/// The longest `kid` of a key, in bytes.
pub(crate) const MAX_KEY_ID_BYTES: usize = 1024;
