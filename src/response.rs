//! From a refusal to HTTP: the only place that knows which status a [`TokenError`] gets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::challenge::{BearerError, Realm};
use crate::config_error::ConfigError;
use crate::error::{RequestFault, TokenError};

/// When to come back, if nothing better is known.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The rows of the status table: what a request brought.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusalKind {
    /// No token: no `Authorization` header, or one of a scheme that is not for access tokens.
    Absent,
    /// A bare token without the scheme.
    SchemeMissing,
    /// Credentials that are not one token: repeated, empty, with illegal characters, in two places.
    BrokenCredentials,
    /// A token known to be bad before any key is used.
    Malformed,
    /// A token that a check refused.
    Invalid,
    /// A good token that does not permit this request.
    Forbidden,
    /// Our side cannot decide.
    Unavailable,
    /// The token names a key that is not known, and no fetch proved that the issuer lacks it: see
    /// [`TokenError::KeyNotProvenAbsent`]. Until this row is set, it has the status of
    /// [`Unavailable`](Self::Unavailable).
    ///
    /// Anybody can send an unknown `kid`, so clients can cause this status while the issuer's keys cannot be fetched. A
    /// load balancer that ejects replicas for 5xx responses may then eject all of them: behind one, set 429 or 401.
    KeyNotProvenAbsent,
    /// The service is put together wrongly. Its status, 500, cannot be changed.
    Misconfigured,
}

impl From<&TokenError> for RefusalKind {
    fn from(error: &TokenError) -> Self {
        match error {
            TokenError::Absent => Self::Absent,
            TokenError::Request(RequestFault::SchemeMissing) => Self::SchemeMissing,
            TokenError::Request(
                RequestFault::Repeated
                | RequestFault::TwoPlaces
                | RequestFault::Empty
                | RequestFault::IllegalCharacters,
            ) => Self::BrokenCredentials,
            TokenError::Malformed(_) => Self::Malformed,
            TokenError::DpopNotConfigured
            | TokenError::AlgorithmNotAllowed
            | TokenError::HeaderParameter(_)
            | TokenError::UnsupportedHeader(_)
            | TokenError::NoMatchingKey
            | TokenError::UnusableKey
            | TokenError::TooManyKeys
            | TokenError::BadSignature
            | TokenError::Claims(_)
            | TokenError::Claim { .. }
            | TokenError::TokenType
            | TokenError::NotAnAccessToken(_)
            | TokenError::SenderConstrained
            | TokenError::IssuerMismatch
            | TokenError::IssuerDisabled
            | TokenError::AudienceMismatch
            | TokenError::Expired
            | TokenError::NotYetValid
            | TokenError::IssuedInFuture
            | TokenError::TooOld
            | TokenError::ClaimsShape => Self::Invalid,
            TokenError::InsufficientScope(_) | TokenError::InsufficientRole | TokenError::RequirementNotMet(_) => {
                Self::Forbidden
            }
            TokenError::KeysUnavailable { .. } | TokenError::ClockUnavailable => Self::Unavailable,
            TokenError::KeyNotProvenAbsent { .. } => Self::KeyNotProvenAbsent,
            TokenError::LayerMissing | TokenError::OtherResourceServer => Self::Misconfigured,
        }
    }
}

/// Which status each kind of refusal gets.
///
/// | what the request brought | [default](Self::default) | [`rfc6750`](Self::rfc6750) |
/// |---|---|---|
/// | no token | 400 | 401 |
/// | a token without the scheme, or broken credentials | 400 | 400 |
/// | a malformed token | 400 | 401 |
/// | an invalid token | 401 | 401 |
/// | a good token without the scope or role | 403 | 403 |
/// | our side cannot decide | 503 | 503 |
/// | an unknown `kid` that may exist | 503 | 503 |
///
/// Choose `rfc6750` for clients that start their login on a 401: MCP and RFC 9728 clients, nginx's `auth_request`
/// (which turns a 400 into a 500), and strict OAuth libraries.
///
/// ```
/// use http::StatusCode;
/// use tower_bearer::{RefusalKind, StatusPolicy};
///
/// let policy = StatusPolicy::rfc6750().with(RefusalKind::Forbidden, StatusCode::NOT_FOUND)?;
/// assert_eq!(policy.status(RefusalKind::Absent), StatusCode::UNAUTHORIZED);
/// assert_eq!(policy.status(RefusalKind::Forbidden), StatusCode::NOT_FOUND);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusPolicy {
    absent: StatusCode,
    scheme_missing: StatusCode,
    broken_credentials: StatusCode,
    malformed: StatusCode,
    invalid: StatusCode,
    forbidden: StatusCode,
    unavailable: StatusCode,
    /// Equal to `unavailable` until it is set.
    key_not_proven_absent: Option<StatusCode>,
}

