//! The token in a request: one `Authorization` header, one scheme, one token (RFC 6750 §2.1).

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

use crate::error::{RequestFault, TokenError};

const SCHEME: &[u8] = b"bearer";

/// A bearer token as it stood in the request, with the characters that RFC 6750 §2.1 allows. It has no `Debug`.
#[derive(Clone, Copy)]
pub(crate) struct BearerToken<'r>(&'r [u8]);

impl<'r> BearerToken<'r> {
    /// Finds the token. A request without one, or with another scheme, gives `None`.
    ///
    /// Tokens in the query or in a form body are not read (RFC 9700 §4.3.2); one in the query beside one in the header
    /// is refused (RFC 6750 §2).
    pub(crate) fn from_request(headers: &'r HeaderMap, uri: &Uri) -> Result<Option<Self>, TokenError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(TokenError::Request(RequestFault::Repeated));
        }
        let token = Self::from_header(value.as_bytes()).map_err(TokenError::Request)?;
        if token.is_some() && has_token_in_query(uri) {
            return Err(TokenError::Request(RequestFault::TwoPlaces));
        }
        Ok(token)
    }

    /// What stands in the place of a token, unread: good for looking whether this very text was read before, and for
    /// nothing else. None where more than the text would have to be judged.
    pub(crate) fn unread(headers: &'r HeaderMap, uri: &Uri) -> Option<&'r [u8]> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
        let (scheme, token) = value.split_at_checked(SCHEME.len())?;
        let token = token.strip_prefix(b" ")?;
        (scheme.eq_ignore_ascii_case(SCHEME) && !has_token_in_query(uri)).then_some(token)
    }

    pub(crate) const fn as_bytes(self) -> &'r [u8] {
        self.0
    }

    /// `credentials = "Bearer" 1*SP b64token`, the scheme without regard to case (RFC 9110 §11.1).
    fn from_header(value: &'r [u8]) -> Result<Option<Self>, RequestFault> {
        let scheme_end = value.iter().position(|byte| !is_tchar(*byte)).unwrap_or(value.len());
        let (scheme, rest) = value.split_at(scheme_end);
        let token = trim_spaces(rest);
        let (is_ours, is_apart) = (scheme.eq_ignore_ascii_case(SCHEME), token.len() < rest.len());
        if is_ours && is_apart && is_b64token(token) {
            Ok(Some(Self(token)))
        } else if !value.is_ascii() {
            Err(RequestFault::IllegalCharacters)
        } else if !is_ours {
            Self::refuse_other_scheme(value, rest)
        } else if token.is_empty() {
            Err(RequestFault::Empty)
        } else if is_apart && hides_bearer(token) {
            Err(RequestFault::Repeated)
        } else {
            Err(RequestFault::IllegalCharacters)
        }
    }

    /// Another scheme counts as no token, unless a token hides in it. What has no scheme, or no space behind it, is
    /// broken: where a request without a token may pass, garbage must not.
    fn refuse_other_scheme(value: &[u8], rest: &[u8]) -> Result<Option<Self>, RequestFault> {
        if value.trim_ascii().is_empty() {
            Ok(None)
        } else if rest.is_empty() && value.iter().filter(|byte| **byte == b'.').count() >= 2 {
            Err(RequestFault::SchemeMissing)
        } else if hides_bearer(rest) {
            Err(RequestFault::Repeated)
        } else if !rest.is_empty() && (rest.len() == value.len() || !rest.starts_with(b" ")) {
            Err(RequestFault::IllegalCharacters)
        } else {
            Ok(None)
        }
    }
}

/// Whether another credential with our scheme follows after a comma: some clients and proxies join headers so.
fn hides_bearer(rest: &[u8]) -> bool {
    rest.split(|byte| *byte == b',').skip(1).any(|part| {
        let Some((scheme, after)) = part.trim_ascii_start().split_at_checked(SCHEME.len()) else { return false };
        scheme.eq_ignore_ascii_case(SCHEME) && after.first().is_none_or(|byte| !is_tchar(*byte))
    })
}

fn trim_spaces(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b" ") {
        bytes = rest;
    }
    bytes
}

/// `tchar` (RFC 9110 §5.6.2).
const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1).
fn is_b64token(token: &[u8]) -> bool {
    let mut body = token;
    while let Some(rest) = body.strip_suffix(b"=") {
        body = rest;
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    // Without a way out after each byte the compiler takes many at once: 860 of them in a quarter of the time.
    let are_allowed = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is_allowed(*byte));
    !body.is_empty() && body.chunks(64).all(are_allowed)
}

/// Whether the query has `access_token` (RFC 6750 §2.3). The value is not read.
fn has_token_in_query(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(is_access_token))
}

/// Whether a query parameter is named `access_token`, whether or not its characters are percent-encoded: handlers see
/// decoded names. The name is decoded once, as in `application/x-www-form-urlencoded`; a `+` would be a space, which
/// the name does not contain.
fn is_access_token(parameter: &str) -> bool {
    let mut rest = parameter.as_bytes();
    for expected in b"access_token" {
        rest = match rest {
            [byte, rest @ ..] if byte == expected => rest,
            [b'%', high, low, rest @ ..] if percent_decoded(*high, *low) == Some(u32::from(*expected)) => rest,
            _ => return false,
        };
    }
    matches!(rest, [] | [b'=', ..])
}

/// `pct-encoded` (RFC 3986 §2.1); `None` if these are not two hexadecimal digits.
fn percent_decoded(high: u8, low: u8) -> Option<u32> {
    Some(char::from(high).to_digit(16)? * 16 + char::from(low).to_digit(16)?)
}
