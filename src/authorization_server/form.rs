//! Request parameters: `application/x-www-form-urlencoded` (RFC 6749 appendix B).

use std::collections::HashMap;

use axum::extract::Request;
use http::{HeaderMap, header};
use url::form_urlencoded;

use super::oauth_error::OAuthError;

/// The most that is read of a body: many times what any request needs.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The parameters of a request's body, each at most once.
pub(super) struct Form(HashMap<String, String>);

impl Form {
    /// Reads the body and takes it apart. Parameters in the URL are not looked at (RFC 6749 §2.3.1 forbids secrets there).
    pub(super) async fn read(request: Request) -> Result<Self, OAuthError> {
        if !is_form(request.headers()) {
            return Err(OAuthError::InvalidRequest("the content type is not application/x-www-form-urlencoded"));
        }
        // It fails at the limit, or when the client goes away, who then hears no answer anyway.
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await;
        Self::parse(&body.map_err(|_| OAuthError::BodyTooLarge)?)
    }

    fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            // RFC 6749 §3.2: no parameter more than once.
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(OAuthError::InvalidRequest("a parameter is there more than once"));
            }
        }
        Ok(Self(parameters))
    }

    /// The parameter's value; one without a value counts as left out (RFC 6749 §3.2).
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Decodes one form-urlencoded text that stands alone, as in HTTP Basic (RFC 6749 §2.3.1).
pub(super) fn decode(text: &str) -> String {
    // As the value of a nameless parameter; a bare `&`, which an encoder would not leave, must not end it.
    let parameter = format!("={}", text.replace('&', "%26"));
    form_urlencoded::parse(parameter.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Whether the content type, without its parameters, is that of forms. Media types are case-insensitive
/// (RFC 9110 §8.3.1).
fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
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
