//! The header of a signed token (RFC 7515 §4).
//!
//! The simple version decodes and reads each token's header. The one departure: an issuer's tokens have the same header
//! until it changes its key, so each thread keeps the last few texts with what was read from them, and a text that is
//! there is not read again. That is 2,300 instructions of 14,700 and three allocations for a token of 894 bytes. The
//! same text always reads the same, whoever sent it and whatever becomes of the token; a flood of made-up headers only
//! makes the others be read again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::algorithm::Algorithm;
use super::base64url;
use super::json::{Members, Value, WalkError, walk_object};
use crate::error::{MalformedFault, TokenError};

/// How many parameters a header may have.
pub(super) const MAX_HEADER_MEMBERS: usize = 32;

/// How many headers a thread keeps.
const MAX_KEPT: usize = 4;

/// Longer ones are read each time.
const MAX_KEPT_BYTES: usize = 512;

/// A text and what was read from it.
type Kept = (Box<[u8]>, Rc<Header>);

thread_local! {
    static KEPT: RefCell<VecDeque<Kept>> = const { RefCell::new(VecDeque::new()) };
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
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TokenType {
    /// There is no `typ`.
    #[default]
    Absent,
    /// `at+jwt` (RFC 9068 §2.1).
    AccessToken,
    /// `JWT`, which says nothing about the use.
    Jwt,
    /// `token-introspection+jwt`: an answer about a token (RFC 9701 §5), which is no token itself.
    IntrospectionAnswer,
    /// Any other value.
    Other,
}

impl Header {
    /// Reads the first part of a token.
    pub(crate) fn read(text: &[u8]) -> Result<Rc<Self>, TokenError> {
        let find = |kept: &RefCell<VecDeque<Kept>>| {
            kept.borrow().iter().find(|(kept, _)| **kept == *text).map(|(_, header)| Rc::clone(header))
        };
        // A thread that is ending keeps nothing.
        if let Ok(Some(header)) = KEPT.try_with(find) {
            return Ok(header);
        }
        let header = Rc::new(Self::parse(&base64url::decode(text)?)?);
        let _ = KEPT.try_with(|kept| keep(&mut kept.borrow_mut(), text, &header));
        Ok(header)
    }

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
            // An algorithm that is not for signatures explains the `enc`, and is refused separately.
            Some("enc") if reader.header.algorithm.is_none() => Ok(reader.header),
            Some(name) => Err(TokenError::UnsupportedHeader(name)),
            None => Ok(reader.header),
        }
    }
}

/// The newest takes the place of the oldest.
fn keep(kept: &mut VecDeque<Kept>, text: &[u8], header: &Rc<Header>) {
    if text.len() <= MAX_KEPT_BYTES {
        if kept.len() == MAX_KEPT {
            kept.pop_front();
        }
        kept.push_back((text.into(), Rc::clone(header)));
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

impl<'t> Members<'t> for HeaderReader {
    fn read(&mut self, name: &str, value: &mut Value<'_, 't>) -> Result<bool, WalkError> {
        // Nothing is asked of the type of others.
        self.reading = one_of(&DEFINED, name).unwrap_or_default();
        match name {
            "alg" => {
                self.header.algorithm = Algorithm::from_name(&value.text()?);
                self.has_algorithm = true;
            }
            "kid" => self.header.key_id = Some(value.text()?.into()),
            "typ" => self.header.typ = TokenType::from_name(&value.text()?),
            // A nested token (RFC 7519 §5.2) would need checks of its own: refused as a whole (RFC 8725 §3.3).
            "cty" => {
                if TokenType::from_name(&value.text()?) == TokenType::Jwt {
                    self.unsupported = Some("cty");
                }
            }
            "jku" | "x5u" | "x5t" | "x5t#S256" => drop(value.text()?),
            "x5c" => drop(value.texts()?),
            "jwk" => value.skip_object()?,
            _ => {
                self.unsupported = one_of(&UNSUPPORTED, name).or(self.unsupported);
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The parameters whose type is checked (RFC 7515 §4.1).
const DEFINED: [&str; 10] = ["alg", "kid", "typ", "cty", "jku", "x5u", "x5t", "x5t#S256", "x5c", "jwk"];

/// The parameters that end in a refusal, whatever their value. No extension is understood, and an empty or malformed
/// list is invalid (RFC 7515 §4.1.11): any `crit` is refused. `b64` changes what is signed (RFC 7797 §3). `enc` makes
/// the header that of a JWE (RFC 7516 §9), and `zip` belongs to encryption.
///
/// The other parameters of encryption (RFC 7518 §4.6.1, §4.7.1, §4.8.1) do not tell a JWE from a JWS. Like every
/// parameter that RFC 7515 does not define, they are ignored (§4).
const UNSUPPORTED: [&str; 4] = ["crit", "b64", "zip", "enc"];

fn one_of(names: &[&'static str], name: &str) -> Option<&'static str> {
    names.iter().copied().find(|it| *it == name)
}

impl TokenType {
    /// For reports: the type itself, `absent` or `of another kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
            Self::IntrospectionAnswer => "token-introspection+jwt",
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
        } else if name.eq_ignore_ascii_case("token-introspection+jwt") {
            Self::IntrospectionAnswer
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_the_same_whether_it_was_kept_or_not() {
        let text = |header: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(header);
        let long = "k".repeat(MAX_KEPT_BYTES);
        let kids = ["a", "b", "c", "d", "e", "f", &long];
        let good = kids.map(|kid| text(&format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#)));
        let bad = ["", "e30", "!", &text(r#"{"alg":1}"#), &text("{}x")].map(str::to_owned);
        for _ in 0..3 {
            for (kid, text) in kids.iter().zip(&good) {
                for _ in 0..2 {
                    assert_eq!(Header::read(text.as_bytes()).unwrap().key_id.as_deref(), Some(*kid));
                }
            }
            assert!(bad.iter().all(|text| Header::read(text.as_bytes()).is_err()));
        }
        KEPT.with_borrow(|kept| {
            assert_eq!(kept.len(), MAX_KEPT);
            assert!(kept.iter().all(|(text, _)| text.len() <= MAX_KEPT_BYTES));
        });
    }

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
