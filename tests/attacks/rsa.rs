//! RSA without a safety net: signatures over paddings that no library would make (RFC 8017).

use aws_lc_rs::digest::{self, Algorithm as Hash};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use num_bigint::BigUint;
use serde_json::{Value, json};
use simple_asn1::ASN1Block;

use crate::support::encode;

/// A private key as numbers.
pub(crate) struct RawKey {
    pub(crate) n: BigUint,
    e: BigUint,
    primes: [BigUint; 2],
    exponents: [BigUint; 2],
    coefficient: BigUint,
}

impl RawKey {
    pub(crate) fn generate() -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let blocks = simple_asn1::from_der(pkcs8.as_ref()).unwrap();
        // PrivateKeyInfo holds RSAPrivateKey: version, n, e, d, p, q, dP, dQ, qInv.
        let ASN1Block::Sequence(_, info) = &blocks[0] else { panic!("{blocks:?}") };
        let ASN1Block::OctetString(_, inner) = &info[2] else { panic!("{info:?}") };
        let blocks = simple_asn1::from_der(inner).unwrap();
        let ASN1Block::Sequence(_, numbers) = &blocks[0] else { panic!("{blocks:?}") };
        let number = |position: usize| match &numbers[position] {
            ASN1Block::Integer(_, number) => number.to_biguint().unwrap(),
            other => panic!("{other:?}"),
        };
        Self {
            n: number(1),
            e: number(2),
            primes: [number(4), number(5)],
            exponents: [number(6), number(7)],
            coefficient: number(8),
        }
    }

    pub(crate) fn public_jwk(&self, alg: &str) -> Value {
        let [n, e] = [&self.n, &self.e].map(|number| encode(number.to_bytes_be()));
        json!({ "kty": "RSA", "n": n, "e": e, "alg": alg, "kid": "raw" })
    }

    /// The private operation on an encoded message (RSASP1, RFC 8017 §5.2.1).
    pub(crate) fn sign_encoded(&self, encoded: &[u8]) -> Vec<u8> {
        let message = BigUint::from_bytes_be(encoded);
        let [p, q] = &self.primes;
        let [m1, m2] = [0, 1].map(|i| message.modpow(&self.exponents[i], &self.primes[i]));
        let h = (m1 + p - &m2 % p) * &self.coefficient % p;
        fixed(&(m2 + q * h), 256)
    }
}

/// Big-endian, with zeros in front.
pub(crate) fn fixed(number: &BigUint, length: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; length - bytes.len()], bytes].concat()
}

/// `DigestInfo` for SHA-256 without its digest.
pub(crate) const SHA256_PREFIX: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

pub(crate) fn sha256(message: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, message).as_ref().to_vec()
}

/// `00 01 FF … FF 00 content`, in 256 bytes (EMSA-PKCS1-v1_5).
pub(crate) fn pkcs1_padded(content: &[u8]) -> Vec<u8> {
    [&[0, 1][..], &vec![0xff; 256 - 3 - content.len()], &[0], content].concat()
}

/// EMSA-PSS with each of its parameters free, for a modulus of 2048 bits.
pub(crate) fn pss_padded(message: &[u8], hash: &'static Hash, mgf_hash: &'static Hash, salt: &[u8]) -> Vec<u8> {
    let hashed = digest::digest(hash, message);
    let h = digest::digest(hash, &[&[0; 8][..], hashed.as_ref(), salt].concat());
    let h = h.as_ref();
    let mut db = [&vec![0; 256 - h.len() - 1 - 1 - salt.len()][..], &[1], salt].concat();
    for (byte, mask) in db.iter_mut().zip(mgf1(h, 256, mgf_hash)) {
        *byte ^= mask;
    }
    db[0] &= 0x7f;
    [&db[..], h, &[0xbc]].concat()
}

fn mgf1(seed: &[u8], length: usize, hash: &'static Hash) -> Vec<u8> {
    let blocks = (0_u32..).map(|n| digest::digest(hash, &[seed, &n.to_be_bytes()[..]].concat()).as_ref().to_vec());
    blocks.flatten().take(length).collect()
}

/// `RSAPublicKey` in DER.
pub(crate) fn pkcs1_der(n: &[u8], e: &[u8]) -> Vec<u8> {
    let integer = |bytes| ASN1Block::Integer(0, BigUint::from_bytes_be(bytes).into());
    simple_asn1::to_der(&ASN1Block::Sequence(0, vec![integer(n), integer(e)])).unwrap()
}
