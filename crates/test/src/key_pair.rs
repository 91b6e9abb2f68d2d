//! Private keys in aws-lc-rs: making them, signing with them, and their public halves.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::jose::Algorithm;

use super::SigningError;

/// A private key, parsed once.
pub(super) enum KeyPair {
    Rsa(rsa::KeyPair),
    /// With its `crv`.
    Ecdsa(&'static str, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The members of a JWK that hold a public key (RFC 7518 §6, RFC 8037 §2), binary values in base64url.
pub(super) enum PublicMembers {
    Rsa { n: String, e: String },
    Ec { crv: &'static str, x: String, y: String },
    Okp { x: String },
}

impl KeyPair {
    /// A new key that fits `algorithm`. RSA keys have 2048 bits: the least that RFC 7518 §3.3 allows, and the fastest.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        let generated = match KeyType::of(algorithm)? {
            KeyType::Rsa(_) => rsa::KeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            KeyType::Ecdsa(crv, signing) => EcdsaKeyPair::generate(signing).map(|pair| Self::Ecdsa(crv, pair)),
            KeyType::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
        };
        generated.map_err(|_| SigningError::Generation(algorithm))
    }

    /// A key from its PKCS #8 DER form.
    pub(super) fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, SigningError> {
        let parsed = match KeyType::of(algorithm)? {
            KeyType::Rsa(_) => rsa::KeyPair::from_pkcs8(pkcs8).map(Self::Rsa),
            KeyType::Ecdsa(crv, signing) => EcdsaKeyPair::from_pkcs8(signing, pkcs8).map(|pair| Self::Ecdsa(crv, pair)),
            KeyType::Ed25519 => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::Ed25519),
        };
        parsed.map_err(|_| SigningError::KeyMismatch(algorithm))
    }

    /// Whether this key can sign with `algorithm`.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        match (self, KeyType::of(algorithm)) {
            (Self::Rsa(_), Ok(KeyType::Rsa(_))) | (Self::Ed25519(_), Ok(KeyType::Ed25519)) => true,
            (Self::Ecdsa(crv, _), Ok(KeyType::Ecdsa(needed, _))) => *crv == needed,
            _ => false,
        }
    }

    /// The signature in its JWS form; `None` when the library reports a failure.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        match (self, KeyType::of(algorithm).ok()?) {
            (Self::Rsa(pair), KeyType::Rsa(encoding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
            (Self::Ecdsa(_, pair), KeyType::Ecdsa(..)) => {
                let signature = pair.sign(&SystemRandom::new(), message).ok()?;
                Some(signature.as_ref().to_vec())
            }
            (Self::Ed25519(pair), KeyType::Ed25519) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            _ => None,
        }
    }

    /// The public half as JWK members.
    pub(super) fn public_members(&self) -> PublicMembers {
        match self {
            Self::Rsa(pair) => {
                let public = pair.public_key();
                PublicMembers::Rsa {
                    n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                    e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
                }
            }
            Self::Ecdsa(crv, pair) => {
                // Uncompressed point (SEC 1 §2.3.3): 0x04, then both coordinates in their full length.
                let point = pair.public_key().as_ref();
                let coordinates = point.split_first().map_or(point, |(_form, rest)| rest);
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                PublicMembers::Ec { crv, x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) }
            }
            Self::Ed25519(pair) => PublicMembers::Okp { x: URL_SAFE_NO_PAD.encode(pair.public_key()) },
        }
    }

    /// The public half as a DER `SubjectPublicKeyInfo` (RFC 5280 §4.1).
    pub(super) fn public_key_der(&self) -> Option<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Ecdsa(_, pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
        }
        .ok()?;
        Some(der.as_ref().to_vec())
    }
}

/// What kind of key an algorithm needs, with what it takes to sign.
enum KeyType {
    Rsa(&'static dyn RsaEncoding),
    /// With the `crv`. The fixed-length form `r || s` is what JWS wants (RFC 7518 §3.4), not DER.
    Ecdsa(&'static str, &'static EcdsaSigningAlgorithm),
    Ed25519,
}

impl KeyType {
    fn of(algorithm: Algorithm) -> Result<Self, SigningError> {
        let ecdsa = |signing| Self::Ecdsa(algorithm.curve().unwrap_or_default(), signing);
        Ok(match algorithm {
            Algorithm::RS256 => Self::Rsa(&RSA_PKCS1_SHA256),
            Algorithm::RS384 => Self::Rsa(&RSA_PKCS1_SHA384),
            Algorithm::RS512 => Self::Rsa(&RSA_PKCS1_SHA512),
            Algorithm::PS256 => Self::Rsa(&RSA_PSS_SHA256),
            Algorithm::PS384 => Self::Rsa(&RSA_PSS_SHA384),
            Algorithm::PS512 => Self::Rsa(&RSA_PSS_SHA512),
            Algorithm::ES256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::ES512 => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDSA => Self::Ed25519,
            _ if algorithm.is_hmac() => return Err(SigningError::SharedSecret(algorithm)),
            _ => return Err(SigningError::Generation(algorithm)),
        })
    }
}
