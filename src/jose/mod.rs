//! JOSE: signed tokens and the keys that verify them (RFC 7515, 7517, 7518).
//!
//! No I/O and no HTTP types here. Only signed tokens in the compact form are read: encrypted tokens (JWE), nested
//! tokens and the JSON forms are refused. Keys come from the configuration, never from a token.

mod algorithm;
mod base64url;
mod document;
mod header;
mod json;
mod jwk;
mod jwk_set;
mod jws;
mod pem;
mod verifying_key;

pub use algorithm::Algorithm;
pub use verifying_key::{KeyFault, VerifyingKey};

#[cfg(feature = "remote-keys")]
pub(crate) use document::parse_document;
pub(crate) use header::TokenType;
pub(crate) use json::{Members, Number, StringList, Value, WalkError, walk_object};
pub(crate) use jwk::MAX_KEY_ID_BYTES;
pub(crate) use jwk_set::{Candidates, JwkSet, MAX_CANDIDATES, MAX_KEYS, NoCandidates};
pub(crate) use jws::{CompactJws, VerifiedPayload};
pub(crate) use pem::verifying_keys as verifying_keys_from_pem;
