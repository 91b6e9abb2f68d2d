//! The rules about what a token is and whom it is for (RFC 9068 §4).

use std::borrow::Cow;
use std::fmt;

use super::TokenRules;
use super::rule::Rule;
use super::step::{Check, Found};
use crate::claims::RegisteredClaims;
use crate::error::{ClaimFault, TokenError};
use crate::evidence::ProvenPayload;
use crate::jose::{StringList, TokenType};

/// Values of the claim `typ` in other kinds of token: Keycloak's names, compared case-insensitively.
const OTHER_KINDS: [&str; 4] = ["ID", "Refresh", "Offline", "Logout"];

/// RFC 7519 §7.2: the claims are one JSON object, each with the type that its definition says.
pub(super) struct ReadableClaims<'a, 'p> {
    pub(super) rules: &'a TokenRules,
    pub(super) payload: &'p ProvenPayload,
}

/// RFC 9068 §4 ("typ") and §5; RFC 8725 §3.11, §3.12.
pub(super) struct TypeOfToken<'a, 'p> {
    pub(super) rules: &'a TokenRules,
    pub(super) typ: TokenType,
    pub(super) claims: &'a RegisteredClaims<'p>,
    /// They are those of an answer (RFC 7662 §2.2): an opaque token has no header.
    pub(super) is_answer: bool,
}

/// RFC 9449 §7.2, RFC 8705 §3: a bound token without proof of its key counts as stolen.
pub(super) struct SenderConstraint<'a, 'p> {
    pub(super) rules: &'a TokenRules,
    pub(super) claims: &'a RegisteredClaims<'p>,
}

/// RFC 9068 §4 ("iss"): equal byte by byte, no normalization.
pub(crate) struct TokenIssuer<'a> {
    pub(crate) rules: &'a TokenRules,
    /// `iss`.
    pub(crate) named: Option<&'a str>,
}

/// RFC 9068 §4 ("aud"), RFC 9700 §2.3: one exact member.
pub(super) struct Audience<'a, 'p> {
    pub(super) rules: &'a TokenRules,
    pub(super) claims: &'a RegisteredClaims<'p>,
    pub(super) is_answer: bool,
}

/// RFC 9068 §2.2, which is about JWTs. `iss`, `exp` and `aud` are required anyway.
pub(super) struct RequiredClaims<'a, 'p> {
    pub(super) rules: &'a TokenRules,
    pub(super) claims: &'a RegisteredClaims<'p>,
    pub(super) is_answer: bool,
}

impl<'p> Rule for ReadableClaims<'_, 'p> {
    const CHECK: Check = Check::Claims;
    type Passed = RegisteredClaims<'p>;
    type Failed = TokenError;

    fn apply(&mut self) -> Result<RegisteredClaims<'p>, TokenError> {
        RegisteredClaims::parse(self.payload, &self.rules.claim_names)
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object")
    }

    fn found(&self) -> Found<'_> {
        Found::Bytes(self.payload.as_bytes().len())
    }
}

impl TypeOfToken<'_, '_> {
    /// Whether the header's `typ` is one that access tokens may have.
    fn has_access_token_type(&self) -> bool {
        match self.typ {
            TokenType::AccessToken => true,
            TokenType::Absent if self.is_answer => true,
            TokenType::Jwt | TokenType::Absent => !self.rules.require_at_jwt,
            TokenType::IntrospectionAnswer | TokenType::Other => false,
        }
    }

    /// Ory Hydra says `access_token` in its answers.
    fn is_use_of_access_token(&self, token_use: &str) -> bool {
        token_use == "access" || (self.is_answer && token_use == "access_token")
    }

    /// The claim that shows another kind of token.
    fn claim_of_other_kind(&self) -> Option<&'static str> {
        let claims = self.claims;
        let is_other = |typ: &str| OTHER_KINDS.iter().any(|other| typ.eq_ignore_ascii_case(other));
        if claims.typ.as_deref().is_some_and(is_other) {
            Some("typ")
        } else if claims.token_use.as_deref().is_some_and(|token_use| !self.is_use_of_access_token(token_use)) {
            Some("token_use")
        } else if claims.has_nonce && !self.rules.allow_nonce {
            Some("nonce")
        } else {
            claims.foreign
        }
    }
}

