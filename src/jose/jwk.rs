//! One JSON Web Key (RFC 7517 §4): which signatures it verifies, if any.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::verifying_key::{KeyFault, VerifyingKey};

/// Longer key ids are nobody's honest choice, and they are kept for as long as the set lives.
pub(crate) const MAX_KEY_ID_BYTES: usize = 1024;

/// The members of a public JWK that matter; unknown ones are ignored (RFC 7517 §4). Written out, it has what makes up
/// the key, and not what has been checked.
#[derive(Deserialize, Serialize)]
struct PublicJwk {
    kty: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<Box<str>>,
    #[serde(rename = "use", skip_serializing)]
    public_key_use: Option<Box<str>>,
    #[serde(skip_serializing)]
    key_ops: Option<Vec<Box<str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<Box<str>>,
    /// The private exponent or scalar.
    #[serde(skip_serializing)]
    d: Option<IgnoredAny>,
    /// The symmetric key.
    #[serde(skip_serializing)]
    k: Option<IgnoredAny>,
}

/// The key once for each of the `allowed` algorithms that it fits.
pub(crate) fn verifying_keys(jwk: serde_json::Value, allowed: &[Algorithm]) -> Result<Vec<VerifyingKey>, KeyFault> {
    if !jwk.is_object() {
        return Err(KeyFault::NotAJwk);
    }
    let jwk = PublicJwk::deserialize(jwk).map_err(|_| KeyFault::NotAJwk)?;
    jwk.check_use()?;
    let text: Arc<str> = serde_json::to_string(&jwk).map_err(|_| KeyFault::NotAJwk)?.into();
    let algorithms = jwk.algorithms()?.iter().filter(|algorithm| jwk.alg_permits(**algorithm));
    let keys = algorithms
        .filter(|algorithm| allowed.contains(algorithm))
        .map(|algorithm| Ok(jwk.verifying_key(*algorithm)?.read_from(jwk.kid.clone(), Arc::clone(&text))))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err(KeyFault::OtherAlgorithm) } else { Ok(keys) }
}

impl VerifyingKey {
    /// Reads a public JWK (RFC 7517) for use with one algorithm.
    ///
    /// # Errors
    ///
    /// When it is not a public key for verifying signatures of this algorithm, or a member is missing or out of range.
    pub fn from_jwk(jwk: &str, algorithm: Algorithm) -> Result<Self, KeyFault> {
        let jwk = serde_json::from_str(jwk).map_err(|_| KeyFault::NotAJwk)?;
        verifying_keys(jwk, &[algorithm])?.pop().ok_or(KeyFault::OtherAlgorithm)
    }
}

impl PublicJwk {
    /// Public, and for verifying signatures (RFC 7517 §4.2, §4.3).
    fn check_use(&self) -> Result<(), KeyFault> {
        if self.d.is_some() || self.k.is_some() {
            return Err(KeyFault::NotPublic);
        }
        if self.public_key_use.as_deref().is_some_and(|key_use| key_use != "sig") || !self.key_ops_permit() {
            return Err(KeyFault::OtherUse);
        }
        if self.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KEY_ID_BYTES) {
            return Err(KeyFault::InvalidMember);
        }
        Ok(())
    }

    /// `key_ops` names `verify`, nothing twice, and nothing that `use` contradicts (RFC 7517 §4.3). Whoever encrypts or
    /// agrees on keys with a key that also signs has another idea of it than we do.
    fn key_ops_permit(&self) -> bool {
        let Some(operations) = &self.key_ops else { return true };
        let distinct: HashSet<_> = operations.iter().collect();
        let is_foreign = |operation: &str| {
            matches!(operation, "encrypt" | "decrypt" | "wrapKey" | "unwrapKey" | "deriveKey" | "deriveBits")
        };
        operations.iter().any(|operation| &**operation == "verify")
            && distinct.len() == operations.len()
            && !(self.public_key_use.is_some() && operations.iter().any(|operation| is_foreign(operation)))
    }

    /// What the key type and curve can verify (RFC 7518 §3.1, RFC 8037 §3.1).
    fn algorithms(&self) -> Result<&'static [Algorithm], KeyFault> {
        use Algorithm::{ES256, ES384, ES512, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => Ok(&[RS256, RS384, RS512, PS256, PS384, PS512]),
            ("EC", Some("P-256")) => Ok(&[ES256]),
            ("EC", Some("P-384")) => Ok(&[ES384]),
            ("EC", Some("P-521")) => Ok(&[ES512]),
            ("OKP", Some("Ed25519")) => Ok(&[EdDSA]),
            ("oct", _) => Err(KeyFault::NotPublic),
            _ => Err(KeyFault::UnknownType),
        }
    }

    /// A key with `alg` is for that algorithm only, known or not (RFC 7517 §4.4).
    fn alg_permits(&self, algorithm: Algorithm) -> bool {
        self.alg.as_deref().is_none_or(|alg| Algorithm::from_name(alg) == Some(algorithm))
    }

    fn verifying_key(&self, algorithm: Algorithm) -> Result<VerifyingKey, KeyFault> {
        match &*self.kty {
            "RSA" => VerifyingKey::rsa(algorithm, &bytes(&self.n)?, &bytes(&self.e)?),
            "EC" => {
                // The point's length is checked below; the same bytes cut in another place are another JWK.
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                if x.len() != y.len() {
                    return Err(KeyFault::InvalidMember);
                }
                VerifyingKey::ec(algorithm, &[&[0x04], &*x, &*y].concat())
            }
            _ => VerifyingKey::ed25519(&bytes(&self.x)?),
        }
    }
}

fn bytes(member: &Option<Box<str>>) -> Result<Vec<u8>, KeyFault> {
    let text = member.as_deref().ok_or(KeyFault::InvalidMember)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::InvalidMember)
}
