//! Signature algorithms (RFC 7518 §3, RFC 8037 §3.1): one table, from which everything else is derived.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, VerificationAlgorithm,
};

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::dropped_key::Unusable;
use super::key_fault::KeyFault;
use super::key_type::KeyType::{Ec, Okp, Rsa, Secret};
use super::key_type::{ED25519, KeyType, P256, P384, P521};

/// Declares each algorithm together with its row, so that none lacks one.
macro_rules! algorithms {
    ($($(#[$documentation:meta])* $variant:ident: $row:expr;)*) => {
        /// A signature algorithm that a configuration can allow.
        ///
        /// An enum of ours because jsonwebtoken's has no ES512. There is no `none`, so it cannot be allowed by mistake.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Algorithm {
            $($(#[$documentation])* $variant,)*
        }

        impl Algorithm {
            /// Every algorithm, also those that are only used when the configuration names them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(super) const fn row(self) -> &'static Row {
                match self {
                    $(Self::$variant => const { &$row },)*
                }
            }
        }
    };
}

// The name in `alg`, the type of the keys, and how aws-lc-rs checks a signature.
algorithms! {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256: Row::new("RS256", Rsa, Verifier::Rsa(&RSA_PKCS1_2048_8192_SHA256, &SHA256));
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384: Row::new("RS384", Rsa, Verifier::Rsa(&RSA_PKCS1_2048_8192_SHA384, &SHA384));
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512: Row::new("RS512", Rsa, Verifier::Rsa(&RSA_PKCS1_2048_8192_SHA512, &SHA512));
    /// RSASSA-PSS with SHA-256.
    PS256: Row::new("PS256", Rsa, Verifier::Rsa(&RSA_PSS_2048_8192_SHA256, &SHA256));
    /// RSASSA-PSS with SHA-384.
    PS384: Row::new("PS384", Rsa, Verifier::Rsa(&RSA_PSS_2048_8192_SHA384, &SHA384));
    /// RSASSA-PSS with SHA-512.
    PS512: Row::new("PS512", Rsa, Verifier::Rsa(&RSA_PSS_2048_8192_SHA512, &SHA512));
    /// ECDSA on P-256 with SHA-256.
    ES256: Row::new("ES256", Ec(P256), Verifier::Ecdsa(&ECDSA_P256_SHA256_FIXED, &SHA256));
    /// ECDSA on P-384 with SHA-384.
    ES384: Row::new("ES384", Ec(P384), Verifier::Ecdsa(&ECDSA_P384_SHA384_FIXED, &SHA384));
    /// ECDSA on P-521 with SHA-512.
    ES512: Row::new("ES512", Ec(P521), Verifier::Ecdsa(&ECDSA_P521_SHA512_FIXED, &SHA512));
    /// Ed25519; tokens may also name it `Ed25519` (RFC 9864 §2.2).
    EdDSA: Row::new("EdDSA", Okp(ED25519), Verifier::Ed25519).also_named("Ed25519");
    /// HMAC with SHA-256. Only with a shared secret.
    HS256: Row::new("HS256", Secret, Verifier::Hmac(HMAC_SHA256));
    /// HMAC with SHA-384. Only with a shared secret, and only when the configuration names it.
    HS384: Row::new("HS384", Secret, Verifier::Hmac(HMAC_SHA384)).only_if_named();
    /// HMAC with SHA-512. Only with a shared secret, and only when the configuration names it.
    HS512: Row::new("HS512", Secret, Verifier::Hmac(HMAC_SHA512)).only_if_named();
}

impl Algorithm {
    /// The algorithms with a public key that an issuer may use unless the configuration names others.
    pub const PUBLIC_KEY: &'static [Self] = &defaults::<{ count_defaults(false) }>(false);

    /// The algorithms that an issuer with a shared secret may use unless the configuration names others.
    pub(crate) const SHARED_SECRET: &'static [Self] = &defaults::<{ count_defaults(true) }>(true);

    /// The algorithm of this registered name. Names are case-sensitive (RFC 7515 §4.1.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let is_named = |algorithm: &Self| algorithm.name() == name || algorithm.row().other_name == Some(name);
        Self::ALL.iter().copied().find(is_named)
    }

    /// The name that a token has in `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The `kty` of its keys in a JWK (RFC 7517 §4.1).
    #[must_use]
    pub const fn key_type(self) -> &'static str {
        self.row().key_type.kty()
    }

    /// The `crv` of its keys in a JWK (RFC 7518 §6.2.1.1, RFC 8037 §2), where keys of their type have one.
    ///
    /// ```
    /// use tower_bearer::jose::Algorithm;
    ///
    /// assert_eq!((Algorithm::ES512.key_type(), Algorithm::ES512.curve()), ("EC", Some("P-521")));
    /// assert_eq!((Algorithm::PS256.key_type(), Algorithm::PS256.curve()), ("RSA", None));
    /// ```
    #[must_use]
    pub const fn curve(self) -> Option<&'static str> {
        match self.row().key_type.curve() {
            Some(curve) => Some(curve.name),
            None => None,
        }
    }

    /// Whether the key is a secret shared with the issuer instead of a public key.
    #[must_use]
    pub const fn is_hmac(self) -> bool {
        matches!(self.row().key_type, Secret)
    }

    /// The algorithms for keys of this type.
    pub(super) fn for_keys_of(key_type: KeyType) -> Vec<Self> {
        Self::ALL.iter().copied().filter(|algorithm| algorithm.row().key_type == key_type).collect()
    }

    /// The type of each algorithm's keys.
    pub(super) fn key_types() -> impl Iterator<Item = KeyType> {
        Self::ALL.iter().map(|algorithm| algorithm.row().key_type)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Parses the registered name, like [`Algorithm::from_name`].
///
/// ```
/// use tower_bearer::jose::Algorithm;
///
/// assert_eq!("ES256".parse(), Ok(Algorithm::ES256));
/// assert!("none".parse::<Algorithm>().is_err());
/// ```
impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::from_name(name).ok_or(UnknownAlgorithm(()))
    }
}

