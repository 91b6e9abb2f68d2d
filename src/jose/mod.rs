//! JOSE: signed tokens and the keys that verify them (RFC 7515, 7517, 7518).
//!
//! No I/O and no HTTP types here. Only signed tokens in the compact form are read: encrypted tokens (JWE), nested
//! tokens and the JSON forms are refused. Keys come from the configuration, never from a token.

mod algorithm;
mod base64url;
mod document;
mod dropped_key;
mod form;
mod header;
mod json;
mod jwk;
mod jwk_set;
mod jws;
mod key_fault;
mod key_type;
mod pem;
mod public_key;
mod public_text;
mod roca;
mod verifying_key;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use dropped_key::DroppedKey;
pub use header::TokenType;
pub use key_fault::KeyFault;
pub use verifying_key::VerifyingKey;

#[cfg(feature = "remote-keys")]
pub(crate) use document::parse_document;
pub(crate) use dropped_key::describe as describe_dropped;
pub(crate) use form::TokenForm;
pub(crate) use json::{MemberPlaces, Members, Number, StringList, Value, WalkError, walk_object};
pub(crate) use jwk_set::{Candidates, JwkSet, NoCandidates};
pub(crate) use jws::{CompactJws, VerifiedPayload};
pub(crate) use pem::{jwks_of_pem, public_pem};
pub(crate) use public_text::public_members;
