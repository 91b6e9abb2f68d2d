//! Why a token, a configuration or a key set was refused. This module knows no HTTP.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::scope::ScopeRequirement;

/// Why a request was refused.
///
/// Three texts belong to each refusal: [`reason`](Self::reason), a stable code to count and alert on; `Display`, a
/// sentence for whoever operates the service; and [`error_description`](Self::error_description), which goes on the wire. None of
/// them repeats anything that the client sent.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// The request has no `Authorization` header, or one of another scheme.
    #[error("the request has no bearer token")]
    Absent,
    /// The credentials cannot be read as one bearer token (RFC 6750 §2.1).
    #[error("{0}")]
    Request(RequestFault),
    /// The token is known to be bad before any key is used (RFC 7515 §5.2).
    #[error("{0}")]
    Malformed(MalformedFault),
    /// `alg` names an algorithm that is not configured for the issuer (RFC 8725 §3.1).
    #[error("the token's `alg` is not among the issuer's configured algorithms")]
    AlgorithmNotAllowed,
    /// A header parameter has the wrong JSON type.
    #[error("the header parameter `{0}` has the wrong type")]
    HeaderParameter(&'static str),
    /// The header asks for something that is not supported: `crit`, `b64`, `zip`, or a nested token
    /// (RFC 7515 §4.1.11, RFC 7797 §6, RFC 7519 §5.2).
    #[error("the header parameter `{0}` asks for something that is not supported")]
    UnsupportedHeader(&'static str),
    /// The issuer has no key with the token's `kid` that fits its `alg`.
    #[error("the issuer has no key with the token's `kid` and `alg`")]
    NoMatchingKey,
    /// More keys fit the token than are worth trying.
    #[error(
        "more than {} of the issuer's keys fit the token: give each key its own `kid`",
        crate::jose::MAX_CANDIDATES
    )]
    TooManyKeys,
    /// No key of the issuer made this signature.
    #[error("the signature does not verify with the issuer's key")]
    BadSignature,
    /// The claims cannot be read as one JSON object (RFC 7519 §7.2).
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
    /// Our side cannot decide: the machine's clock stands before 1970.
    #[error("the machine's clock stands before 1970")]
    ClockUnavailable,
    /// A route layer or extractor runs without the [`BearerLayer`](crate::layer::BearerLayer) around it.
    #[error("no bearer layer judged this request: add `.layer(resource_server.layer())` around the route")]
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
            Self::Malformed(fault) => fault.reason(),
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::HeaderParameter(_) => "header_parameter",
            Self::UnsupportedHeader(_) => "unsupported_header",
            Self::NoMatchingKey => "no_matching_key",
            Self::TooManyKeys => "too_many_keys",
            Self::BadSignature => "bad_signature",
            Self::Claims(fault) => match fault {
                JsonFault::Duplicate => "claims_duplicate",
                JsonFault::Invalid | JsonFault::TooDeep | JsonFault::TooManyMembers => "claims_json",
            },
            Self::Claim { fault, .. } => match fault {
                ClaimFault::Missing => "claim_missing",
                ClaimFault::WrongType => "claim_type",
                ClaimFault::Invalid => "claim_invalid",
            },
            Self::TokenType => "token_type",
            Self::NotAnAccessToken(_) => "not_an_access_token",
            Self::SenderConstrained => "sender_constrained",
            Self::IssuerMismatch => "issuer_mismatch",
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
            Self::Malformed(fault) => fault.error_description(),
            Self::AlgorithmNotAllowed => "the token is signed with an algorithm that is not accepted",
            Self::HeaderParameter(_) => "a header parameter of the token has the wrong type",
            Self::UnsupportedHeader(_) => "the token header asks for something that is not supported",
            Self::NoMatchingKey | Self::TooManyKeys => "no key of the issuer fits the token",
            Self::BadSignature => "the signature is wrong",
            Self::Claims(_) => "the claims are not one JSON object without duplicates",
            Self::Claim { fault, .. } => match fault {
                ClaimFault::Missing => "a required claim is missing",
                ClaimFault::WrongType => "a claim has the wrong type",
                ClaimFault::Invalid => "a claim has an unacceptable value",
            },
            Self::TokenType | Self::NotAnAccessToken(_) => "the token is not an access token",
            Self::SenderConstrained => "the token is sender-constrained and cannot be used as a bearer token",
            Self::IssuerMismatch => "the token is from another issuer",
            Self::AudienceMismatch => "the token is for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::IssuedInFuture => "the token was issued in the future",
            Self::TooOld => "the token is too old",
            Self::ClaimsShape => "the claims do not have the shape that this service needs",
            Self::InsufficientScope(_) => "the token lacks a required scope",
            Self::InsufficientRole => "the token lacks a required role",
            Self::RequirementNotMet(_) => "the token does not permit this request",
            Self::KeysUnavailable { .. } | Self::ClockUnavailable => "tokens cannot be checked at the moment",
            Self::LayerMissing | Self::OtherResourceServer => "the service is misconfigured",
        }
    }

    pub(crate) fn claim(name: impl Into<Cow<'static, str>>, fault: ClaimFault) -> Self {
        Self::Claim { name: name.into(), fault }
    }
}

