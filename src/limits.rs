//! Limits that several modules need: to enforce them and to name them in errors.

/// A set with more keys is a failed fetch.
pub(crate) const MAX_KEYS: usize = 100;

/// How many keys are tried for one token: each costs a signature check.
pub(crate) const MAX_CANDIDATES: usize = 4;

/// The longest `kid` of a key, in bytes.
pub(crate) const MAX_KEY_ID_BYTES: usize = 1024;
