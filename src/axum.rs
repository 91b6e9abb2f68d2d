//! Extractors for axum handlers.

use std::ops::Deref;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::layer::{ResponseBody, judged_token, required_token};
use crate::refusal::Refusal;
use crate::telemetry;
use crate::token::ValidatedToken;

/// The token of the request. A request without one is refused as the bearer layer would have refused it.
impl<S: Send + Sync> FromRequestParts<S> for ValidatedToken {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        required_token(&parts.extensions, None).cloned()
    }
}

/// The token, or `None` where [`optional`](crate::layer::BearerLayer::optional) let a request without one through.
impl<S: Send + Sync> OptionalFromRequestParts<S> for ValidatedToken {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refusal> {
        Ok(judged_token(&parts.extensions, None)?.cloned())
    }
}

/// The claims as a struct of the application's own.
///
/// Claims that do not fit `T` are refused with 401 and the reason `claims_shape`; the log names the field. Under an
/// [optional](crate::BearerLayer::optional) layer, take `Option<Claims<T>>`.
///
/// ```
/// use serde::Deserialize;
/// use tower_bearer::Claims;
///
/// #[derive(Deserialize)]
/// struct Employee {
///     department: String,
/// }
///
/// async fn handler(Claims(employee): Claims<Employee>) -> String {
///     employee.department
/// }
/// # let _ = axum::Router::<()>::new().route("/", axum::routing::get(handler));
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "one field to destructure, as axum's own extractors have")]
pub struct Claims<T>(pub T);

impl<T> Deref for Claims<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        required_token(&parts.extensions, None)?.claims().map(Self)
    }
}

/// The claims, or `None` where [`optional`](crate::layer::BearerLayer::optional) let a request without a token through.
/// Claims that do not fit are refused here, too.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequestParts<S> for Claims<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refusal> {
        judged_token(&parts.extensions, None)?.map(|token| token.claims().map(Self)).transpose()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        telemetry::route_refused(self.error());
        ResponseBody::<Body>::refusal(self.to_logged_response()).map(Body::new)
    }
}
