//! JSON that the admin API is sent.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::refusal::AdminRefusal;
use crate::parameters::has_media_type;

/// The most that is read of a body: many times what any request needs.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The body as a value of this type. No body at all is the same as `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = AdminRefusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, AdminRefusal> {
        let is_json = has_media_type(request.headers(), "application/json");
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await;
        let body = body.map_err(|_| AdminRefusal::body_too_large(MAX_BODY_BYTES))?;
        let json: &[u8] = match (body.is_empty(), is_json) {
            (true, _) => b"{}",
            (false, true) => &body,
            (false, false) => return Err(AdminRefusal::media_type()),
        };
        serde_json::from_slice(json).map(Self).map_err(|error| AdminRefusal::unreadable(&error))
    }
}