/// Why the credentials of a request cannot be read as one bearer token.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestFault {
    /// A token without the scheme in front of it.
    #[error("the `Authorization` header has a token without the scheme `Bearer`")]
    SchemeMissing,
    /// More than one `Authorization` header, or several credentials joined by commas.
    #[error("the request has more than one credential")]
    Repeated,
    /// A token in the header and one in the query (RFC 6750 §2).
    #[error("the request has a token in the header and in the query")]
    TwoPlaces,
    /// The scheme without a token.
    #[error("the `Authorization` header has the scheme `Bearer` and no token")]
    Empty,
    /// Characters outside of `b64token` (RFC 6750 §2.1).
    #[error("the bearer token has characters that no token may have")]
    IllegalCharacters,
}

impl RequestFault {
    const fn reason(self) -> &'static str {
        match self {
            Self::SchemeMissing => "scheme_missing",
            Self::Repeated => "credentials_repeated",
            Self::TwoPlaces => "token_in_two_places",
            Self::Empty => "token_empty",
            Self::IllegalCharacters => "token_illegal_characters",
        }
    }

    const fn error_description(self) -> &'static str {
        match self {
            Self::SchemeMissing => "send Authorization: Bearer <token>",
            Self::Repeated => "send one Authorization header with one token",
            Self::TwoPlaces => "send the token in the Authorization header only",
            Self::Empty => "the bearer token is empty",
            Self::IllegalCharacters => "the bearer token has characters that no token may have",
        }
    }
}

/// Why a token was known to be bad before any key was used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MalformedFault {
    /// Longer than the configured size cap.
    #[error("the token is larger than the size cap")]
    TooLarge,
    /// Not a JWT at all. Such tokens need introspection (RFC 7662), which this crate does not do yet.
    #[error("the token is opaque, not a JWT")]
    Opaque,
    /// Five parts: an encrypted token (RFC 7516 §7.1).
    #[error("the token is encrypted (JWE)")]
    Encrypted,
    /// Not three parts (RFC 7515 §7.1).
    #[error("the token does not have three parts")]
    Parts,
    /// A part that is not strict base64url (RFC 7515 §2).
    #[error("a part of the token is not base64url without padding")]
    Base64,
    /// The header is not one JSON object (RFC 7515 §4).
    #[error("the header {0}")]
    Header(JsonFault),
    /// `alg` is absent or not a string (RFC 7515 §4.1.1).
    #[error("the header parameter `alg` is not a string")]
    Algorithm,
}

