//! What the validator reports about each step, for explaining a verdict.

use std::borrow::Cow;
use std::fmt;

use crate::jose::{Algorithm, TokenType};
use crate::revocation_kind::RevocationKind;
use crate::time::UnixTime;

/// The checks of a token, in the order in which they are made.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Check {
    /// Size, three parts, base64url, and a header that can be read (RFC 7515 §5.2), within the
    /// [limits](crate::guide::tokens#limits).
    Structure,
    /// The token comes from one of the configured issuers, as far as can be told before the signature is checked.
    IssuerChoice,
    /// `alg` is allowed for the issuer (RFC 8725 §3.1).
    Algorithm,
    /// The issuer has a key with this `kid` for this `alg`.
    Key,
    /// The key made the signature.
    Signature,
    /// The issuer says that the token is active (RFC 7662 §2.2). Only made of tokens that it is
    /// [asked about](crate::Issuer::introspection).
    Introspection,
    /// The claims are one JSON object, with the types their definitions say, within the
    /// [limits](crate::guide::tokens#limits).
    Claims,
    /// `typ`, and the claims that [only other kinds of token have](crate::guide::tokens#claims-of-other-tokens)
    /// (RFC 9068 §4, §5).
    TokenType,
    /// The token is not bound to a key that the request does not prove.
    SenderConstraint,
    /// `iss`. A token of another issuer fails this check rather than [`Key`](Self::Key) or
    /// [`Signature`](Self::Signature), even if no key is found for it or its signature does not verify.
    Issuer,
    /// `aud`.
    Audience,
    /// `exp`.
    Expiry,
    /// `nbf`.
    NotBefore,
    /// `iat`, and the maximum age.
    IssuedAt,
    /// The claims that RFC 9068 §2.2 requires, when `require_at_jwt` is set.
    RequiredClaims,
    /// The token was not revoked. Only made by a resource server with a
    /// [revocation check](crate::ResourceServerBuilder::revocation).
    Revocation,
}

impl Check {
    /// Every check of a JWT that its issuer is not asked about, in order, by a resource server without a revocation check.
    pub const ALL: &'static [Self] = &[
        Self::Structure,
        Self::IssuerChoice,
        Self::Algorithm,
        Self::Key,
        Self::Signature,
        Self::Claims,
        Self::TokenType,
        Self::SenderConstraint,
        Self::Issuer,
        Self::Audience,
        Self::Expiry,
        Self::NotBefore,
        Self::IssuedAt,
        Self::RequiredClaims,
    ];

    /// A stable name for reports, in snake case. It never changes within a major version.
    ///
    /// ```
    /// assert_eq!(tower_bearer::Check::NotBefore.name(), "not_before");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::IssuerChoice => "issuer_choice",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Introspection => "introspection",
            Self::Claims => "claims",
            Self::TokenType => "token_type",
            Self::SenderConstraint => "sender_constraint",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::IssuedAt => "issued_at",
            Self::RequiredClaims => "required_claims",
            Self::Revocation => "revocation",
        }
    }
}

/// One step: what was checked, what the configuration expects, what the token has.
///
/// The texts are made only when they are displayed. `found` may repeat what the token says: show it to people who may
/// see the token's claims. It never has the token or its signature.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What was checked.
    pub check: Check,
    /// Whether the token passed.
    pub passed: bool,
    /// What the configuration expects.
    pub expected: fmt::Arguments<'a>,
    /// What the token has.
    pub found: Found<'a>,
}

/// What a check found in the token. Its `Display` is a short text for reports.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// Nothing: the claim is absent.
    Absent,
    /// The size in bytes of the token, or of its claims.
    Bytes(usize),
    /// An issuer.
    Text(&'a str),
    /// Several texts: the audiences.
    Texts(&'a [Cow<'a, str>]),
    /// The algorithm that `alg` names.
    Algorithm(Algorithm),
    /// `alg` names no algorithm that is known here.
    UnknownAlgorithm,
    /// The header's `kid`.
    KeyId(Option<&'a str>),
    /// A signature, for this algorithm.
    Signature(Algorithm),
    /// The kind of token that the header's `typ` names.
    Type(TokenType),
    /// The claim of this name shows another kind of token.
    OtherKind(&'static str),
    /// `cnf`, as JSON: the key that the token is bound to (RFC 7800 §3.1).
    Confirmation(Option<&'a str>),
    /// A time.
    Time(UnixTime),
    /// Whether the issuer says that the token is active; `None` if nobody can tell.
    Activity(Option<bool>),
    /// Whether the token is revoked, and by what; `None` if that is unknown.
    Revocation(Option<Option<RevocationKind>>),
    /// Those claims of RFC 9068 §2.2 that no other check covers and that are present.
    Claims([Option<&'static str>; 4]),
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Absent => f.write_str("absent"),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Texts(texts) => write!(f, "{texts:?}"),
            Self::Algorithm(algorithm) => f.write_str(algorithm.name()),
            Self::UnknownAlgorithm => f.write_str("an unknown one"),
            Self::KeyId(Some(key_id)) => write!(f, "kid {key_id:?}"),
            Self::KeyId(None) => f.write_str("kid absent"),
            Self::Signature(algorithm) => write!(f, "a signature for {algorithm}"),
            Self::Type(typ) => write!(f, "typ {}", typ.name()),
            Self::OtherKind(claim) => write!(f, "claim {claim}"),
            Self::Confirmation(Some(_)) => f.write_str("`cnf`"),
            Self::Confirmation(None) => f.write_str("no `cnf`"),
            Self::Time(time) => time.rfc3339().fmt(f),
            Self::Activity(Some(true)) => f.write_str("active"),
            Self::Activity(Some(false)) => f.write_str("not active"),
            Self::Activity(None) => f.write_str("no answer"),
            Self::Revocation(Some(None)) => f.write_str("not revoked"),
            Self::Revocation(Some(Some(kind))) => write!(f, "revoked by its {}", kind.name()),
            Self::Revocation(None) => f.write_str("unknown"),
            Self::Claims(names) => {
                let mut names = names.into_iter().flatten();
                f.write_str(names.next().unwrap_or("none"))?;
                names.try_for_each(|name| write!(f, ", {name}"))
            }
        }
    }
}

impl<'a> From<Option<&'a str>> for Found<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Absent, Self::Text)
    }
}

impl From<Option<UnixTime>> for Found<'_> {
    fn from(time: Option<UnixTime>) -> Self {
        time.map_or(Self::Absent, Self::Time)
    }
}

/// Is notified of each step of a validation, up to the first that failed.
pub trait StepListener {
    /// Called once for each step, in order.
    fn step(&mut self, step: Step<'_>);
}

/// Nobody listens. The compiler removes the reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoListener;

impl StepListener for NoListener {
    #[inline(always)]
    fn step(&mut self, _: Step<'_>) {}
}

impl<L: StepListener + ?Sized> StepListener for &mut L {
    #[inline(always)]
    fn step(&mut self, step: Step<'_>) {
        (**self).step(step);
    }
}
