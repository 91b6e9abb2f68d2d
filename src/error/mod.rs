//! Why a token, a configuration or a key set was refused. This module knows no HTTP.

mod fault;
mod key_set;
mod places;
mod transport;

use std::borrow::Cow;
use std::time::Duration;

pub use fault::{ClaimFault, JsonFault, MalformedFault, RequestFault};
pub use key_set::KeySetError;
pub use transport::TransportFault;

use crate::revocation_kind::RevocationKind;
use crate::scope::ScopeRequirement;

/// Why a request was refused.
///
/// Three texts belong to each refusal: [`reason`](Self::reason), a stable code to count and alert on; `Display`, a
/// sentence for whoever operates the service; and [`error_description`](Self::error_description), which goes on the
/// wire. None of them repeats anything that the client sent.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// The request has no `Authorization` header, or one of a scheme that is not for access tokens.
    #[error("the request has no bearer token")]
    Absent,
    /// The credentials cannot be read as one bearer token (RFC 6750 §2.1).
    #[error("{0}")]
    Request(RequestFault),
    /// The token was sent under the scheme `DPoP` (RFC 9449 §7.1), which this service does not accept.
    #[error("the token was sent under the scheme `DPoP`, which is not configured")]
    DpopNotConfigured,
    /// The token is known to be bad before any key is used (RFC 7515 §5.2).
    #[error("{0}")]
    Malformed(MalformedFault),
    /// `alg` names an algorithm that is not configured for the issuer (RFC 8725 §3.1).
    #[error("the token's `alg` is not among the issuer's configured algorithms")]
    AlgorithmNotAllowed,
    /// A header parameter has the wrong JSON type.
    #[error("the header parameter `{0}` has the wrong type")]
    HeaderParameter(&'static str),
    /// The header asks for something that is not supported: `crit`, `b64`, `zip`, `enc`, or a nested token
    /// (RFC 7515 §4.1.11, RFC 7797 §6, RFC 7516 §9, RFC 7519 §5.2).
    #[error("the header parameter `{0}` asks for something that is not supported")]
    UnsupportedHeader(&'static str),
    /// The issuer has no key with the token's `kid` that fits its `alg`.
    #[error("the issuer has no key with the token's `kid` and `alg`")]
    NoMatchingKey,
    /// The issuer's key with the token's `kid` was dropped: the key is in the set, but must not or cannot be used
    /// (RFC 7517 §5).
    #[error("the issuer's key with the token's `kid` cannot be used and was dropped from the key set")]
    UnusableKey,
    /// More keys fit the token than are worth trying: more than 4.
    #[error(
        "more than {} of the issuer's keys fit the token: give each key its own `kid`",
        crate::limits::MAX_CANDIDATES
    )]
    TooManyKeys,
    /// No key of the issuer made this signature.
    #[error("the signature does not verify with the issuer's key")]
    BadSignature,
    /// The claims are not one JSON object (RFC 7519 §7.2), or parsers disagree about what they say.
    #[error("the claims {0}")]
    Claims(JsonFault),
    /// A claim is missing, of the wrong type, or has a value that no claim of this name may have.
    #[error("the claim `{name}` {fault}")]
    Claim {
        /// The claim's name.
        name: Cow<'static, str>,
        /// What is wrong with it.
        fault: ClaimFault,
    },
    /// `typ` is not that of an access token (RFC 9068 §4, RFC 8725 §3.11).
    #[error("the token's `typ` is not that of an access token")]
    TokenType,
    /// The claims show an ID, refresh or logout token (RFC 9068 §5).
    #[error("the claim `{0}` shows that this is not an access token")]
    NotAnAccessToken(&'static str),
    /// The token is bound to a key (`cnf`, RFC 7800) and was sent without proof of that key (RFC 9449 §7.2).
    #[error("the token is sender-constrained (`cnf`) and was sent as a plain bearer token")]
    SenderConstrained,
    /// `iss` is not a configured issuer, byte by byte.
    #[error("`iss` is not the configured issuer")]
    IssuerMismatch,
    /// The issuer is switched off at the moment.
    #[error("the token's issuer is disabled")]
    IssuerDisabled,
    /// No audience of the token is one of ours, byte by byte.
    #[error("`aud` has none of the configured audiences")]
    AudienceMismatch,
    /// `exp` has passed, leeway included.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come, leeway included.
    #[error("the token is not valid yet (`nbf`)")]
    NotYetValid,
    /// `iat` lies in the future, beyond the leeway.
    #[error("the token was issued in the future (`iat`)")]
    IssuedInFuture,
    /// `iat` is longer ago than the configured maximum age.
    #[error("the token is older than the configured maximum age (`iat`)")]
    TooOld,
    /// The claims do not fit the application's own struct.
    #[error("the claims do not fit the application's struct")]
    ClaimsShape,
    /// A good token that lacks a required scope.
    #[error("the token lacks the required scope: {0}")]
    InsufficientScope(ScopeRequirement),
    /// A good token that lacks a required role.
    #[error("the token lacks a required role")]
    InsufficientRole,
    /// A good token that the application's own requirement refused.
    #[error("the token does not meet the requirement: {0}")]
    RequirementNotMet(Cow<'static, str>),
    /// Our side cannot decide: the issuer's keys are not to be had at the moment.
    #[error("the issuer's keys are unavailable; retry in {} s", retry_after.as_secs())]
    KeysUnavailable {
        /// When the next attempt to fetch them is due.
        retry_after: Duration,
    },
    /// Our side cannot decide: the key set lacks the token's `kid`, and no fetch proved that the issuer lacks it too. The
    /// keys may have been rotated while they could not be fetched, or the `kid` is made up: anybody can send an unknown
    /// `kid`.
    #[error(
        "the key set lacks the token's `kid`, and no fetch proved that the issuer lacks it; retry in {} s",
        retry_after.as_secs()
    )]
    KeyNotProvenAbsent {
        /// Time until a request may start a fetch again, at most 30 seconds.
        retry_after: Duration,
    },
    /// The issuer says that the token is not active (RFC 7662 §2.2): it was revoked, has expired, or was never issued.
    #[error("the issuer says that the token is not active")]
    Inactive,
    /// Our side cannot decide: introspection failed, so it is unknown whether the token is active.
    #[error("the token cannot be introspected; retry in {} s", retry_after.as_secs())]
    IntrospectionUnavailable {
        /// When the next call may be made.
        retry_after: Duration,
    },
    /// The token was [revoked](crate::ResourceServerBuilder::revocation): itself, or all of its session, client or subject.
    #[error("the token was revoked by its {}", .0.name())]
    Revoked(RevocationKind),
    /// Our side cannot decide: it is unknown whether the token was revoked.
    #[error("it is unknown whether the token was revoked; retry in {} s", retry_after.as_secs())]
    RevocationUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// Our side cannot decide: `iss`, `sub`, `client_id` or `jti` of a JWT differs in the issuer's answer about it.
    #[error("the issuer's answer is about another token: its `{0}` differs")]
    AnswerMismatch(&'static str),
    /// Two issuers claim the opaque token: the configuration does not tell their tokens apart. Neither was asked.
    #[error(
        "two issuers claim the opaque token: change `.tokens_with_prefix(..)` or `.tokens_that(..)` of one of them"
    )]
    ClaimedTwice,
    /// Our side cannot decide: the machine's clock stands before 1970.
    #[error("the machine's clock stands before 1970")]
    ClockUnavailable,
    /// A route layer or extractor runs without the [`BearerLayer`](crate::layer::BearerLayer) around it.
    #[error(
        "no bearer layer judged this request: put `resource_server.layer()` around the route, in axum with \
         `.route_layer(..)` after the routes"
    )]
    LayerMissing,
    /// A route layer or extractor sees a token that another [`ResourceServer`](crate::ResourceServer) judged.
    #[error("another resource server judged this request's token: check which layer is around the route")]
    OtherResourceServer,
}

