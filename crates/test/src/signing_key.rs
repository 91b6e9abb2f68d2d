//! A key that signs tokens, and everything a test needs to know of its public half.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_bearer::jose::Algorithm;

use super::SigningError;
use super::key_pair::{KeyPair, PublicMembers};

/// A private key with its algorithm and key id. Clones share one key.
///
/// Made at run time; nothing of the private half can be read out again, and `Debug` shows the key id alone.
///
/// ```
/// use tower_bearer::jose::Algorithm;
/// use tower_bearer_test::SigningKey;
///
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// assert_eq!(key.public_jwk()["crv"], "P-256");
/// assert_eq!(key.sign(b"message").len(), 64);
/// # Ok::<(), tower_bearer_test::SigningError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    key_id: String,
    pair: Arc<KeyPair>,
    public_key_der: Arc<[u8]>,
}

impl SigningKey {
    /// Makes a new key. RSA keys have 2048 bits and take about 100 ms to make, so share them between tests.
    ///
    /// # Errors
    ///
    /// [`SigningError::SharedSecret`] for the HMAC algorithms; [`SigningError::Generation`] when the library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        Self::new(algorithm, KeyPair::generate(algorithm)?)
    }

    /// Takes a key that exists already, in PKCS #8 DER form (RFC 5958), such as one from a published test vector.
    ///
    /// # Errors
    ///
    /// [`SigningError::SharedSecret`] for the HMAC algorithms; [`SigningError::KeyMismatch`] when the bytes are not a
    /// key that `algorithm` can use.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, SigningError> {
        Self::new(algorithm, KeyPair::from_pkcs8(algorithm, pkcs8)?)
    }

    fn new(algorithm: Algorithm, pair: KeyPair) -> Result<Self, SigningError> {
        let public_key_der = pair.public_key_der().ok_or(SigningError::KeyMismatch(algorithm))?.into();
        let key_id = thumbprint(&pair.public_members());
        Ok(Self { algorithm, key_id, pair: Arc::new(pair), public_key_der })
    }

    /// The same key under another key id, which may be one that another key has.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: key_id.into(), ..self }
    }

    /// The same key under another algorithm, for tokens that use a key for what it was not published for.
    ///
    /// # Errors
    ///
    /// [`SigningError::KeyMismatch`] unless the key's type and curve fit: only RSA keys have more than one algorithm.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, SigningError> {
        if self.pair.fits(algorithm) {
            Ok(Self { algorithm, ..self })
        } else {
            Err(SigningError::KeyMismatch(algorithm))
        }
    }

    /// The algorithm that [`sign`](Self::sign) uses.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key id (`kid`): the SHA-256 thumbprint of RFC 7638 in base64url, unless [set](Self::with_key_id).
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Whether both have the same id, algorithm and material.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.algorithm == other.algorithm && self.public_key_der == other.public_key_der
    }

    /// Signs `message` and returns the signature in its JWS form, for ECDSA `r || s` (RFC 7518 §3.4).
    ///
    /// The key was checked when it was made, so this works. Should the library report a failure all the same, the
    /// signature is empty, which no validator accepts, and the log says so.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(self.algorithm, message).unwrap_or_else(|| {
            tracing::error!(algorithm = %self.algorithm, "signing failed, the signature is left empty");
            Vec::new()
        })
    }

    /// Signs exactly these bytes as a compact JWS (RFC 7515 §7.1). They need not be JSON, nor name this key.
    ///
    /// ```
    /// use tower_bearer::jose::Algorithm;
    /// use tower_bearer_test::SigningKey;
    ///
    /// let key = SigningKey::generate(Algorithm::EdDSA)?;
    /// let twice = key.sign_compact(r#"{"alg":"EdDSA","alg":"none"}"#, r#"{"sub":"alice"}"#);
    /// assert!(twice.starts_with("eyJhbGciOiJFZERTQSIsImFsZyI6Im5vbmUifQ."));
    /// # Ok::<(), tower_bearer_test::SigningError>(())
    /// ```
    #[must_use]
    pub fn sign_compact(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let signing_input = signing_input(header.as_ref(), payload.as_ref());
        let signature = self.sign(signing_input.as_bytes());
        join_signature(signing_input, &signature)
    }

    /// The public half as a JWK (RFC 7517 §4) with `kid`, `use`, `alg` and the members of its `kty`.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let (kid, alg) = (&self.key_id, self.algorithm.name());
        match self.pair.public_members() {
            PublicMembers::Rsa { n, e } => {
                json!({ "kty": "RSA", "n": n, "e": e, "use": "sig", "alg": alg, "kid": kid })
            }
            PublicMembers::Ec { crv, x, y } => {
                json!({ "kty": "EC", "crv": crv, "x": x, "y": y, "use": "sig", "alg": alg, "kid": kid })
            }
            PublicMembers::Okp { x } => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": alg, "kid": kid })
            }
        }
    }

    /// The public half as a DER `SubjectPublicKeyInfo` (RFC 5280 §4.1).
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    /// The public half as PEM text, `-----BEGIN PUBLIC KEY-----` (RFC 7468 §13), with a newline at its end.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut rest = STANDARD.encode(&self.public_key_der);
        while !rest.is_empty() {
            // RFC 7468 §2: lines of 64 characters.
            let following = rest.split_off(rest.len().min(64));
            pem.push_str(&rest);
            pem.push('\n');
            rest = following;
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        pem
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// `BASE64URL(header) || '.' || BASE64URL(payload)` (RFC 7515 §5.1).
pub(super) fn signing_input(header: &[u8], payload: &[u8]) -> String {
    let mut input = URL_SAFE_NO_PAD.encode(header);
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut input);
    input
}

/// The compact JWS of a signing input and a signature, which may be empty.
pub(super) fn join_signature(mut signing_input: String, signature: &[u8]) -> String {
    signing_input.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signing_input);
    signing_input
}

/// RFC 7638 §3: SHA-256 over the required members in lexicographic order, without spaces. Written out by hand because
/// the order of a `serde_json` map depends on a feature that any crate in a build can switch on.
fn thumbprint(public: &PublicMembers) -> String {
    let canonical = match public {
        PublicMembers::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        PublicMembers::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
        PublicMembers::Okp { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
    };
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_match_the_published_examples() {
        // RFC 7638 §3.1.
        let rsa = PublicMembers::Rsa {
            n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV\
                4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0z\
                gdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF\
                Cur-kEgU8awapJzKnqDKgw"
                .replace(' ', ""),
            e: "AQAB".to_owned(),
        };
        assert_eq!(thumbprint(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");

        // RFC 8037 §A.3.
        let okp = PublicMembers::Okp { x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned() };
        assert_eq!(thumbprint(&okp), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
