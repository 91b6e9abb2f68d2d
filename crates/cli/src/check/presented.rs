//! What a client presents: the `Authorization` fields of its request, and where else a token may be.

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Uri};

/// Schemes of other kinds of credentials (the registry of RFC 9110 §16.4.1, and what else is common).
const OTHER_SCHEMES: [&str; 18] = [
    "basic",
    "digest",
    "dpop",
    "negotiate",
    "ntlm",
    "hoba",
    "mutual",
    "vapid",
    "gnap",
    "privatetoken",
    "oauth",
    "concealed",
    "token",
    "jwt",
    "apikey",
    "hawk",
    "signature",
    "aws4-hmac-sha256",
];

/// One request, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Presented {
    /// The value of each `Authorization` field.
    pub(super) authorization: Vec<Vec<u8>>,
    /// The names of all other fields, where the request is known.
    pub(super) other_fields: Option<Vec<String>>,
    pub(super) uri: Uri,
    /// The text that stands for the token, without the scheme; empty if there is none.
    pub(super) token: Vec<u8>,
}

impl Presented {
    /// One line: a token, or a token with `Bearer`, or the whole field, or the URL of a request.
    pub(super) fn of_line(line: &[u8]) -> Self {
        let trimmed = line.trim_ascii();
        if let Some(value) = strip_ignoring_case(trimmed, b"authorization:") {
            return Self::of_fields(vec![value.trim_ascii().to_vec()]);
        }
        if let Some(uri) = url(trimmed) {
            return Self { uri, other_fields: Some(Vec::new()), ..Self::default() };
        }
        let scheme = trimmed.split(|byte| *byte == b' ').next().unwrap_or_default();
        let is_other = |name: &str| scheme.len() < trimmed.len() && scheme.eq_ignore_ascii_case(name.as_bytes());
        if bearer(trimmed).is_some() || OTHER_SCHEMES.iter().any(|name| is_other(name)) {
            return Self::of_fields(vec![trimmed.to_vec()]);
        }
        let field = [b"Bearer ".as_slice(), trimmed].concat();
        Self { authorization: vec![field], token: trimmed.to_vec(), ..Self::default() }
    }

    /// The `Authorization` fields of a request.
    pub(super) fn of_fields(authorization: Vec<Vec<u8>>) -> Self {
        let field = authorization.first().map(Vec::as_slice).unwrap_or_default();
        let token = bearer(field).unwrap_or(field).to_vec();
        Self { authorization, token, ..Self::default() }
    }

    /// The scheme of the first field.
    pub(super) fn scheme(&self) -> Option<&str> {
        let field = self.authorization.first()?;
        let end = field.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(field.len());
        std::str::from_utf8(field.get(..end)?).ok().filter(|scheme| !scheme.is_empty())
    }

    /// The request that the layer gets, and whether a client could send it: control characters, which no field can
    /// have, are replaced by others that the layer refuses.
    pub(super) fn request(&self) -> (Request<()>, bool) {
        let mut request = Request::new(());
        *request.uri_mut() = self.uri.clone();
        let mut is_sendable = true;
        for field in &self.authorization {
            let value = HeaderValue::from_bytes(field).unwrap_or_else(|_| {
                is_sendable = false;
                let replaced: Vec<u8> =
                    field.iter().map(|byte| if byte.is_ascii_control() { 0xff } else { *byte }).collect();
                HeaderValue::from_bytes(&replaced).unwrap_or(HeaderValue::from_static("Bearer"))
            });
            request.headers_mut().append(AUTHORIZATION, value);
        }
        (request, is_sendable)
    }
}

/// What follows the scheme `Bearer`.
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let token = strip_ignoring_case(field, b"bearer")?;
    (token.is_empty() || token.starts_with(b" ")).then(|| token.trim_ascii_start())
}

fn url(line: &[u8]) -> Option<Uri> {
    let is_url = [b"https://".as_slice(), b"http://"].iter().any(|scheme| strip_ignoring_case(line, scheme).is_some());
    Uri::try_from(line).ok().filter(|_| is_url)
}

pub(super) fn strip_ignoring_case<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_the_client_sends() {
        for (line, field, token) in [
            ("a.b.c", "Bearer a.b.c", "a.b.c"),
            ("Bearer a.b.c", "Bearer a.b.c", "a.b.c"),
            ("bearer  a.b.c", "bearer  a.b.c", "a.b.c"),
            ("Bearer Bearer a.b.c", "Bearer Bearer a.b.c", "Bearer a.b.c"),
            ("authorization:bearer a.b.c", "bearer a.b.c", "a.b.c"),
            ("Authorization: a.b.c", "a.b.c", "a.b.c"),
            ("Authorization: Basic YTpi", "Basic YTpi", "Basic YTpi"),
            ("Basic YTpi", "Basic YTpi", "Basic YTpi"),
            ("a b", "Bearer a b", "a b"),
            ("basic", "Bearer basic", "basic"),
            ("Bearer", "Bearer", ""),
            ("bearera.b.c", "Bearer bearera.b.c", "bearera.b.c"),
        ] {
            let presented = Presented::of_line(line.as_bytes());
            assert_eq!(presented.authorization, [field.as_bytes()], "{line}");
            assert_eq!(presented.token, token.as_bytes(), "{line}");
        }
        let url = Presented::of_line(b"https://api.example.com/leads?access_token=a.b.c");
        assert!(url.authorization.is_empty() && url.uri.query().is_some());
    }
}