impl TokenError {
    /// A stable code for logs, metrics and alerts. It never changes within a major version.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Absent => "token_absent",
            Self::Request(fault) => fault.reason(),
            Self::DpopNotConfigured => "dpop_not_configured",
            Self::Malformed(fault) => fault.reason(),
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::HeaderParameter(_) => "header_parameter",
            Self::UnsupportedHeader(_) => "unsupported_header",
            Self::NoMatchingKey => "no_matching_key",
            Self::UnusableKey => "unusable_key",
            Self::TooManyKeys => "too_many_keys",
            Self::BadSignature => "bad_signature",
            Self::Claims(fault) => fault.claims_reason(),
            Self::Claim { fault, .. } => fault.reason(),
            Self::TokenType => "token_type",
            Self::NotAnAccessToken(_) => "not_an_access_token",
            Self::SenderConstrained => "sender_constrained",
            Self::IssuerMismatch => "issuer_mismatch",
            Self::IssuerDisabled => "issuer_disabled",
            Self::AudienceMismatch => "audience_mismatch",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::TooOld => "too_old",
            Self::ClaimsShape => "claims_shape",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::InsufficientRole => "insufficient_role",
            Self::RequirementNotMet(_) => "requirement_not_met",
            Self::KeysUnavailable { .. } => "keys_unavailable",
            Self::KeyNotProvenAbsent { .. } => "key_not_proven_absent",
            Self::Inactive => "token_inactive",
            Self::IntrospectionUnavailable { .. } => "introspection_unavailable",
            Self::Revoked(RevocationKind::TokenId) => "token_revoked",
            Self::Revoked(RevocationKind::Session) => "session_revoked",
            Self::Revoked(RevocationKind::Client) => "client_revoked",
            Self::Revoked(RevocationKind::Subject) => "subject_revoked",
            Self::RevocationUnavailable { .. } => "revocation_unavailable",
            Self::AnswerMismatch(_) => "introspection_mismatch",
            Self::ClaimedTwice => "token_claimed_twice",
            Self::ClockUnavailable => "clock_unavailable",
            Self::LayerMissing => "layer_missing",
            Self::OtherResourceServer => "other_resource_server",
        }
    }

    /// The fixed text that goes into `error_description`: what a client developer can act on, within the characters
    /// that RFC 6750 §3 allows.
    #[must_use]
    pub const fn error_description(&self) -> &'static str {
        match self {
            Self::Absent => "no bearer token: send Authorization: Bearer <token>",
            Self::Request(fault) => fault.error_description(),
            Self::DpopNotConfigured => "the DPoP scheme is not accepted: send Authorization: Bearer <token>",
            Self::Malformed(fault) => fault.error_description(),
            Self::AlgorithmNotAllowed => "the token is signed with an algorithm that is not accepted",
            Self::HeaderParameter(_) => "a header parameter of the token has the wrong type",
            Self::UnsupportedHeader(_) => "the token header asks for something that is not supported",
            Self::NoMatchingKey | Self::TooManyKeys => "no key of the issuer fits the token",
            Self::UnusableKey => "the issuer's key for the token cannot be used",
            Self::BadSignature => "the signature is wrong",
            Self::Claims(fault) => fault.claims_description(),
            Self::Claim { fault, .. } => fault.error_description(),
            Self::TokenType | Self::NotAnAccessToken(_) => "the token is not an access token",
            Self::SenderConstrained => "the token is sender-constrained and cannot be used as a bearer token",
            Self::IssuerMismatch => "the token is from another issuer",
            Self::IssuerDisabled => "the token is from an issuer that is not accepted at the moment",
            Self::AudienceMismatch => "the token is for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::IssuedInFuture => "the token was issued in the future",
            Self::TooOld => "the token is too old",
            Self::ClaimsShape => "the claims do not have the shape that this service needs",
            Self::InsufficientScope(_) => "the token lacks a required scope",
            Self::InsufficientRole => "the token lacks a required role",
            Self::RequirementNotMet(_) => "the token does not permit this request",
            // The same for both: why a token ended is not the client's business.
            Self::Inactive | Self::Revoked(_) => "the token is not active",
            Self::KeysUnavailable { .. }
            | Self::IntrospectionUnavailable { .. }
            | Self::RevocationUnavailable { .. }
            | Self::AnswerMismatch(_)
            | Self::ClockUnavailable => "tokens cannot be checked at the moment",
            Self::KeyNotProvenAbsent { .. } => "whether the token's key exists cannot be checked at the moment",
            Self::ClaimedTwice | Self::LayerMissing | Self::OtherResourceServer => "the service is misconfigured",
        }
    }

    /// How long to wait before trying again, if our side could not decide because keys are missing, the token cannot be
    /// introspected, or it is unknown whether it was revoked: the `Retry-After` of the response. `None` for all other refusals.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { retry_after }
            | Self::KeyNotProvenAbsent { retry_after }
            | Self::IntrospectionUnavailable { retry_after }
            | Self::RevocationUnavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    pub(crate) fn claim(name: impl Into<Cow<'static, str>>, fault: ClaimFault) -> Self {
        Self::Claim { name: name.into(), fault }
    }
}
