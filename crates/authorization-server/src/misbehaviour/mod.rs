//! What goes wrong on command: the [faults](Fault), whose turn it is, and answers with one in them.

mod bad_key_set;
mod fault;
mod faults;
mod introspection;
mod odd_body;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use tower_bearer_test::TestIssuer;

use self::odd_body::{Between, PacedBody, StreamedBody};
use super::Endpoint;

pub use self::fault::{Fault, FaultError};
pub(super) use self::faults::Faults;

/// More than any good answer of this server has.
const MAX_GOOD_BYTES: usize = 16 << 20;

/// The answer with this fault in it.
pub(super) async fn misbehave(
    fault: Fault,
    issuer: &TestIssuer,
    endpoint: Endpoint,
    mut request: Request,
    next: Next,
) -> Response {
    match fault {
        Fault::SlowHeaders { delay } => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Fault::Hang => std::future::pending().await,
        Fault::Status { code, retry_after } => {
            // Checked when the fault was set.
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = status.into_response();
            if let Some(delay) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs()));
            }
            response
        }
        Fault::RedirectTo { url } => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response(),
        Fault::Html => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response(),
        // A flapping endpoint has had its turn when the fault was taken.
        Fault::Flapping { .. } => next.run(request).await,

        // The others make something of the good answer.
        Fault::SlowBody { pause } => {
            spoilt(request, next, |good| Body::new(PacedBody::new(good, 1, Between::Wait(pause)))).await
        }
        Fault::Stall => {
            spoilt(request, next, |good| {
                let half = good.len() / 2;
                Body::new(PacedBody::new(good, half, Between::Nothing))
            })
            .await
        }
        Fault::Disconnect => {
            spoilt(request, next, |good| {
                let half = good.len() / 2;
                Body::new(PacedBody::new(good, half, Between::Failure))
            })
            .await
        }
        Fault::Truncated => spoilt(request, next, |good| Body::from(good.slice(..good.len() / 2))).await,
        Fault::Huge { bytes } => spoilt(request, next, |good| padded(&good, bytes)).await,
        Fault::EmptySet => spoilt(request, next, |_good| Body::from(bad_key_set::empty())).await,
        Fault::OneBadKey => spoilt(request, next, |_good| Body::from(bad_key_set::one_bad(issuer))).await,
        Fault::DuplicateKeyIds => spoilt(request, next, |_good| Body::from(bad_key_set::duplicate_ids(issuer))).await,
        Fault::ManyKeys { count } => {
            let keys = bad_key_set::many(issuer, count);
            spoilt(request, next, |_good| Body::new(StreamedBody(keys))).await
        }
        // The endpoint does these itself, as its response may be signed.
        fault @ (Fault::ActiveAsText
        | Fault::WithoutActive
        | Fault::WithoutAudience
        | Fault::WithoutExpiry
        | Fault::RefreshTokensActive(_)
        | Fault::Unsigned
        | Fault::SignedDefect(_)) => {
            request.extensions_mut().insert(fault);
            next.run(request).await
        }
        fault @ (Fault::WrongTypes | Fault::WrongIssuer { .. } | Fault::Members(_))
            if endpoint == Endpoint::Introspection =>
        {
            request.extensions_mut().insert(fault);
            next.run(request).await
        }
        Fault::WrongTypes => {
            let json = wrong_types(issuer, endpoint).to_string();
            spoilt(request, next, |_good| Body::from(json)).await
        }
        Fault::WrongIssuer { issuer } => {
            let members = Map::from_iter([("issuer".to_owned(), Value::from(issuer))]);
            spoilt(request, next, |good| with_members(&good, &members)).await
        }
        Fault::Members(members) => spoilt(request, next, |good| with_members(&good, &members)).await,
    }
}

/// The endpoint's good answer in full, with another body.
async fn spoilt(mut request: Request, next: Next, spoil: impl FnOnce(Bytes) -> Body) -> Response {
    request.headers_mut().remove(header::IF_NONE_MATCH);
    let (mut parts, body) = next.run(request).await.into_parts();
    parts.headers.remove(header::ETAG);
    parts.headers.remove(header::CONTENT_LENGTH);
    // The endpoints of this server have their answers in memory: there is nothing to fail.
    let good = axum::body::to_bytes(body, MAX_GOOD_BYTES).await.unwrap_or_default();
    Response::from_parts(parts, spoil(good))
}

/// The good JSON object with one member more, as long as it takes to have so many bytes.
fn padded(good: &Bytes, bytes: u64) -> Body {
    const OPENING: &[u8] = b"{\"padding\":\"";
    const CLOSING: &[u8] = b"\",";
    const PIECE: [u8; 16 * 1024] = [b'x'; 16 * 1024];

    let members = good.slice(1.min(good.len())..);
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let padding = bytes.saturating_sub(length(OPENING) + length(CLOSING) + length(&members));

    let piece = Bytes::from_static(&PIECE);
    let whole = (0..padding / length(&PIECE)).map({
        let piece = piece.clone();
        move |_| piece.clone()
    });
    let rest = piece.slice(..usize::try_from(padding % length(&PIECE)).unwrap_or_default());
    let pieces = [Bytes::from_static(OPENING)].into_iter().chain(whole);
    Body::new(StreamedBody(pieces.chain([rest, Bytes::from_static(CLOSING), members])))
}

/// JSON with the members that readers look for, none of the type that they look for.
fn wrong_types(issuer: &TestIssuer, endpoint: Endpoint) -> Value {
    match endpoint {
        Endpoint::Metadata => json!({ "issuer": [issuer.url()], "token_endpoint": 1, "jwks_uri": 1 }),
        Endpoint::JwkSet => json!({ "keys": "none" }),
        Endpoint::Token => json!({ "access_token": 1, "token_type": ["Bearer"], "expires_in": "soon" }),
        Endpoint::PushedAuthorization => json!({ "request_uri": 1, "expires_in": "soon" }),
        Endpoint::Userinfo => json!({ "sub": 1 }),
        Endpoint::DeviceAuthorization => json!({ "device_code": 1, "user_code": ["BCDF"], "expires_in": "soon" }),
        // Its response may be signed, so that it does this itself.
        Endpoint::Introspection => json!({}),
        // These answer with pages, or with nothing.
        Endpoint::Authorization | Endpoint::Login | Endpoint::Consent | Endpoint::Device | Endpoint::Revocation => {
            json!([])
        }
    }
}

fn with_members(good: &[u8], members: &Map<String, Value>) -> Body {
    let mut json: Map<String, Value> = serde_json::from_slice(good).unwrap_or_default();
    set_members(&mut json, members);
    Body::from(Value::Object(json).to_string())
}

/// Sets members, and removes those that are to be null.
fn set_members(json: &mut Map<String, Value>, members: &Map<String, Value>) {
    for (name, value) in members {
        if value.is_null() {
            json.remove(name);
        } else {
            json.insert(name.clone(), value.clone());
        }
    }
}

const PAGE: &str =
    "<!doctype html>\n<html><head><title>Sign in</title></head><body><p>Please sign in.</p></body></html>\n";
