//! Which status each kind of refusal gets: the only place that knows.

use http::StatusCode;

use crate::challenge::BearerError;
use crate::config_error::ConfigError;
use crate::error::{RequestFault, TokenError};

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
    /// Any client can send an unknown `kid`, so clients can cause this status while the issuer's keys cannot be fetched. A
    /// load balancer that ejects replicas for 5xx responses may then eject all of them: behind one, set 429 or 401.
    KeyNotProvenAbsent,
    /// The service is misconfigured: for example, a route needs the layer and is outside of it. Its status, 500, cannot
    /// be changed.
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
            | TokenError::Inactive
            | TokenError::Revoked(_)
            | TokenError::ClaimsShape => Self::Invalid,
            TokenError::InsufficientScope(_) | TokenError::InsufficientRole | TokenError::RequirementNotMet(_) => {
                Self::Forbidden
            }
            TokenError::KeysUnavailable { .. }
            | TokenError::IntrospectionUnavailable { .. }
            | TokenError::RevocationUnavailable { .. }
            | TokenError::AnswerMismatch(_)
            | TokenError::ClockUnavailable => Self::Unavailable,
            TokenError::KeyNotProvenAbsent { .. } => Self::KeyNotProvenAbsent,
            TokenError::ClaimedTwice | TokenError::LayerMissing | TokenError::OtherResourceServer => {
                Self::Misconfigured
            }
        }
    }
}

/// Which status each kind of refusal gets.
///
/// | what the request brought | [default](Self::default) | [`rfc6750`](Self::rfc6750) | [`auth_request`](Self::auth_request) |
/// |---|---|---|---|
/// | no token | 400 | 401 | 401 |
/// | a token without the scheme, or broken credentials | 400 | 400 | 401 |
/// | a malformed token | 400 | 401 | 401 |
/// | an invalid token | 401 | 401 | 401 |
/// | a good token without the scope or role | 403 | 403 | 403 |
/// | our side cannot decide | 503 | 503 | 503 |
/// | an unknown `kid` that may exist | 503 | 503 | 503 |
///
/// Choose `rfc6750` for clients that start their login on a 401, such as MCP and RFC 9728 clients and strict OAuth
/// libraries, and `auth_request` for a service that nginx queries.
///
/// # Hiding a route
///
/// A row set to 404 hides the route: its response has no challenge, no body and no other header field, so it equals
/// axum's response for an unknown path. If your application's own 404 has a body, give these responses the same one
/// with [`on_refusal`](crate::ResourceServerBuilder::on_refusal).
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
///
/// Some things still reveal that a hidden route exists:
///
/// - A request without a token gets 401 there, and 404 for an unknown path. Add the bearer layer with `Router::layer`
///   instead of `route_layer`: then both are 401. Do not set the row of the absent token to 404: a cache may keep that
///   response for clients with tokens.
/// - With axum, `get(handler).route_layer(RequireScopes::…)` leaves the 405 for other methods as it is, and around all
///   methods axum still adds an `Allow` field to the 404. Use `any(handler).layer(RequireScopes::…)`, and let the handler
///   look at the method.
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

    /// For a service that nginx's `auth_request` queries: like [`rfc6750`](Self::rfc6750), but with 401 and
    /// `invalid_token` instead of each 400.
    ///
    /// nginx lets the request pass on any 2xx, forwards a 401 or 403 to its client, and turns every other status into a 500.
    /// The guide has [a configuration](crate::guide::proxies#nginx) that also lets clients see the 503 and its `Retry-After`.
    #[must_use]
    pub const fn auth_request() -> Self {
        Self {
            scheme_missing: StatusCode::UNAUTHORIZED,
            broken_credentials: StatusCode::UNAUTHORIZED,
            ..Self::rfc6750()
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
    pub(crate) fn code(&self, kind: RefusalKind, error: &TokenError) -> Option<BearerError> {
        if matches!(error, TokenError::DpopNotConfigured) {
            // A code belongs to the challenge of the scheme that was used, and there is none for `DPoP`.
            return None;
        }
        let status = self.status(kind);
        let is_bad_request = status == StatusCode::BAD_REQUEST;
        match kind {
            // No error information when no authentication was sent, except where the answer is a plain 400.
            RefusalKind::Absent => is_bad_request.then_some(BearerError::InvalidRequest),
            RefusalKind::SchemeMissing | RefusalKind::BrokenCredentials if status == StatusCode::UNAUTHORIZED => {
                Some(BearerError::InvalidToken)
            }
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

pub(crate) fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}
