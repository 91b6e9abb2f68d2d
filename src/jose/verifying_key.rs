//! A key that verifies signatures of one algorithm.

use crate::sync::{AtomicBool, Ordering};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaPublicKeyComponents};
use aws_lc_rs::{constant_time, digest, hmac};

use super::algorithm::{Algorithm, Verifier};
use super::key_fault::KeyFault;
use super::key_type::KeyType;
use super::roca;

/// RFC 7518 §3.3 asks for 2048 bits or more. aws-lc verifies with up to 8192.
const RSA_MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;

/// One bit would be the exponent 1. aws-lc verifies with up to 33.
const RSA_EXPONENT_BITS: RangeInclusive<usize> = 2..=33;

/// A key for one algorithm, parsed once and used for many tokens (RFC 8725 §3.1: one key, one algorithm).
///
/// Its `Debug` shows the id and the algorithm, never the key.
pub struct VerifyingKey {
    key_id: Option<Box<str>>,
    algorithm: Algorithm,
    material: Material,
    /// The JWK that it was read from, reduced to the members that matter. Keys from elsewhere have none.
    jwk: Option<Arc<str>>,
    withdrawn: AtomicBool,
}

/// What the algorithm's verifier works with.
enum Material {
    /// The key verifies this hash of the message.
    Hashed(ParsedPublicKey, &'static digest::Algorithm),
    Ed25519(ParsedPublicKey),
    /// Boxed: its hash states are twenty times the size of a public key's handle.
    Secret(Box<hmac::Key>),
}

impl VerifyingKey {
    /// An RSA key from its big-endian modulus and exponent.
    pub(crate) fn rsa(algorithm: Algorithm, n: &[u8], e: &[u8]) -> Result<Self, KeyFault> {
        let Verifier::Rsa(parameters, hash) = algorithm.row().verifier else { return Err(KeyFault::OtherAlgorithm) };
        check_rsa(n, e)?;
        let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters);
        Ok(Self::new(algorithm, Material::Hashed(key.map_err(|_| KeyFault::InvalidMember)?, hash)))
    }

    /// An elliptic-curve key from its uncompressed point (SEC 1 §2.3.3). aws-lc checks that the point is on the curve.
    pub(crate) fn ec(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyFault> {
        let row = algorithm.row();
        let (Verifier::Ecdsa(verification, hash), KeyType::Ec(curve)) = (&row.verifier, row.key_type) else {
            return Err(KeyFault::OtherAlgorithm);
        };
        if point.len() != 1 + 2 * curve.coordinate_octets || point.first() != Some(&0x04) {
            return Err(KeyFault::InvalidMember);
        }
        let key = ParsedPublicKey::new(*verification, point);
        Ok(Self::new(algorithm, Material::Hashed(key.map_err(|_| KeyFault::InvalidMember)?, hash)))
    }

    /// An Ed25519 key (RFC 8032 §5.1.5).
    pub(crate) fn okp(algorithm: Algorithm, x: &[u8]) -> Result<Self, KeyFault> {
        let Verifier::Ed25519 = algorithm.row().verifier else { return Err(KeyFault::OtherAlgorithm) };
        let x: &[u8; 32] = x.try_into().map_err(|_| KeyFault::InvalidMember)?;
        if !is_canonical(x) || is_small_order(x) {
            return Err(KeyFault::InvalidMember);
        }
        let key = ParsedPublicKey::new(&ED25519, x);
        Ok(Self::new(algorithm, Material::Ed25519(key.map_err(|_| KeyFault::InvalidMember)?)))
    }

    /// A shared secret, at least as long as the hash (RFC 7518 §3.2).
    pub(crate) fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyFault> {
        let Verifier::Hmac(hash) = algorithm.row().verifier else { return Err(KeyFault::OtherAlgorithm) };
        if secret.len() < hash.tag_len() {
            return Err(KeyFault::Size);
        }
        Ok(Self::new(algorithm, Material::Secret(Box::new(hmac::Key::new(hash, secret)))))
    }

    pub(crate) fn read_from(self, key_id: Option<Box<str>>, jwk: Arc<str>) -> Self {
        Self { key_id, jwk: Some(jwk), ..self }
    }

    /// The public JWK, if it was read from one.
    pub(crate) fn jwk(&self) -> Option<&Arc<str>> {
        self.jwk.as_ref()
    }

    /// Whether the other key has the same id, material and algorithm.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.jwk.is_some() && self.jwk == other.jwk
    }

