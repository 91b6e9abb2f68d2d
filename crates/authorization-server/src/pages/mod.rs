//! Pages for people: plain HTML that needs no script, and the headers that keep them from being misused.

mod refusal;
mod sessions;
mod style;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

pub(super) use self::refusal::PageRefusal;
pub(super) use self::sessions::{Browser, Session, Sessions};
pub(super) use self::style::STYLE;

/// A page with a form, which leads to this server and, from there, perhaps to `form_target`: browsers apply
/// `form-action` to the whole chain of redirects.
pub(super) fn page(status: StatusCode, template: &impl Template, form_target: &str) -> Response {
    let Ok(html) = template.render() else {
        // Only a failing `Display` could do that, and texts have none.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    let policy = format!(
        "default-src 'none'; style-src '{}'; form-action 'self'{form_target}; frame-ancestors 'none'; base-uri 'none'",
        style::HASH.as_str()
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    private(headers);
    response
}

/// A redirect that repeats nothing of a form's body (RFC 9700 §4.12).
pub(super) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else {
        // What is put together here is percent-encoded, and redirect URIs were checked at registration.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    private(response.headers_mut());
    response
}

/// Neither caches nor the next site learn about it: URLs here have codes and states in them.
fn private(headers: &mut HeaderMap) {
    const PRIVATE: [(HeaderName, &str); 3] =
        [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache"), (header::REFERRER_POLICY, "no-referrer")];
    for (name, value) in PRIVATE {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
