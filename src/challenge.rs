//! The `WWW-Authenticate` challenge (RFC 6750 §3, RFC 9110 §11.6.1).

use std::fmt::Write as _;

use http::HeaderValue;

use crate::config_error::ConfigError;
use crate::error::TokenError;

/// The `error` codes of RFC 6750 §3.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BearerError {
    InvalidRequest,
    InvalidToken,
    InsufficientScope,
}

impl BearerError {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

/// The protection space of a challenge (RFC 9110 §11.5): always sent, because a challenge needs a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Realm(Box<str>);

impl Realm {
    pub(crate) fn new(realm: &str) -> Result<Self, ConfigError> {
        if !realm.is_empty() && realm.bytes().all(is_quotable) {
            Ok(Self(realm.into()))
        } else {
            let problem = format!(
                "{realm:?} cannot stand in a challenge; set `.realm(..)` to plain ASCII text without quotes and backslashes"
            );
            Err(ConfigError::new("realm", problem))
        }
    }

    /// The realm of a service that has no configuration.
    pub(crate) fn unnamed() -> Self {
        Self("api".into())
    }

    /// One challenge, with the error unless nothing was wrong but the absence of a token (RFC 6750 §3.1).
    pub(crate) fn challenge(&self, code: Option<BearerError>, error: &TokenError) -> HeaderValue {
        let mut text = format!("Bearer realm=\"{}\"", self.0);
        if let Some(code) = code {
            let description = error.error_description();
            // Writing to a String does not fail.
            let _ = write!(text, ", error=\"{}\", error_description=\"{description}\"", code.as_str());
        }
        if let TokenError::InsufficientScope(required) = error {
            let _ = write!(text, ", scope=\"{required}\"");
        }
        // Realm, descriptions and scopes were all restricted to ASCII; a bare error is the safe answer if one was not.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer error=\"invalid_request\""))
    }
}

/// What `error`, `error_description` and our `realm` may consist of: %x20-21 / %x23-5B / %x5D-7E (RFC 6750 §3).
const fn is_quotable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}