impl Rule for TypeOfToken<'_, '_> {
    const CHECK: Check = Check::TokenType;
    type Passed = ();
    type Failed = TokenError;

    fn apply(&mut self) -> Result<(), TokenError> {
        if !self.has_access_token_type() {
            return Err(TokenError::TokenType);
        }
        self.claim_of_other_kind().map_or(Ok(()), |claim| Err(TokenError::NotAnAccessToken(claim)))
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.rules.require_at_jwt { "typ at+jwt" } else { "typ at+jwt, JWT or absent" })
    }

    fn found(&self) -> Found<'_> {
        let other = self.claim_of_other_kind().filter(|_| self.has_access_token_type());
        other.map_or_else(|| Found::Type(self.typ), Found::OtherKind)
    }
}

impl Rule for SenderConstraint<'_, '_> {
    const CHECK: Check = Check::SenderConstraint;
    type Passed = ();
    type Failed = TokenError;

    fn apply(&mut self) -> Result<(), TokenError> {
        let is_bound = self.claims.confirmation.is_some();
        if is_bound && !self.rules.accept_sender_constrained { Err(TokenError::SenderConstrained) } else { Ok(()) }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no `cnf`")
    }

    fn found(&self) -> Found<'_> {
        Found::Confirmation(self.claims.confirmation)
    }
}

impl Rule for TokenIssuer<'_> {
    const CHECK: Check = Check::Issuer;
    type Passed = ();
    type Failed = TokenError;

    fn apply(&mut self) -> Result<(), TokenError> {
        match self.named {
            Some(issuer) if issuer == &*self.rules.issuer => Ok(()),
            Some(_) => Err(TokenError::IssuerMismatch),
            None => Err(TokenError::claim("iss", ClaimFault::Missing)),
        }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.rules.issuer)
    }

    fn found(&self) -> Found<'_> {
        self.named.into()
    }
}

impl Rule for Audience<'_, '_> {
    const CHECK: Check = Check::Audience;
    type Passed = ();
    type Failed = TokenError;

    fn apply(&mut self) -> Result<(), TokenError> {
        let is_ours = |name: &Cow<'_, str>| self.rules.audiences.iter().any(|ours| **ours == **name);
        match &self.claims.audience {
            Some(audience) if audience.as_slice().iter().any(is_ours) => Ok(()),
            Some(_) => Err(TokenError::AudienceMismatch),
            None if self.is_answer && self.rules.answers_without_audience => Ok(()),
            None => Err(TokenError::claim(String::from(&*self.rules.claim_names.audience), ClaimFault::Missing)),
        }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {:?}", self.rules.audiences)
    }

    fn found(&self) -> Found<'_> {
        self.claims.audience.as_ref().map(StringList::as_slice).map_or(Found::Absent, Found::Texts)
    }
}

impl RequiredClaims<'_, '_> {
    /// The required claims that no other check covers, and whether each is present.
    const fn required(&self) -> [(&'static str, bool); 4] {
        [
            ("sub", self.claims.subject.is_some()),
            ("client_id", self.claims.has_client_id),
            ("iat", self.claims.times.issued_at.is_some()),
            ("jti", self.claims.token_id.is_some()),
        ]
    }
}

impl Rule for RequiredClaims<'_, '_> {
    const CHECK: Check = Check::RequiredClaims;
    type Passed = ();
    type Failed = TokenError;

    fn apply(&mut self) -> Result<(), TokenError> {
        let missing = || self.required().into_iter().find(|(_, is_present)| !is_present);
        match (self.rules.require_at_jwt && !self.is_answer).then(missing).flatten() {
            Some((name, _)) => Err(TokenError::claim(name, ClaimFault::Missing)),
            None => Ok(()),
        }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.rules.require_at_jwt { "sub, client_id, iat, jti" } else { "none" })
    }

    fn found(&self) -> Found<'_> {
        Found::Claims(self.required().map(|(name, is_present)| is_present.then_some(name)))
    }
}