impl MalformedFault {
    const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "token_too_large",
            Self::Opaque => "opaque_token",
            Self::Encrypted => "encrypted_token",
            Self::Parts => "token_parts",
            Self::Base64 => "token_base64",
            Self::Header(JsonFault::Duplicate) => "header_duplicate",
            Self::Header(_) => "header_json",
            Self::Algorithm => "header_alg",
        }
    }

    const fn error_description(self) -> &'static str {
        match self {
            Self::TooLarge => "the token is too large",
            Self::Opaque => "the token is not a JWT",
            Self::Encrypted => "encrypted tokens are not supported",
            Self::Parts | Self::Base64 => "the token is not a well-formed JWT",
            Self::Header(_) | Self::Algorithm => "the token header is not well-formed",
        }
    }
}

/// Why a JSON text from a token was refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JsonFault {
    /// Not UTF-8, not JSON, not an object, or text after the object.
    #[error("are not one JSON object in UTF-8")]
    Invalid,
    /// A member name twice in one object, after unescaping (RFC 7515 §4, RFC 7519 §4).
    #[error("name a member twice")]
    Duplicate,
    /// Nested deeper than 32 levels.
    #[error("are nested too deep")]
    TooDeep,
    /// More members than a header (32) or a set of claims (1,024) may have.
    #[error("have too many members")]
    TooManyMembers,
}

/// What is wrong with a claim.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClaimFault {
    /// The claim is required and absent.
    #[error("is missing")]
    Missing,
    /// The claim has another JSON type than its definition says, `null` included.
    #[error("has the wrong type")]
    WrongType,
    /// Empty, over-long, or with control characters.
    #[error("has an unacceptable value")]
    Invalid,
}

/// A contradiction or a gap in the configuration, found by `build()`.
///
/// Its text names the setting and says what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    setting: &'static str,
    problem: Cow<'static, str>,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { setting, problem: problem.into() }
    }

    /// The name of the setting, as the builder's method is called.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.setting, self.problem)
    }
}

impl StdError for ConfigError {}

/// Why a key set could not be had.
#[non_exhaustive]
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeySetError {
    /// The document is not a JWK Set (RFC 7517 §5).
    #[error("the document is not a JWK Set: {0}")]
    NotAJwkSet(Arc<str>),
    /// The set has more keys than a set may have.
    #[error("the set has {found} keys, more than {}", crate::jose::MAX_KEYS)]
    TooManyKeys {
        /// How many keys the set has.
        found: usize,
    },
    /// The set has no key that can be used.
    #[error("the set has no usable key ({})", if dropped.is_empty() { "it is empty" } else { dropped.as_ref() })]
    NoUsableKey {
        /// Why its keys were dropped, in words.
        dropped: Arc<str>,
    },
    /// The metadata is not a JSON object with `issuer` and `jwks_uri` (RFC 8414 §2).
    #[error("the metadata cannot be read: {0}")]
    Metadata(Arc<str>),
    /// The metadata is of another issuer (RFC 8414 §3.3).
    #[error("the metadata is of the issuer {found:?}, the configuration says {expected:?}")]
    IssuerMismatch {
        /// The configured issuer.
        expected: Arc<str>,
        /// The issuer that the metadata names.
        found: Arc<str>,
    },
    /// A URL that must be HTTPS is not.
    #[error("{0} is not an HTTPS URL")]
    InsecureUrl(Arc<str>),
    /// The provider answered with another status than 200.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked.
        url: Arc<str>,
        /// The status.
        status: u16,
    },
    /// The answer is larger than the size cap.
    #[error("{url} sent more than {} bytes", crate::keys::MAX_BODY_BYTES)]
    TooLarge {
        /// What was asked.
        url: Arc<str>,
    },
    /// The fetch took too long.
    #[error("the fetch took longer than {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The provider could not be reached.
    #[error("{url} could not be fetched: {source}")]
    Transport {
        /// What was asked.
        url: Arc<str>,
        /// What the HTTP client said.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// The fetch ended without a result.
    #[error("the fetch was interrupted")]
    Interrupted,
}