/// The registered name.
impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// From the registered name.
impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

/// A string that is not the name of an [`Algorithm`]. Its `Display` lists the names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownAlgorithm(());

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a signature algorithm; the known ones are")?;
        let mut separator = " ";
        for algorithm in Algorithm::ALL {
            write!(f, "{separator}{algorithm}")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl std::error::Error for UnknownAlgorithm {}

/// The algorithms that fit a key and that the configuration allows.
pub(super) fn permitted(fitting: &[Algorithm], allowed: &[Algorithm]) -> Result<Vec<Algorithm>, Unusable> {
    let permitted: Vec<_> = fitting.iter().copied().filter(|algorithm| allowed.contains(algorithm)).collect();
    if permitted.is_empty() {
        let names: Vec<_> = fitting.iter().map(|algorithm| algorithm.name()).collect();
        return Err(Unusable::new(KeyFault::AlgorithmNotAllowed, names.join(", ")));
    }
    Ok(permitted)
}

/// What the table says about an algorithm.
pub(super) struct Row {
    name: &'static str,
    other_name: Option<&'static str>,
    pub(super) key_type: KeyType,
    pub(super) verifier: Verifier,
    /// Allowed unless the configuration names the algorithms.
    is_default: bool,
}

/// How a signature is checked: with which algorithm of aws-lc-rs, and which hash of the message (RFC 7518 §3.2 to §3.5).
///
/// The simple version leaves the hash to aws-lc. Taken by us, its context is not set up and copied for each token: that
/// is 0.3 to 0.6 µs of the 24.6 µs of an RS256 check.
pub(super) enum Verifier {
    Rsa(&'static RsaParameters, &'static digest::Algorithm),
    Ecdsa(&'static dyn VerificationAlgorithm, &'static digest::Algorithm),
    /// It hashes the message itself, twice (RFC 8032 §5.1.7).
    Ed25519,
    Hmac(hmac::Algorithm),
}

impl Row {
    const fn new(name: &'static str, key_type: KeyType, verifier: Verifier) -> Self {
        Self { name, other_name: None, key_type, verifier, is_default: true }
    }

    const fn also_named(self, other_name: &'static str) -> Self {
        Self { other_name: Some(other_name), ..self }
    }

    const fn only_if_named(self) -> Self {
        Self { is_default: false, ..self }
    }
}

const fn is_default(algorithm: Algorithm, is_hmac: bool) -> bool {
    algorithm.row().is_default && algorithm.is_hmac() == is_hmac
}

const fn count_defaults(is_hmac: bool) -> usize {
    let (mut count, mut rest) = (0, Algorithm::ALL);
    while let [algorithm, others @ ..] = rest {
        if is_default(*algorithm, is_hmac) {
            count += 1;
        }
        rest = others;
    }
    count
}

/// An array, filled by index: constants cannot collect an iterator.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn defaults<const COUNT: usize>(is_hmac: bool) -> [Algorithm; COUNT] {
    let mut defaults = [Algorithm::RS256; COUNT];
    let (mut count, mut rest) = (0, Algorithm::ALL);
    while let [algorithm, others @ ..] = rest {
        if is_default(*algorithm, is_hmac) {
            defaults[count] = *algorithm;
            count += 1;
        }
        rest = others;
    }
    defaults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_means_one_algorithm() {
        for algorithm in Algorithm::ALL {
            let row = algorithm.row();
            for name in [Some(row.name), row.other_name].into_iter().flatten() {
                assert_eq!(Algorithm::from_name(name), Some(*algorithm), "{name}");
                assert_eq!(Algorithm::from_name(&name.to_lowercase()), None, "{name}");
            }
        }
        assert_eq!(Algorithm::from_name("none"), None);
    }

    #[test]
    fn configurations_name_them_as_tokens_do() {
        for algorithm in Algorithm::ALL {
            let json = serde_json::to_string(algorithm).unwrap();
            assert_eq!(json, format!("\"{algorithm}\""));
            assert_eq!(serde_json::from_str::<Algorithm>(&json).unwrap(), *algorithm);
            assert_eq!(algorithm.name().parse(), Ok(*algorithm));
        }
        for unknown in ["none", "rs256", "", "ES256 "] {
            assert_eq!(unknown.parse::<Algorithm>(), Err(UnknownAlgorithm(())));
            let error = serde_json::from_value::<Algorithm>(unknown.into()).unwrap_err().to_string();
            assert!(error.contains("the known ones are RS256, ") && error.ends_with("HS512"), "{error}");
        }
        assert!(serde_json::from_str::<Algorithm>("5").is_err());
    }

    #[test]
    fn each_key_type_fits_its_verifier() {
        for algorithm in Algorithm::ALL {
            let row = algorithm.row();
            let fits = match row.verifier {
                Verifier::Rsa(..) => row.key_type == Rsa,
                Verifier::Ecdsa(..) => matches!(row.key_type, Ec(_)),
                Verifier::Ed25519 => row.key_type == Okp(ED25519),
                Verifier::Hmac(_) => row.key_type == Secret,
            };
            assert!(fits, "{algorithm}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let is_default = |algorithm: &&Algorithm| algorithm.row().is_default && !algorithm.is_hmac();
        let public_key: Vec<_> = Algorithm::ALL.iter().filter(is_default).copied().collect();
        assert_eq!(Algorithm::PUBLIC_KEY, public_key);
        assert_eq!(Algorithm::SHARED_SECRET, [Algorithm::HS256]);
    }
}
