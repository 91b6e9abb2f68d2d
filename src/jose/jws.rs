//! A signed token in the compact form (RFC 7515 §7.1), read up to the point where a key is needed.

use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD;
use serde::de::MapAccess;

use super::algorithm::Algorithm;
use super::json::{Members, Text, WalkError, walk_object};
use super::verifying_key::VerifyingKey;
use crate::error::{MalformedFault, TokenError};

/// How many parameters a header may have.
const MAX_HEADER_MEMBERS: usize = 32;

/// A token whose three parts are well-formed. Nothing in it is proven yet. It has no `Debug`: it holds the token.
pub(crate) struct CompactJws<'t> {
    signing_input: &'t str,
    header: Header,
    untrusted_payload: Vec<u8>,
    signature: Vec<u8>,
}

/// The header parameters that a decision needs. Keys and URLs in a header (`jwk`, `jku`, `x5u`, `x5c`) are never used
/// (RFC 8725 §3.10); only their type is checked, as that of every parameter that RFC 7515 §4.1 defines.
#[derive(Debug, Default)]
pub(crate) struct Header {
    /// `alg`, when it is one that exists.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) key_id: Option<Box<str>>,
    pub(crate) typ: TokenType,
}

/// The kind of token that `typ` states, compared as media types are: without regard to case, with or without
/// `application/` (RFC 7515 §4.1.9).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum TokenType {
    #[default]
    Absent,
    /// `at+jwt` (RFC 9068 §2.1).
    AccessToken,
    /// `JWT`, which says nothing about the use.
    Jwt,
    Other,
}

/// The claims of a token whose signature was verified. Only [`CompactJws::verify`] makes one.
pub(crate) struct VerifiedPayload {
    bytes: Vec<u8>,
    typ: TokenType,
}

