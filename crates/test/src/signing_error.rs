//! Why there is no key to sign with.

use tower_bearer::jose::Algorithm;

/// Why there is no key to sign with.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SigningError {
    /// HMAC has no key pair: whoever checks such a token can also make one.
    #[error("{0} has no key pair; choose an algorithm with a public key, such as RS256 or ES256")]
    SharedSecret(Algorithm),
    /// The cryptography library made no key.
    #[error("no key could be generated for {0}")]
    Generation(Algorithm),
    /// The key is of another type or curve than the algorithm needs, or is no key at all.
    #[error("the key does not fit {0}; give a PKCS #8 key of the type and curve that the algorithm needs")]
    KeyMismatch(Algorithm),
}
