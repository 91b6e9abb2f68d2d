//! The public keys as a JWK Set (RFC 7517 §5), for caches (RFC 9111).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::state::ServerState;

/// RFC 7517 §8.5.2.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

pub(crate) async fn respond(State(state): State<Arc<ServerState>>, headers: HeaderMap) -> Response {
    let body = state.issuer.jwk_set().to_string();
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest(&SHA256, body.as_bytes())));

    // RFC 9110 §15.4.5: a 304 has the headers that the 200 would have, without those of a body.
    let mut response = if names(&headers, &etag) {
        state.count_not_modified();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, MEDIA_TYPE);
        response
    };
    if let Some(cache_control) = state.cache_control() {
        response.headers_mut().insert(header::CACHE_CONTROL, cache_control);
    }
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// Whether `If-None-Match` names this entity tag, weak or strong, or any (RFC 9110 §13.1.2). Our own has no comma in
/// it.
fn names(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}
