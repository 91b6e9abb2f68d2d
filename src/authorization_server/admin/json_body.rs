//! JSON that the admin API is sent.

use axum::extract::{FromRequest, Request};
use http::header;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// The most that is read of a body: many times what any request needs.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The body as a value of this type. No body at all is the same as `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is_json = media_type.eq_ignore_ascii_case("application/json");

        let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await;
        let body = body.map_err(|_| Refusal::body_too_large(MAX_BODY_BYTES))?;
        let json: &[u8] = match (body.is_empty(), is_json) {
            (true, _) => b"{}",
            (false, true) => &body,
            (false, false) => return Err(Refusal::media_type()),
        };
        serde_json::from_slice(json).map(Self).map_err(|error| Refusal::unreadable(&error))
    }
}
