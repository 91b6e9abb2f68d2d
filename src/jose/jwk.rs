//! One JSON Web Key (RFC 7517 §4): which signatures it verifies, if any.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::algorithm::{Algorithm, permitted};
use super::dropped_key::{Unusable, quoted};
use super::key_fault::KeyFault;
use super::key_type::KeyType;
use super::public_key::PublicKey;
use super::verifying_key::VerifyingKey;
use crate::limits::MAX_KEY_ID_BYTES;

/// The private members of an RSA key (RFC 7518 §6.3.2). `d` is private in every key type, and `k` is the symmetric key.
const RSA_PRIVATE: [&str; 6] = ["p", "q", "dp", "dq", "qi", "oth"];

/// The key once for each of the `allowed` algorithms that it fits.
pub(super) fn verifying_keys(jwk: &RawValue, allowed: &[Algorithm]) -> Result<Vec<VerifyingKey>, Unusable> {
    let members = Members::read(jwk)?;
    let key_id = members.reported_key_id();
    members.verifying_keys(allowed).map_err(|unusable| Unusable { key_id, ..unusable })
}

impl VerifyingKey {
    /// Reads a public JWK (RFC 7517) for use with one algorithm.
    ///
    /// # Errors
    ///
    /// When it is not a public key for verifying signatures of this algorithm, or a member is missing or out of range.
    pub fn from_jwk(jwk: &str, algorithm: Algorithm) -> Result<Self, KeyFault> {
        let jwk: &RawValue = serde_json::from_str(jwk).map_err(|_| KeyFault::NotAJwk)?;
        let keys = verifying_keys(jwk, &[algorithm]).map_err(|unusable| match unusable.fault {
            KeyFault::AlgorithmNotAllowed => KeyFault::OtherAlgorithm,
            fault => fault,
        });
        keys?.pop().ok_or(KeyFault::OtherAlgorithm)
    }
}

