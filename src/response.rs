//! From a refusal to its HTTP response: the only place that makes one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::challenge::{BearerError, Realm};
use crate::error::TokenError;
use crate::status_policy::{RefusalKind, StatusPolicy, is_error};

/// When to come back, if nothing better is known.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What the body of a refusal holds.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RefusalBody {
    /// A JSON object with `error` and `error_description`, as far as there are any.
    #[default]
    Json,
    /// Nothing: the challenge says it all.
    Empty,
}

/// What the application makes of a refusal's standard response.
pub(crate) type Hook = dyn Fn(&TokenError, Response<Bytes>) -> Response<Bytes> + Send + Sync;

/// Turns refusals into responses, as one resource server is configured to.
#[derive(Clone)]
pub(crate) struct Responder {
    pub(crate) realm: Realm,
    pub(crate) statuses: StatusPolicy,
    pub(crate) body: RefusalBody,
    pub(crate) hook: Option<Arc<Hook>>,
}

impl Responder {
    /// For a route without a resource server around it: there is nobody whose configuration could be asked.
    pub(crate) fn unconfigured() -> Self {
        Self { realm: Realm::unnamed(), statuses: StatusPolicy::default(), body: RefusalBody::Json, hook: None }
    }

    /// The whole response. The error goes into its extensions, for outer layers to log and count.
    pub(crate) fn respond(&self, error: &TokenError) -> Response<Bytes> {
        let mut response = self.standard_response(error);
        if let Some(hook) = &self.hook {
            let status = response.status();
            response = hook(error, response);
            if !is_error(response.status()) {
                tracing::error!(status = %response.status(), "a hook turned a refusal into a success: kept {status}");
                *response.status_mut() = status;
            }
        }
        response.extensions_mut().insert(error.clone());
        response
    }

    fn standard_response(&self, error: &TokenError) -> Response<Bytes> {
        let kind = RefusalKind::from(error);
        let code = self.statuses.code(kind, error);
        let mut response = Response::new(Bytes::new());
        let status = self.statuses.status(kind);
        *response.status_mut() = status;
        if status == StatusCode::NOT_FOUND {
            // A row is set to 404 to hide a route. A challenge, a body or a header would reveal it.
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let is_undecided = matches!(kind, RefusalKind::Unavailable | RefusalKind::KeyNotProvenAbsent);
        if is_undecided {
            headers.insert(RETRY_AFTER, retry_after(error));
        }
        // A 401 needs a challenge whoever is at fault (RFC 9110 §15.5.2): rows can be set to any error.
        let is_our_fault = is_undecided || kind == RefusalKind::Misconfigured;
        if !is_our_fault || status.is_client_error() {
            headers.insert(WWW_AUTHENTICATE, self.realm.challenge(code, error));
        }
        if let (RefusalBody::Json, Some(json)) = (self.body, json_body(kind, code, error)) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *response.body_mut() = json;
        }
        response
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("realm", &self.realm)
            .field("statuses", &self.statuses)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

fn json_body(kind: RefusalKind, code: Option<BearerError>, error: &TokenError) -> Option<Bytes> {
    #[derive(Serialize)]
    struct Body {
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'static str>,
        error_description: &'static str,
    }
    // No error information for a request that sent no token (RFC 6750 §3.1).
    if code.is_none() && kind == RefusalKind::Absent {
        return None;
    }
    let body = Body { error: code.map(BearerError::as_str), error_description: error.error_description() };
    serde_json::to_vec(&body).ok().map(Bytes::from)
}

/// Whole seconds, rounded up, at least one (RFC 9110 §10.2.3).
fn retry_after(error: &TokenError) -> HeaderValue {
    let delay = error.retry_after().unwrap_or(DEFAULT_RETRY_AFTER);
    let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
    HeaderValue::from(seconds.max(1))
}
