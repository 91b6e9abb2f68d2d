//! The way back to the client (RFC 6749 §4.1.2, RFC 9207).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use url::{Url, form_urlencoded};

use super::grants::Tokens;
use super::oauth_error::OAuthError;
use super::pages::{PageRefusal, see_other};

/// Where the client waits for its answer: known to be its own.
pub(super) struct ReturnAddress {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) issuer: String,
    /// Where in the redirect URI the answer is.
    pub(super) mode: ResponseMode,
}

/// `response_mode` (OAuth 2.0 Multiple Response Type Encoding Practices §2.1).
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum ResponseMode {
    Query,
    /// Never sent to the client's server: for scripts in its pages (RFC 6749 §4.2.2).
    Fragment,
}

impl ResponseMode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
        }
    }
}

/// Why there is no code.
pub(super) enum AuthorizationError {
    /// It is not certain who asked, and where to answer: the user is told, and stays here (RFC 6749 §4.1.2.1).
    Page(PageRefusal),
    /// The client is told.
    Answer(ReturnAddress, ErrorCode),
}

/// `error` and `error_description` for the client.
pub(super) type ErrorCode = (&'static str, &'static str);

pub(super) const ACCESS_DENIED: ErrorCode = ("access_denied", "the user did not allow it");
pub(super) const LOGIN_REQUIRED: ErrorCode = ("login_required", "the user is not logged in");
pub(super) const CONSENT_REQUIRED: ErrorCode = ("consent_required", "the user has to be asked, each time");

impl ReturnAddress {
    pub(super) fn code(&self, code: &str) -> Response {
        self.answer(&[("code", code)])
    }

    /// An access token without a code (RFC 6749 §4.2.2).
    pub(super) fn token(&self, tokens: &Tokens, lifetime: Duration) -> Response {
        let (lifetime, scope) = (lifetime.as_secs().to_string(), tokens.scopes.join(" "));
        let mut parameters = vec![
            ("access_token", tokens.access_token.as_str()),
            ("token_type", Tokens::TYPE),
            ("expires_in", &lifetime),
        ];
        // RFC 6749 §3.3: a scope is never empty.
        if !scope.is_empty() {
            parameters.push(("scope", &scope));
        }
        self.answer(&parameters)
    }

    pub(super) fn error(&self, (error, description): ErrorCode) -> Response {
        tracing::debug!(error, description, "authorization request refused");
        self.answer(&[("error", error), ("error_description", description)])
    }

    /// The place as a CSP source, with a space in front. Brackets of an IPv6 address are none of its characters, and a
    /// scheme of an application's own has no host to name.
    pub(super) fn form_target(&self) -> String {
        let Ok(url) = Url::parse(&self.redirect_uri) else {
            return String::new();
        };
        let origin = url.origin().ascii_serialization();
        let is_host_source = origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-".contains(&byte));
        if is_host_source && matches!(url.scheme(), "https" | "http") {
            format!(" {origin}")
        } else {
            format!(" {}:", url.scheme())
        }
    }

    /// The place as people know it: the host, or what an application calls itself.
    pub(super) fn destination(&self) -> String {
        let url = Url::parse(&self.redirect_uri).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).filter(|host| !host.is_empty());
        host.unwrap_or(&self.redirect_uri).to_owned()
    }

    fn answer(&self, parameters: &[(&str, &str)]) -> Response {
        // RFC 6749 §3.1.2: a query of the redirect URI stays.
        let mut location = self.redirect_uri.clone();
        location.push(match self.mode {
            // Registered redirect URIs have none.
            ResponseMode::Fragment => '#',
            ResponseMode::Query if location.contains('?') => '&',
            ResponseMode::Query => '?',
        });
        let answer = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .extend_pairs(self.state.as_ref().map(|state| ("state", state)))
            .append_pair("iss", &self.issuer)
            .finish();
        location.push_str(&answer);
        see_other(&location)
    }
}

impl AuthorizationError {
    /// What is wrong, for a client that asked directly.
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::Page(refusal) => refusal.code(),
            Self::Answer(_, code) => *code,
        }
    }
}

impl From<PageRefusal> for AuthorizationError {
    fn from(refusal: PageRefusal) -> Self {
        Self::Page(refusal)
    }
}

impl From<OAuthError> for AuthorizationError {
    fn from(error: OAuthError) -> Self {
        Self::Page(error.into())
    }
}

impl IntoResponse for AuthorizationError {
    fn into_response(self) -> Response {
        match self {
            Self::Page(refusal) => refusal.into_response(),
            Self::Answer(address, error) => address.error(error),
        }
    }
}
