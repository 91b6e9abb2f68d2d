//! The credentials in a request: one `Authorization` header, one scheme, one token (RFC 6750 §2.1, RFC 9449 §7.1).

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

use crate::error::{RequestFault, TokenError};

/// The schemes under which an access token is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    /// RFC 6750 §2.1.
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

/// An access token as sent. In a request it has only the characters that RFC 6750 §2.1 allows. It has no `Debug`.
#[derive(Clone, Copy)]
pub(crate) struct Credentials<'r> {
    pub(crate) scheme: Scheme,
    pub(crate) token: &'r [u8],
}

impl Scheme {
    /// Without regard to case (RFC 9110 §11.1).
    fn named(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"bearer") {
            Some(Self::Bearer)
        } else if name.eq_ignore_ascii_case(b"dpop") {
            Some(Self::Dpop)
        } else {
            None
        }
    }
}

impl<'r> Credentials<'r> {
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
        let credentials = Self::from_header(value.as_bytes()).map_err(TokenError::Request)?;
        if credentials.is_some() && has_token_in_query(uri) {
            return Err(TokenError::Request(RequestFault::TwoPlaces));
        }
        Ok(credentials)
    }

    /// The unparsed text of a bearer token, for a cache lookup and nothing else. `None` if the request needs more checks
    /// than that.
    pub(crate) fn unread(headers: &'r HeaderMap, uri: &Uri) -> Option<&'r [u8]> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
        let (scheme, token) = value.split_at_checked(b"bearer".len())?;
        let token = token.strip_prefix(b" ")?;
        (scheme.eq_ignore_ascii_case(b"bearer") && !has_token_in_query(uri)).then_some(token)
    }

    /// `credentials = scheme 1*SP b64token`.
    fn from_header(value: &'r [u8]) -> Result<Option<Self>, RequestFault> {
        let scheme_end = value.iter().position(|byte| !is_tchar(*byte)).unwrap_or(value.len());
        let (scheme, rest) = value.split_at(scheme_end);
        let token = trim_spaces(rest);
        let (scheme, is_apart) = (Scheme::named(scheme), token.len() < rest.len());
        match scheme {
            Some(scheme) if is_apart && is_b64token(token) => Ok(Some(Self { scheme, token })),
            _ if !value.is_ascii() => Err(RequestFault::IllegalCharacters),
            None => Self::refuse_other_scheme(value, rest),
            Some(_) if token.is_empty() => Err(RequestFault::Empty),
            Some(_) if is_apart && hides_token(token) => Err(RequestFault::Repeated),
            Some(_) => Err(RequestFault::IllegalCharacters),
        }
    }

    /// Another scheme counts as no token, unless a token hides in it. What has no scheme, or no space behind it, is
    /// broken: where a request without a token may pass, garbage must not.
    fn refuse_other_scheme(value: &[u8], rest: &[u8]) -> Result<Option<Self>, RequestFault> {
        if value.trim_ascii().is_empty() {
            Ok(None)
        } else if rest.is_empty() && value.iter().filter(|byte| **byte == b'.').count() >= 2 {
            Err(RequestFault::SchemeMissing)
        } else if hides_token(rest) {
            Err(RequestFault::Repeated)
        } else if !rest.is_empty() && (rest.len() == value.len() || !rest.starts_with(b" ")) {
            Err(RequestFault::IllegalCharacters)
        } else {
            Ok(None)
        }
    }
}

/// Whether another credential with a scheme for access tokens follows a comma: some clients and proxies join headers.
fn hides_token(rest: &[u8]) -> bool {
    rest.split(|byte| *byte == b',').skip(1).any(|part| {
        let part = part.trim_ascii_start();
        let scheme_end = part.iter().position(|byte| !is_tchar(*byte)).unwrap_or(part.len());
        part.get(..scheme_end).is_some_and(|scheme| Scheme::named(scheme).is_some())
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
