//! What exactly was wrong with credentials, a token's form, its JSON or a claim.

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
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::SchemeMissing => "scheme_missing",
            Self::Repeated => "credentials_repeated",
            Self::TwoPlaces => "token_in_two_places",
            Self::Empty => "token_empty",
            Self::IllegalCharacters => "token_illegal_characters",
        }
    }

    pub(super) const fn error_description(self) -> &'static str {
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
    /// Not a JWT at all, and no issuer with [introspection](crate::Issuer::introspection) claims it.
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
    #[error("the header parameters {0}")]
    Header(JsonFault),
    /// `alg` is absent or not a string (RFC 7515 §4.1.1).
    #[error("the header parameter `alg` is not a string")]
    Algorithm,
}

impl MalformedFault {
    pub(super) const fn reason(self) -> &'static str {
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

    pub(super) const fn error_description(self) -> &'static str {
        match self {
            Self::TooLarge => "the token is too large",
            Self::Opaque => "the token is not a JWT",
            Self::Encrypted => "encrypted tokens are not supported",
            Self::Parts | Self::Base64 => "the token is not a well-formed JWT",
            Self::Header(JsonFault::TooDeep) => "the token header is nested too deep",
            Self::Header(JsonFault::TooManyMembers) => "the token header has too many parameters",
            Self::Header(JsonFault::NumberOutOfRange) => "the token header has a number beyond the range of a double",
            Self::Header(JsonFault::LoneSurrogate) => "the token header has a string that is not Unicode",
            Self::Header(JsonFault::Invalid | JsonFault::Duplicate) | Self::Algorithm => {
                "the token header is not well-formed"
            }
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
    /// More members in one object than a header (32) or a set of claims (1,024) may have.
    #[error("have too many members")]
    TooManyMembers,
    /// A number that no double can hold, such as `1e400`, in any member: valid JSON, but parsers disagree about its
    /// value (RFC 8259 §6, RFC 7493 §2.2).
    #[error("have a number beyond the range of a double")]
    NumberOutOfRange,
    /// A `\uD800` … `\uDFFF` that is not half of a pair, in any name or string: valid JSON, but not Unicode text, and
    /// parsers disagree about it (RFC 8259 §8.2, RFC 7493 §2.1).
    #[error("have a string with a lone surrogate, which is not Unicode")]
    LoneSurrogate,
}

impl JsonFault {
    pub(super) const fn claims_reason(self) -> &'static str {
        match self {
            Self::Duplicate => "claims_duplicate",
            Self::Invalid | Self::TooDeep | Self::TooManyMembers | Self::NumberOutOfRange | Self::LoneSurrogate => {
                "claims_json"
            }
        }
    }

    pub(super) const fn claims_description(self) -> &'static str {
        match self {
            Self::Invalid | Self::Duplicate => "the claims are not one JSON object without duplicates",
            Self::TooDeep => "the claims are nested too deep",
            Self::TooManyMembers => "the claims have too many members",
            Self::NumberOutOfRange => "the claims have a number beyond the range of a double",
            Self::LoneSurrogate => "the claims have a string that is not Unicode",
        }
    }
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
    /// Empty, longer than 1,024 bytes, or with control characters, where the claim is an identifier: `sub`,
    /// `client_id`, `jti`.
    #[error("is empty, longer than 1,024 bytes, or has control characters")]
    Invalid,
    /// A number that is not a time in seconds from 1970 to the end of the year 9999: negative, for example, or in
    /// milliseconds (`NumericDate`, RFC 7519 §2).
    #[error("is not in seconds since 1970, from 0 to the end of the year 9999 (253402300799)")]
    TimeOutOfRange,
}

impl ClaimFault {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "claim_missing",
            Self::WrongType => "claim_type",
            Self::Invalid | Self::TimeOutOfRange => "claim_invalid",
        }
    }

    pub(super) const fn error_description(self) -> &'static str {
        match self {
            Self::Missing => "a required claim is missing",
            Self::WrongType => "a claim has the wrong type",
            Self::Invalid => "a claim is empty, too long, or has control characters",
            Self::TimeOutOfRange => "a time in the token is not in seconds since 1970",
        }
    }
}
