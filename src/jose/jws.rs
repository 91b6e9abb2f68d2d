//! A signed token in the compact form (RFC 7515 §7.1), read up to the point where a key is needed.

use std::rc::Rc;
use std::sync::Arc;

use super::base64url::decode;
use super::header::{Header, TokenType};
use super::verifying_key::VerifyingKey;
use crate::error::{MalformedFault, TokenError};

/// A token whose three parts are well-formed. Nothing in it is proven yet. It has no `Debug`: it holds the token.
pub(crate) struct CompactJws<'t> {
    signing_input: &'t [u8],
    header: Rc<Header>,
    untrusted_payload: Vec<u8>,
    signature: Vec<u8>,
}

/// The claims of a token whose signature was verified, and the key that verified it. Made by [`CompactJws::verify`].
pub(crate) struct VerifiedPayload {
    bytes: Vec<u8>,
    typ: TokenType,
    key: Arc<VerifyingKey>,
}

impl<'t> CompactJws<'t> {
    /// Reads a token of at most `max_bytes`; the size is looked at before anything else.
    pub(crate) fn parse(token: &'t [u8], max_bytes: usize) -> Result<Self, TokenError> {
        if token.len() > max_bytes {
            return Err(TokenError::Malformed(MalformedFault::TooLarge));
        }
        let (signing_input, [header, payload, signature]) = split(token).map_err(TokenError::Malformed)?;
        let header = Header::read(header);
        let (untrusted_payload, signature) = (decode(payload)?, decode(signature)?);
        Ok(Self { signing_input, header: header?, untrusted_payload, signature })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The claims before the signature is checked: only good for choosing where to look for keys.
    pub(crate) fn untrusted_payload(&self) -> &[u8] {
        &self.untrusted_payload
    }

    /// Verifies the signature with each key in turn, and returns the claims when one fits.
    pub(crate) fn verify<'a>(
        &mut self,
        mut keys: impl Iterator<Item = &'a Arc<VerifyingKey>>,
    ) -> Result<VerifiedPayload, TokenError> {
        let key = keys.find(|key| key.verify(self.signing_input, &self.signature)).ok_or(TokenError::BadSignature)?;
        let bytes = std::mem::take(&mut self.untrusted_payload);
        Ok(VerifiedPayload { bytes, typ: self.header.typ, key: Arc::clone(key) })
    }
}

impl VerifiedPayload {
    pub(crate) fn into_parts(self) -> (Vec<u8>, TokenType, Arc<VerifyingKey>) {
        (self.bytes, self.typ, self.key)
    }
}

/// The signing input and the three parts.
fn split(token: &[u8]) -> Result<(&[u8], [&[u8]; 3]), MalformedFault> {
    let mut dots = memchr::memchr_iter(b'.', token);
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
        return Err(describe_parts(token));
    };
    let (signing_input, signature) = (token.get(..second), token.get(second + 1..));
    let (header, payload) = (token.get(..first), token.get(first + 1..second));
    match (signing_input, header, payload, signature) {
        (Some(signing_input), Some(header), Some(payload), Some(signature)) => {
            Ok((signing_input, [header, payload, signature]))
        }
        _ => Err(MalformedFault::Parts),
    }
}

/// What a token is that has not three parts. Dots are counted, not collected.
fn describe_parts(token: &[u8]) -> MalformedFault {
    match token.iter().filter(|byte| **byte == b'.').count() {
        4 => MalformedFault::Encrypted,
        // "eyJ" is how `{"` begins in base64url: what looks like a JWT and is not one is broken, not opaque.
        0 | 1 if !token.starts_with(b"eyJ") => MalformedFault::Opaque,
        _ => MalformedFault::Parts,
    }
}
