//! The public keys of a client, by which it authenticates (RFC 7591 §2, `jwks`).

use serde_json::Value;
use tower_bearer::jose::{Algorithm, VerifyingKey};

/// Keys that were good at the start, each once for every algorithm that it fits.
pub(crate) struct ClientKeys(Vec<VerifyingKey>);

impl ClientKeys {
    /// The algorithms of signatures: those with a public key that this crate knows.
    pub(crate) const ALGORITHMS: &'static [Algorithm] = Algorithm::PUBLIC_KEY;

    /// Reads a JWK Set, or a single JWK. The error says what is wrong.
    pub(super) fn read(jwks: &Value) -> Result<Self, String> {
        let keys = match jwks.get("keys") {
            Some(Value::Array(keys)) => keys.as_slice(),
            Some(_) => return Err("`keys` is not an array".to_owned()),
            None => std::slice::from_ref(jwks),
        };
        if keys.is_empty() {
            return Err("there is no key in it".to_owned());
        }
        let mut found = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let text = key.to_string();
            let (good, bad): (Vec<_>, Vec<_>) = Self::ALGORITHMS
                .iter()
                .map(|algorithm| VerifyingKey::from_jwk(&text, *algorithm))
                .partition(Result::is_ok);
            if good.is_empty() {
                // A key that fits no algorithm has the same fault for each of its type.
                let faults = bad.into_iter().filter_map(Result::err).map(|fault| fault.to_string());
                let fault = faults.min_by_key(|fault| fault == "for another algorithm").unwrap_or_default();
                return Err(format!("the key at place {index} cannot be used: {fault}"));
            }
            found.extend(good.into_iter().flatten());
        }
        Ok(Self(found))
    }

    /// Whether one of them made this signature. A `kid` chooses among them.
    pub(crate) fn verify(&self, algorithm: Algorithm, key_id: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        let is_meant = |key: &&VerifyingKey| {
            key.algorithm() == algorithm && key_id.is_none_or(|key_id| key.key_id() == Some(key_id))
        };
        self.0.iter().filter(is_meant).any(|key| key.verify(message, signature))
    }
}
