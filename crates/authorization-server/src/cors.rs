//! What scripts in web pages may call and read (CORS, Fetch standard §3.2).

use std::time::Duration;

use http::Method;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use super::Endpoint;

/// How long a browser may cache the response to a preflight.
const PREFLIGHT_LIFETIME: Duration = Duration::from_secs(600);

impl Endpoint {
    /// Whether browser-based clients call this endpoint from a script. Pages are for the browser itself: a site that
    /// could read them would have their form tokens. Introspection is for APIs, which have a secret.
    pub(super) const fn is_for_scripts(self) -> bool {
        match self {
            Self::Metadata
            | Self::JwkSet
            | Self::Token
            | Self::Userinfo
            | Self::Revocation
            | Self::PushedAuthorization => true,
            Self::Authorization
            | Self::Login
            | Self::Consent
            | Self::Device
            | Self::DeviceAuthorization
            | Self::Introspection => false,
        }
    }
}

/// Responds to preflights, and lets scripts of every origin read every other response, errors included. Nothing here
/// uses cookies, so the origin proves nothing and need not be named.
pub(super) fn layer() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        // `*` would not cover `Authorization` (Fetch §3.2.3).
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER])
        .max_age(PREFLIGHT_LIFETIME)
        // Only the response to a preflight differs from request to request, and `OPTIONS` is never cached.
        .vary([])
}
