//! Why a key cannot be used.

/// Why a key of an issuer is not used. Each cause is a rule of its own, listed in
/// [`guide::keys`](crate::guide::keys#which-keys-are-used).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum KeyFault {
    /// An element of `keys` is not a JSON object.
    #[error("not a JWK")]
    NotAJwk,
    /// A member occurs twice (RFC 7517 §4).
    #[error("duplicate member")]
    DuplicateMember,
    /// A member is missing, has the wrong type, length or range, or the point is not on the curve.
    #[error("missing or invalid key member")]
    InvalidMember,
    /// The `kid` is longer than 1,024 bytes.
    #[error("`kid` is longer than {} bytes", crate::limits::MAX_KEY_ID_BYTES)]
    KeyIdTooLong,
    /// A private key where a public one belongs.
    #[error("private key")]
    NotPublic,
    /// A symmetric key where a public one belongs (RFC 7518 §6.4).
    #[error("symmetric key")]
    Symmetric,
    /// A key type that is unknown (RFC 7517 §4.1).
    #[error("unknown key type")]
    UnknownType,
    /// A curve that is unknown (RFC 7518 §6.2.1.1).
    #[error("unknown curve")]
    UnknownCurve,
    /// `use` is not `sig` (RFC 7517 §4.2).
    #[error("for another use")]
    OtherUse,
    /// `key_ops` lacks `verify`, repeats an operation, or contradicts `use` (RFC 7517 §4.3).
    #[error("`key_ops` does not fit verifying signatures")]
    OtherOperations,
    /// The key does not fit the algorithm: another type, curve or JWK `alg` (RFC 7517 §4.4).
    #[error("for another algorithm")]
    OtherAlgorithm,
    /// [`Issuer::algorithms`](crate::Issuer::algorithms) has no algorithm that the key fits (RFC 8725 §3.1).
    #[error("for an algorithm that the configuration does not allow")]
    AlgorithmNotAllowed,
    /// An RSA modulus outside of 2048 to 8192 bits, or an exponent outside of 2 to 33 bits (RFC 7518 §3.3); a secret
    /// shorter than its hash (RFC 7518 §3.2).
    #[error("unacceptable size")]
    Size,
    /// An RSA modulus with the fingerprint of ROCA (CVE-2017-15361): its private key can be computed.
    #[error("RSA key with the fingerprint of ROCA (CVE-2017-15361), whose private key can be computed")]
    Roca,
    /// A block of a PEM text that holds something other than a key, such as a certificate.
    #[error("not a key")]
    NotAKey,
}

impl KeyFault {
    /// All faults.
    pub const ALL: &'static [Self] = &[
        Self::NotAJwk,
        Self::DuplicateMember,
        Self::InvalidMember,
        Self::KeyIdTooLong,
        Self::NotPublic,
        Self::Symmetric,
        Self::UnknownType,
        Self::UnknownCurve,
        Self::OtherUse,
        Self::OtherOperations,
        Self::OtherAlgorithm,
        Self::AlgorithmNotAllowed,
        Self::Size,
        Self::Roca,
        Self::NotAKey,
    ];

    /// A stable code for logs and alerts. It never changes within a major version.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotAJwk => "not_a_jwk",
            Self::DuplicateMember => "duplicate_member",
            Self::InvalidMember => "invalid_member",
            Self::KeyIdTooLong => "key_id_too_long",
            Self::NotPublic => "private_key",
            Self::Symmetric => "symmetric_key",
            Self::UnknownType => "unknown_type",
            Self::UnknownCurve => "unknown_curve",
            Self::OtherUse => "other_use",
            Self::OtherOperations => "other_operations",
            Self::OtherAlgorithm => "other_algorithm",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::Size => "size",
            Self::Roca => "roca",
            Self::NotAKey => "not_a_key",
        }
    }
}