/// The members of a JWK. Each value is parsed only when it is needed, so that an irrelevant one does no harm: unknown
/// members are ignored (RFC 7517 §4), whatever number or string they hold.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Members<'t> {
    fn read(jwk: &'t RawValue) -> Result<Self, Unusable> {
        if !jwk.get().starts_with('{') {
            return Err(KeyFault::NotAJwk.into());
        }
        serde_json::from_str(jwk.get()).map_err(|_| Unusable::new(KeyFault::NotAJwk, "a name is not Unicode text"))
    }

    /// The `kid` that identifies the key in a report.
    fn reported_key_id(&self) -> Option<String> {
        let key_id = self.text("kid").ok()??;
        let cut = (0..=MAX_KEY_ID_BYTES).rev().find_map(|end| key_id.get(..end));
        if key_id.len() > MAX_KEY_ID_BYTES { cut.map(str::to_owned) } else { Some(key_id) }
    }

    fn verifying_keys(&self, allowed: &[Algorithm]) -> Result<Vec<VerifyingKey>, Unusable> {
        self.check_names()?;
        let (key_id, kty, alg) = (self.text("kid")?, self.needed_text("kty")?, self.text("alg")?);
        if key_id.as_ref().is_some_and(|key_id| key_id.len() > MAX_KEY_ID_BYTES) {
            return Err(KeyFault::KeyIdTooLong.into());
        }
        self.check_public(&kty)?;
        self.check_use()?;
        let key_type = self.key_type(&kty)?;
        let algorithms = permitted(&fitting(key_type, alg.as_deref())?, allowed)?;
        let key = self.public_key(key_type)?;
        let text: Arc<str> = key.to_jwk(key_id.as_deref(), alg.as_deref())?.into();
        let key_id: Option<Box<str>> = key_id.map(String::into_boxed_str);
        algorithms
            .into_iter()
            .map(|algorithm| Ok(key.verifying_key(algorithm)?.read_from(key_id.clone(), Arc::clone(&text))))
            .collect()
    }

    /// Two parsers of one JWK must not see different keys (RFC 7517 §4 leaves it open which of two equal names counts).
    fn check_names(&self) -> Result<(), Unusable> {
        let mut names = HashSet::new();
        match self.0.iter().find(|(name, _)| !names.insert(name)) {
            Some((name, _)) => Err(Unusable::new(KeyFault::DuplicateMember, quoted(name))),
            None => Ok(()),
        }
    }

    fn check_public(&self, kty: &str) -> Result<(), Unusable> {
        if kty == "oct" || self.get("k").is_some() {
            return Err(KeyFault::Symmetric.into());
        }
        let is_rsa_private = |name: &&str| kty == "RSA" && self.get(name).is_some();
        match self.get("d").map(|_| "d").or_else(|| RSA_PRIVATE.into_iter().find(is_rsa_private)) {
            Some(name) => Err(Unusable::new(KeyFault::NotPublic, format!("it has `{name}`"))),
            None => Ok(()),
        }
    }

    /// Checks that the key is for verifying signatures (RFC 7517 §4.2, §4.3). A key that also encrypts or agrees on
    /// keys was not made for signatures alone.
    fn check_use(&self) -> Result<(), Unusable> {
        let key_use = self.text("use")?;
        if let Some(other) = key_use.as_deref().filter(|key_use| *key_use != "sig") {
            return Err(Unusable::new(KeyFault::OtherUse, format!("`use` is {}", quoted(other))));
        }
        let Some(operations) = self.texts("key_ops")? else { return Ok(()) };
        let distinct: HashSet<_> = operations.iter().collect();
        let is_foreign = |operation: &String| {
            matches!(&**operation, "encrypt" | "decrypt" | "wrapKey" | "unwrapKey" | "deriveKey" | "deriveBits")
        };
        let problem = if !operations.iter().any(|operation| operation == "verify") {
            "it lacks `verify`"
        } else if distinct.len() != operations.len() {
            "it names an operation twice"
        } else if key_use.is_some() && operations.iter().any(is_foreign) {
            "it contradicts `use`"
        } else {
            return Ok(());
        };
        Err(Unusable::new(KeyFault::OtherOperations, problem))
    }

    fn key_type(&self, kty: &str) -> Result<KeyType, Unusable> {
        let of_kty = || Algorithm::key_types().filter(|key_type| key_type.kty() == kty);
        let unknown_type = || Unusable::new(KeyFault::UnknownType, format!("`kty` is {}", quoted(kty)));
        let first = of_kty().next().ok_or_else(unknown_type)?;
        if first.curve().is_none() {
            return Ok(first);
        }
        let crv = self.needed_text("crv")?;
        let is_on_curve = |key_type: &KeyType| key_type.curve().is_some_and(|curve| curve.name == crv);
        let unknown_curve = || Unusable::new(KeyFault::UnknownCurve, format!("`crv` is {}", quoted(&crv)));
        of_kty().find(is_on_curve).ok_or_else(unknown_curve)
    }

    /// Leading zero octets are stripped from the integers of an RSA key: some issuers leave them in
    /// (RFC 7518 §6.3.1.1). Coordinates have their full length, zeros included (RFC 7518 §6.2.1.2, RFC 8037 §2).
    fn public_key(&self, key_type: KeyType) -> Result<PublicKey, Unusable> {
        Ok(match key_type {
            KeyType::Rsa => PublicKey::Rsa { n: self.integer("n")?, e: self.integer("e")? },
            KeyType::Ec(curve) => {
                let coordinate = |name| self.octets(name, curve.coordinate_octets);
                PublicKey::Ec { curve, x: coordinate("x")?, y: coordinate("y")? }
            }
            KeyType::Okp(curve) => PublicKey::Okp { curve, x: self.octets("x", curve.coordinate_octets)? },
            KeyType::Secret => return Err(KeyFault::Symmetric.into()),
        })
    }

    fn integer(&self, name: &str) -> Result<Vec<u8>, Unusable> {
        let mut integer = self.bytes(name)?;
        let zeros = integer.iter().take_while(|octet| **octet == 0).count();
        integer.drain(..zeros);
        if integer.is_empty() { Err(invalid(name, "is zero or empty")) } else { Ok(integer) }
    }

    fn octets(&self, name: &str, length: usize) -> Result<Vec<u8>, Unusable> {
        let octets = self.bytes(name)?;
        let found = octets.len();
        if found == length { Ok(octets) } else { Err(invalid(name, format_args!("has {found} octets, not {length}"))) }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Unusable> {
        URL_SAFE_NO_PAD.decode(self.needed_text(name)?).map_err(|_| invalid(name, "is not base64url without padding"))
    }

    fn needed_text(&self, name: &str) -> Result<String, Unusable> {
        self.text(name)?.ok_or_else(|| invalid(name, "is missing"))
    }

    fn text(&self, name: &str) -> Result<Option<String>, Unusable> {
        let read = |value: &RawValue| serde_json::from_str(value.get());
        self.get(name).map(read).transpose().map_err(|_| invalid(name, "is not a string of Unicode text"))
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Unusable> {
        let read = |value: &RawValue| serde_json::from_str(value.get());
        self.get(name).map(read).transpose().map_err(|_| invalid(name, "is not an array of strings"))
    }

    /// A member that is `null` counts as absent: some issuers write every member that their library knows. `null` has
    /// no other meaning, and only the issuer writes key sets.
    fn get(&self, name: &str) -> Option<&'t RawValue> {
        let (_, value) = self.0.iter().find(|(member, _)| member == name)?;
        (value.get() != "null").then_some(value)
    }
}

/// What a key can verify. One with `alg` is for that algorithm only, known or not (RFC 7517 §4.4).
fn fitting(key_type: KeyType, alg: Option<&str>) -> Result<Vec<Algorithm>, Unusable> {
    let fitting = Algorithm::for_keys_of(key_type);
    let Some(alg) = alg else { return Ok(fitting) };
    match Algorithm::from_name(alg).filter(|algorithm| fitting.contains(algorithm)) {
        Some(algorithm) => Ok(vec![algorithm]),
        None => Err(Unusable::new(KeyFault::OtherAlgorithm, format!("`alg` is {}", quoted(alg)))),
    }
}

fn invalid(name: &str, problem: impl fmt::Display) -> Unusable {
    Unusable::new(KeyFault::InvalidMember, format!("`{name}` {problem}"))
}

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JWK")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Read).map(Members)
    }
}
