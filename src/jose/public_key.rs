//! The numbers of a public key, whichever format they came in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::algorithm::Algorithm;
use super::dropped_key::Unusable;
use super::key_fault::KeyFault;
use super::key_type::{Curve, KeyType};
use super::verifying_key::{VerifyingKey, describe_rsa_size};

/// A public key: integers without leading zeros, coordinates in their full length.
#[derive(Eq, PartialEq)]
pub(super) enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Okp { curve: Curve, x: Vec<u8> },
}

/// A JWK with nothing but the key (RFC 7518 §6, RFC 8037 §2), and what it is for.
#[derive(Serialize)]
struct Jwk<'a> {
    kty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl PublicKey {
    pub(super) const fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa { .. } => KeyType::Rsa,
            Self::Ec { curve, .. } => KeyType::Ec(*curve),
            Self::Okp { curve, .. } => KeyType::Okp(*curve),
        }
    }

    /// The key for use with one algorithm of its type.
    pub(super) fn verifying_key(&self, algorithm: Algorithm) -> Result<VerifyingKey, Unusable> {
        match self {
            Self::Rsa { n, e } => VerifyingKey::rsa(algorithm, n, e).map_err(|fault| match fault {
                KeyFault::Size => Unusable::new(fault, describe_rsa_size(n, e)),
                KeyFault::InvalidMember => Unusable::new(fault, "modulus and exponent of an RSA key are odd"),
                fault => fault.into(),
            }),
            Self::Ec { x, y, .. } => VerifyingKey::ec(algorithm, &[&[0x04], &**x, &**y].concat())
                .map_err(|fault| Unusable::new(fault, "the point is not on the curve")),
            Self::Okp { x, .. } => VerifyingKey::okp(algorithm, x)
                .map_err(|fault| Unusable::new(fault, "the point is not one that keys may have")),
        }
    }

    /// The key as a JWK. Equal keys have equal texts.
    pub(super) fn to_jwk(&self, kid: Option<&str>, alg: Option<&str>) -> Result<String, Unusable> {
        let encode = |octets: &[u8]| Some(URL_SAFE_NO_PAD.encode(octets));
        let key_type = self.key_type();
        let (kty, crv) = (key_type.kty(), key_type.curve().map(|curve| curve.name));
        let bare = Jwk { kty, kid, alg, crv, n: None, e: None, x: None, y: None };
        let jwk = match self {
            Self::Rsa { n, e } => Jwk { n: encode(n), e: encode(e), ..bare },
            Self::Ec { x, y, .. } => Jwk { x: encode(x), y: encode(y), ..bare },
            Self::Okp { x, .. } => Jwk { x: encode(x), ..bare },
        };
        serde_json::to_string(&jwk).map_err(|_| KeyFault::NotAJwk.into())
    }
}
