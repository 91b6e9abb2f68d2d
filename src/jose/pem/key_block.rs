//! The public key of one block, recognised by the object identifiers of its block (RFC 5280 §4.1.2.7), not by its length.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;
use simple_asn1::ASN1Block;

use super::blocks::Block;
use super::der::{BIT_STRING, DerFault, INTEGER, NULL, OBJECT_IDENTIFIER, SEQUENCE, dotted, only_value, value};
use crate::jose::algorithm::Algorithm;
use crate::jose::dropped_key::Unusable;
use crate::jose::key_fault::KeyFault;
use crate::jose::key_type::{Curve, KeyType};
use crate::jose::public_key::PublicKey;

/// Parses a block that holds a public key according to its `label`: `PUBLIC KEY` (RFC 7468 §13) or `RSA PUBLIC KEY`
/// (RFC 8017 §A.1.1).
pub(super) fn read(block: &Block<'_>) -> Result<PublicKey, Unusable> {
    let der = block.content.as_deref().map_err(|problem| invalid(*problem))?;
    let label = block.label.trim().to_ascii_uppercase();
    let key_type = match &*label {
        "PUBLIC KEY" => key_type(der)?,
        "RSA PUBLIC KEY" => check_rsa(der).map(|()| KeyType::Rsa)?,
        _ => return Err(Unusable::new(KeyFault::UnknownType, "PEM has no such block")),
    };
    // A general parser extracts the key from input of this shape.
    let pem = pem_of(&label, der);
    let contents = |key: Result<DecodingKey, _>| -> Result<Vec<u8>, Unusable> {
        let key = key.map_err(|_| unreadable(DerFault::Shape))?;
        key.try_get_as_bytes().map(<[u8]>::to_vec).map_err(|_| unreadable(DerFault::Shape))
    };
    match key_type {
        KeyType::Rsa => rsa(&contents(DecodingKey::from_rsa_pem(&pem))?),
        KeyType::Ec(curve) => ec(curve, &contents(DecodingKey::from_ec_pem(&pem))?),
        KeyType::Okp(curve) => Ok(PublicKey::Okp { curve, x: contents(DecodingKey::from_ed_pem(&pem))? }),
        KeyType::Secret => Err(KeyFault::Symmetric.into()),
    }
}

/// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017 §A.1.1).
fn rsa(der: &[u8]) -> Result<PublicKey, Unusable> {
    let blocks = simple_asn1::from_der(der).map_err(|_| unreadable(DerFault::Shape))?;
    let [ASN1Block::Sequence(_, members)] = blocks.as_slice() else { return Err(unreadable(DerFault::Shape)) };
    let [ASN1Block::Integer(_, n), ASN1Block::Integer(_, e)] = members.as_slice() else {
        return Err(unreadable(DerFault::Shape));
    };
    let (Some(n), Some(e)) = (n.to_biguint(), e.to_biguint()) else {
        return Err(invalid("its modulus or exponent is negative"));
    };
    Ok(PublicKey::Rsa { n: n.to_bytes_be(), e: e.to_bytes_be() })
}

/// A point is written as 4 and its two coordinates (SEC 1 §2.3.3).
fn ec(curve: Curve, point: &[u8]) -> Result<PublicKey, Unusable> {
    match point.split_first() {
        Some((0x04, coordinates)) if coordinates.len() == 2 * curve.coordinate_octets => {
            let (x, y) = coordinates.split_at(curve.coordinate_octets);
            Ok(PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() })
        }
        Some((0x02 | 0x03, _)) => Err(invalid("the point is compressed")),
        _ => Err(invalid("the point is not on the curve")),
    }
}

/// Names of algorithms and curves that no algorithm of ours takes, by object identifier.
const OTHERS: [(&str, &str); 12] = [
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.2.840.113549.1.3.1", "Diffie-Hellman"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.132.0.33", "P-224"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
];

const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// `SubjectPublicKeyInfo ::= SEQUENCE { SEQUENCE { OBJECT IDENTIFIER, parameters }, BIT STRING }` (RFC 5280 §4.1.2.7).
fn key_type(der: &[u8]) -> Result<KeyType, Unusable> {
    let (identifier, bits) = value(only_value(der, SEQUENCE).map_err(unreadable)?, SEQUENCE).map_err(unreadable)?;
    let (algorithm, parameters) = value(identifier, OBJECT_IDENTIFIER).map_err(unreadable)?;
    let bits = only_value(bits, BIT_STRING).map_err(unreadable)?;
    let (0, key) = bits.split_first().map_or((1, bits), |(unused, key)| (*unused, key)) else {
        return Err(unreadable(DerFault::Shape));
    };
    let of_algorithm = || Algorithm::key_types().filter(|key_type| key_type.identifier() == Some(algorithm));
    let key_type = of_algorithm().next().ok_or_else(|| unknown(algorithm))?;
    match key_type {
        KeyType::Rsa => check_rsa(key)?,
        KeyType::Ec(_) => {
            let curve = only_value(parameters, OBJECT_IDENTIFIER)
                .map_err(|_| Unusable::new(KeyFault::UnknownCurve, "its parameters are written out"))?;
            let is_on_curve = |key_type: &KeyType| key_type.curve().is_some_and(|it| it.identifier == curve);
            let unknown_curve = || Unusable::new(KeyFault::UnknownCurve, name(curve));
            return of_algorithm().find(is_on_curve).ok_or_else(unknown_curve);
        }
        KeyType::Okp(_) | KeyType::Secret => {}
    }
    // NULL with RSA (RFC 3279 §2.3.1), nothing with the curves of RFC 8410 §3.
    let is_bare = parameters.is_empty() || only_value(parameters, NULL).is_ok_and(<[u8]>::is_empty);
    if is_bare { Ok(key_type) } else { Err(unreadable(DerFault::Shape)) }
}

/// An algorithm whose keys are not used. The curves of RFC 8410 §3 have identifiers of their own.
fn unknown(algorithm: &[u8]) -> Unusable {
    match algorithm {
        [0x2b, 0x65, 0x6e..=0x71] => Unusable::new(KeyFault::UnknownCurve, name(algorithm)),
        RSASSA_PSS => Unusable::new(
            KeyFault::UnknownType,
            format!(
                "{}, which limits the key to PSS; give it as a JWK with `kty` `RSA` and its `alg` to `.jwk_set(..)`",
                name(algorithm)
            ),
        ),
        _ => Unusable::new(KeyFault::UnknownType, name(algorithm)),
    }
}

/// The shape of an `RSAPublicKey`.
fn check_rsa(der: &[u8]) -> Result<(), Unusable> {
    let members = only_value(der, SEQUENCE).map_err(unreadable)?;
    let (_, exponent) = value(members, INTEGER).map_err(unreadable)?;
    only_value(exponent, INTEGER).map(drop).map_err(unreadable)
}

fn name(identifier: &[u8]) -> String {
    let dotted = dotted(identifier);
    match OTHERS.iter().find(|(identifier, _)| *identifier == dotted) {
        Some((_, name)) => format!("{name} ({dotted})"),
        None => dotted,
    }
}

fn pem_of(label: &str, der: &[u8]) -> Vec<u8> {
    let base64 = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n").into_bytes()
}

fn invalid(problem: impl fmt::Display) -> Unusable {
    Unusable::new(KeyFault::InvalidMember, problem.to_string())
}

fn unreadable(fault: DerFault) -> Unusable {
    invalid(match fault {
        DerFault::CutOff => "its content is cut off",
        DerFault::Shape => "its content is not a public key",
        DerFault::TrailingBytes => "there are bytes after the key",
    })
}