impl<'t> CompactJws<'t> {
    /// Reads a token of at most `max_bytes`; the size is looked at before anything else.
    pub(crate) fn parse(token: &'t str, max_bytes: usize) -> Result<Self, TokenError> {
        if token.len() > max_bytes {
            return Err(TokenError::Malformed(MalformedFault::TooLarge));
        }
        let (signing_input, [header, payload, signature]) = split(token).map_err(TokenError::Malformed)?;
        let decode =
            |part| URL_SAFE_NO_PAD.decode_to_vec(part).map_err(|_| TokenError::Malformed(MalformedFault::Base64));
        let (header, untrusted_payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        Ok(Self { signing_input, header: Header::parse(&header)?, untrusted_payload, signature })
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// The claims before the signature is checked: only good for choosing where to look for keys.
    pub(crate) fn untrusted_payload(&self) -> &[u8] {
        &self.untrusted_payload
    }

    /// Checks the signature with each key in turn, and says which one made it.
    pub(crate) fn verify<'a>(
        self,
        mut keys: impl Iterator<Item = &'a Arc<VerifyingKey>>,
    ) -> Result<(VerifiedPayload, &'a Arc<VerifyingKey>), TokenError> {
        let message = self.signing_input.as_bytes();
        let key = keys.find(|key| key.verify(message, &self.signature)).ok_or(TokenError::BadSignature)?;
        Ok((VerifiedPayload { bytes: self.untrusted_payload, typ: self.header.typ }, key))
    }
}

impl VerifiedPayload {
    pub(crate) const fn typ(&self) -> TokenType {
        self.typ
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The signing input and the three parts.
fn split(token: &str) -> Result<(&str, [&str; 3]), MalformedFault> {
    let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
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
fn describe_parts(token: &str) -> MalformedFault {
    match token.bytes().filter(|byte| *byte == b'.').count() {
        4 => MalformedFault::Encrypted,
        // "eyJ" is how `{"` begins in base64url: what looks like a JWT and is not one is broken, not opaque.
        0 | 1 if !token.starts_with("eyJ") => MalformedFault::Opaque,
        _ => MalformedFault::Parts,
    }
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, TokenError> {
        let mut reader = HeaderReader::default();
        walk_object(json, MAX_HEADER_MEMBERS, &mut reader).map_err(|error| match (error, reader.reading) {
            (WalkError::Json(fault), _) => TokenError::Malformed(MalformedFault::Header(fault)),
            (WalkError::WrongType, "alg") => TokenError::Malformed(MalformedFault::Algorithm),
            (WalkError::WrongType, name) => TokenError::HeaderParameter(name),
        })?;
        if !reader.has_algorithm {
            return Err(TokenError::Malformed(MalformedFault::Algorithm));
        }
        match reader.unsupported {
            Some(name) => Err(TokenError::UnsupportedHeader(name)),
            None => Ok(reader.header),
        }
    }
}

#[derive(Default)]
struct HeaderReader {
    header: Header,
    has_algorithm: bool,
    unsupported: Option<&'static str>,
    /// The parameter being read, for the error when its type is wrong.
    reading: &'static str,
}

impl<'de> Members<'de> for HeaderReader {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        // The walk checks and skips the values of these.
        match name {
            // The walk also says when this is no object.
            "jwk" => self.reading = "jwk",
            // No extension is understood, and an empty or malformed list is invalid (RFC 7515 §4.1.11): any `crit`
            // ends in a refusal. `b64` changes what is signed (RFC 7797 §3), `zip` belongs to encryption.
            "crit" => self.unsupported = Some("crit"),
            "b64" => self.unsupported = Some("b64"),
            "zip" => self.unsupported = Some("zip"),
            _ => return self.read_value(name, map),
        }
        Ok(false)
    }

    fn must_be_object(&self, name: &str) -> bool {
        name == "jwk"
    }
}

impl HeaderReader {
    fn read_value<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "alg" => {
                self.reading = "alg";
                self.header.algorithm = Algorithm::from_name(&map.next_value_seed(Text)?);
                self.has_algorithm = true;
            }
            "kid" => {
                self.reading = "kid";
                self.header.key_id = Some(map.next_value()?);
            }
            "typ" => {
                self.reading = "typ";
                self.header.typ = TokenType::from_name(&map.next_value_seed(Text)?);
            }
            // A nested token (RFC 7519 §5.2) would need checks of its own: refused as a whole (RFC 8725 §3.3).
            "cty" => {
                self.reading = "cty";
                if TokenType::from_name(&map.next_value_seed(Text)?) == TokenType::Jwt {
                    self.unsupported = Some("cty");
                }
            }
            "jku" => self.check_string("jku", map)?,
            "x5u" => self.check_string("x5u", map)?,
            "x5t" => self.check_string("x5t", map)?,
            "x5t#S256" => self.check_string("x5t#S256", map)?,
            "x5c" => {
                self.reading = "x5c";
                map.next_value::<Vec<Box<str>>>()?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check_string<'de, A: MapAccess<'de>>(&mut self, name: &'static str, map: &mut A) -> Result<(), A::Error> {
        self.reading = name;
        map.next_value_seed(Text).map(drop)
    }
}

impl TokenType {
    /// As a header writes it, where it is one of those that a decision knows apart.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
            Self::Other => "of another kind",
        }
    }

    fn from_name(name: &str) -> Self {
        const PREFIX: &str = "application/";
        let name = match name.get(..PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => name.get(PREFIX.len()..).unwrap_or_default(),
            _ => name,
        };
        if name.eq_ignore_ascii_case("at+jwt") {
            Self::AccessToken
        } else if name.eq_ignore_ascii_case("JWT") {
            Self::Jwt
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_parameters_that_are_not_used_must_have_their_type() {
        let parse =
            |name: &str, value: &str| Header::parse(format!(r#"{{"alg":"RS256","{name}":{value}}}"#).as_bytes());
        for name in ["jku", "x5u", "x5t", "x5t#S256"] {
            assert!(parse(name, r#""https://mallory.example.com""#).is_ok(), "{name}");
            for value in ["null", "1", "true", "[]", "{}"] {
                assert_eq!(parse(name, value).unwrap_err(), TokenError::HeaderParameter(name), "{name} {value}");
            }
        }
        assert!(parse("x5c", r#"["AAAA"]"#).is_ok());
        for value in ["null", "1", r#""AAAA""#, "[1]", "{}"] {
            assert_eq!(parse("x5c", value).unwrap_err(), TokenError::HeaderParameter("x5c"), "{value}");
        }
        assert!(parse("jwk", r#"{"kty":"oct","k":"AAAA"}"#).is_ok());
        for value in ["null", "1", r#""AAAA""#, "[]"] {
            assert_eq!(parse("jwk", value).unwrap_err(), TokenError::HeaderParameter("jwk"), "{value}");
        }
        let duplicate = TokenError::Malformed(MalformedFault::Header(crate::error::JsonFault::Duplicate));
        assert_eq!(parse("jwk", r#"{"k":1,"k":2}"#).unwrap_err(), duplicate);
    }
}