    /// Marks a key that left its issuer's set: what it signed is not good any more, whoever still holds it.
    pub(crate) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Release);
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }

    /// The `kid` of the key (RFC 7517 §4.5).
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The only algorithm that this key is used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this key made this signature of this message.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Hashed(key, hash) => key.verify_digest_sig(&digest::digest(hash, message), signature).is_ok(),
            // aws-lc accepts a small-order R; RFC 8032 §5.1.7 leaves it open, no honest signer makes one.
            Material::Ed25519(key) => !starts_with_small_order(signature) && key.verify_sig(message, signature).is_ok(),
            Material::Secret(key) => {
                let tag = hmac::sign(key, message);
                constant_time::verify_slices_are_equal(tag.as_ref(), signature).is_ok()
            }
        }
    }

    const fn new(algorithm: Algorithm, material: Material) -> Self {
        Self { key_id: None, algorithm, material, jwk: None, withdrawn: AtomicBool::new(false) }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("key_id", &self.key_id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Both numbers are odd and within their bounds, and the modulus is without the fingerprint of ROCA. They come without
/// leading zeros.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyFault> {
    let (Some(n_first), Some(n_last), Some(e_first), Some(e_last)) = (n.first(), n.last(), e.first(), e.last()) else {
        return Err(KeyFault::InvalidMember);
    };
    if *n_first == 0 || *e_first == 0 || n_last % 2 == 0 || e_last % 2 == 0 {
        return Err(KeyFault::InvalidMember);
    }
    if !RSA_MODULUS_BITS.contains(&bits(n)) || !RSA_EXPONENT_BITS.contains(&bits(e)) {
        return Err(KeyFault::Size);
    }
    if roca::has_fingerprint(n) { Err(KeyFault::Roca) } else { Ok(()) }
}

/// The length of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    let leading_zeros = number.first().map_or(0, |first| first.leading_zeros());
    number.len() * 8 - usize::try_from(leading_zeros).unwrap_or(0)
}

/// What is wrong with the size of an RSA key, in words.
pub(super) fn describe_rsa_size(n: &[u8], e: &[u8]) -> String {
    let (n, e) = (bits(n), bits(e));
    let (name, bits, bounds) = if RSA_MODULUS_BITS.contains(&n) {
        ("exponent", e, RSA_EXPONENT_BITS)
    } else {
        ("modulus", n, RSA_MODULUS_BITS)
    };
    format!("the RSA {name} has {bits} bits, not {} to {}", bounds.start(), bounds.end())
}

/// The y-coordinates of the points of small order on edwards25519: 0, 1, -1, and the two of order 8. Points that differ
/// in the sign bit only have the same y.
const SMALL_ORDER_Y: [[u64; 4]; 5] = [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
    [P[0] - 1, P[1], P[2], P[3]],
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1],
    [0x4fd8_4d3d_706a_17c7, 0x0f67_100d_760b_3cba, 0xc6cc_392c_fa53_202a, 0x7a03_ac92_77fd_c74e],
];

/// 2^255 - 19, the lowest word first.
const P: [u64; 4] = [u64::MAX - 18, u64::MAX, u64::MAX, u64::MAX >> 1];

fn is_small_order(point: &[u8; 32]) -> bool {
    SMALL_ORDER_Y.contains(&y_coordinate(point))
}

fn starts_with_small_order(signature: &[u8]) -> bool {
    signature.first_chunk().is_some_and(|r| is_small_order(r) || !is_canonical(r))
}

/// Whether y is below 2^255 - 19.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [lowest, higher @ ..] = y_coordinate(point);
    lowest < P[0] || higher != [P[1], P[2], P[3]]
}

/// Without the sign bit of x (RFC 8032 §5.1.2), the lowest word first.
fn y_coordinate(point: &[u8; 32]) -> [u64; 4] {
    let mut y = [0; 4];
    for (word, bytes) in y.iter_mut().zip(point.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    y[3] &= u64::MAX >> 1;
    y
}
