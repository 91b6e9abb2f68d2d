//! Request parameters: `application/x-www-form-urlencoded` (RFC 6749 appendix B).

use std::collections::HashSet;

use axum::extract::Request;
use http::{HeaderMap, header};
use url::form_urlencoded;

use super::oauth_error::OAuthError;

/// The most that is read of a body: many times what any request needs.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The one parameter that may be there several times (RFC 8707 §2).
const REPEATABLE: &str = "resource";

/// The parameters of a request, in its order, each at most once.
#[derive(Clone)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the body and takes it apart. Parameters in the URL are not looked at (RFC 6749 §2.3.1 forbids secrets
    /// there).
    pub(super) async fn read(request: Request) -> Result<Self, OAuthError> {
        if !has_media_type(request.headers(), "application/x-www-form-urlencoded") {
            return Err(OAuthError::InvalidRequest("the content type is not application/x-www-form-urlencoded"));
        }
        // It fails at the limit, or when the client goes away, who then hears no answer anyway.
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await;
        Self::parse(&body.map_err(|_| OAuthError::BodyTooLarge)?)
    }

    /// Takes the query of a URL apart.
    pub(super) fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        let parameters: Vec<(String, String)> = form_urlencoded::parse(text).into_owned().collect();
        let mut names = HashSet::new();
        // RFC 6749 §3.1, §3.2: no parameter more than once.
        if parameters.iter().any(|(name, _)| !names.insert(name) && name != REPEATABLE) {
            return Err(OAuthError::InvalidRequest("a parameter is there more than once"));
        }
        Ok(Self(parameters))
    }

    /// The parameter's value; one without a value counts as left out (RFC 6749 §3.1, §3.2).
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, value)| other == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Each value of a parameter that may be there several times.
    pub(super) fn values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, value)| other == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Those of these names.
    pub(super) fn only(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| names.contains(&name.as_str()));
        self
    }

    /// These and one more, which is not among them.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same parameters as text, which is always the same for the same ones.
    pub(super) fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Decodes one form-urlencoded text that stands alone, as in HTTP Basic (RFC 6749 §2.3.1).
pub(super) fn decode(text: &str) -> String {
    // As the value of a nameless parameter; a bare `&`, which an encoder would not leave, must not end it.
    let parameter = format!("={}", text.replace('&', "%26"));
    form_urlencoded::parse(parameter.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Whether the content type, without its parameters, is this one. Media types are case-insensitive (RFC 9110 §8.3.1).
pub(super) fn has_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_stand_alone_are_decoded_whole() {
        for (encoded, decoded) in
            [("", ""), ("a+b%3A%26", "a b:&"), ("a=b&c", "a=b&c"), ("%C3%A9", "é"), ("100%", "100%")]
        {
            assert_eq!(decode(encoded), decoded, "{encoded}");
        }
    }
}
