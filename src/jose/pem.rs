//! Public keys in PEM (RFC 7468 §13, and PKCS#1 for RSA).

use jsonwebtoken::DecodingKey;
use simple_asn1::ASN1Block;

use super::algorithm::Algorithm;
use super::verifying_key::{KeyFault, VerifyingKey};

/// The key once for each of the `allowed` algorithms that it fits.
pub(crate) fn verifying_keys(pem: &str, allowed: &[Algorithm]) -> Result<Vec<VerifyingKey>, KeyFault> {
    let public_key = PublicKey::from_pem(pem)?;
    let fitting = allowed.iter().map(|algorithm| public_key.verifying_key(*algorithm));
    let keys: Vec<_> = fitting.filter(|key| !matches!(key, Err(KeyFault::OtherAlgorithm))).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(KeyFault::OtherAlgorithm) } else { Ok(keys) }
}

enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { point: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

impl PublicKey {
    /// jsonwebtoken unwraps the PEM and tells the kinds apart.
    fn from_pem(pem: &str) -> Result<Self, KeyFault> {
        if pem.contains("PRIVATE KEY") {
            return Err(KeyFault::NotPublic);
        }
        let content =
            |key: &DecodingKey| key.try_get_as_bytes().map(<[u8]>::to_vec).map_err(|_| KeyFault::InvalidMember);
        if let Ok(key) = DecodingKey::from_ec_pem(pem.as_bytes()) {
            return Ok(Self::Ec { point: content(&key)? });
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem.as_bytes()) {
            return Ok(Self::Ed25519 { x: content(&key)? });
        }
        let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyFault::UnknownType)?;
        Self::from_pkcs1(&content(&key)?)
    }

    /// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017 §A.1.1).
    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyFault> {
        let blocks = simple_asn1::from_der(der).map_err(|_| KeyFault::InvalidMember)?;
        let [ASN1Block::Sequence(_, members)] = blocks.as_slice() else { return Err(KeyFault::InvalidMember) };
        let [ASN1Block::Integer(_, n), ASN1Block::Integer(_, e)] = members.as_slice() else {
            return Err(KeyFault::InvalidMember);
        };
        Ok(Self::Rsa { n: n.to_bytes_be().1, e: e.to_bytes_be().1 })
    }

    fn verifying_key(&self, algorithm: Algorithm) -> Result<VerifyingKey, KeyFault> {
        use Algorithm::{ES256, ES384, ES512, EdDSA};
        match (self, algorithm) {
            (Self::Rsa { n, e }, _) => VerifyingKey::rsa(algorithm, n, e),
            // The point's length tells the curve.
            (Self::Ec { point }, ES256) if point.len() == 65 => VerifyingKey::ec(algorithm, point),
            (Self::Ec { point }, ES384) if point.len() == 97 => VerifyingKey::ec(algorithm, point),
            (Self::Ec { point }, ES512) if point.len() == 133 => VerifyingKey::ec(algorithm, point),
            (Self::Ed25519 { x }, EdDSA) => VerifyingKey::ed25519(x),
            _ => Err(KeyFault::OtherAlgorithm),
        }
    }
}