impl StatusPolicy {
    /// The statuses of RFC 6750 §3.1: 401 for a missing and for a malformed token.
    #[must_use]
    pub const fn rfc6750() -> Self {
        Self {
            absent: StatusCode::UNAUTHORIZED,
            scheme_missing: StatusCode::BAD_REQUEST,
            broken_credentials: StatusCode::BAD_REQUEST,
            malformed: StatusCode::UNAUTHORIZED,
            invalid: StatusCode::UNAUTHORIZED,
            forbidden: StatusCode::FORBIDDEN,
            unavailable: StatusCode::SERVICE_UNAVAILABLE,
            key_not_proven_absent: None,
        }
    }

    /// This policy with another status for one kind of refusal. [`RefusalKind::KeyNotProvenAbsent`] has the status of
    /// [`RefusalKind::Unavailable`] until it is set itself, in whatever order the two are set.
    ///
    /// # Errors
    ///
    /// When the status is not an error (4xx or 5xx), or the kind is [`RefusalKind::Misconfigured`].
    pub fn with(mut self, kind: RefusalKind, status: StatusCode) -> Result<Self, ConfigError> {
        if !is_error(status) {
            let problem = format!("{status} is not an error; a refusal needs a 4xx or 5xx status");
            return Err(ConfigError::new("status_policy", problem));
        }
        let row = match kind {
            RefusalKind::Absent => &mut self.absent,
            RefusalKind::SchemeMissing => &mut self.scheme_missing,
            RefusalKind::BrokenCredentials => &mut self.broken_credentials,
            RefusalKind::Malformed => &mut self.malformed,
            RefusalKind::Invalid => &mut self.invalid,
            RefusalKind::Forbidden => &mut self.forbidden,
            RefusalKind::Unavailable => &mut self.unavailable,
            RefusalKind::KeyNotProvenAbsent => self.key_not_proven_absent.insert(status),
            RefusalKind::Misconfigured => {
                let problem = "a misconfigured service always answers 500; leave `RefusalKind::Misconfigured` out";
                return Err(ConfigError::new("status_policy", problem));
            }
        };
        *row = status;
        Ok(self)
    }

    /// The status for this kind of refusal.
    #[must_use]
    pub const fn status(&self, kind: RefusalKind) -> StatusCode {
        match kind {
            RefusalKind::Absent => self.absent,
            RefusalKind::SchemeMissing => self.scheme_missing,
            RefusalKind::BrokenCredentials => self.broken_credentials,
            RefusalKind::Malformed => self.malformed,
            RefusalKind::Invalid => self.invalid,
            RefusalKind::Forbidden => self.forbidden,
            RefusalKind::Unavailable => self.unavailable,
            RefusalKind::KeyNotProvenAbsent => match self.key_not_proven_absent {
                Some(status) => status,
                None => self.unavailable,
            },
            RefusalKind::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `error` code, which follows the status where RFC 6750 §3.1 ties the two together.
    fn code(&self, kind: RefusalKind, error: &TokenError) -> Option<BearerError> {
        if matches!(error, TokenError::DpopNotConfigured) {
            // A code belongs to the challenge of the scheme that was used, and there is none for `DPoP`.
            return None;
        }
        let is_bad_request = self.status(kind) == StatusCode::BAD_REQUEST;
        match kind {
            // No error information when no authentication was sent, except where the answer is a plain 400.
            RefusalKind::Absent => is_bad_request.then_some(BearerError::InvalidRequest),
            RefusalKind::SchemeMissing | RefusalKind::BrokenCredentials => Some(BearerError::InvalidRequest),
            RefusalKind::Malformed if is_bad_request => Some(BearerError::InvalidRequest),
            RefusalKind::Malformed | RefusalKind::Invalid => Some(BearerError::InvalidToken),
            RefusalKind::Forbidden => Some(BearerError::InsufficientScope),
            // Our fault: the client must not throw its token away.
            RefusalKind::Unavailable | RefusalKind::KeyNotProvenAbsent | RefusalKind::Misconfigured => None,
        }
    }
}

impl Default for StatusPolicy {
    /// 400 for a missing or malformed token, 401 for an invalid one.
    fn default() -> Self {
        Self { absent: StatusCode::BAD_REQUEST, malformed: StatusCode::BAD_REQUEST, ..Self::rfc6750() }
    }
}

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

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
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
