//! The rules for an access token (RFC 9068 §4, RFC 8725), in order and nothing else: no I/O, no HTTP, no clock.

mod step;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use step::{Check, Step, StepListener};

pub(crate) use step::{NoListener, Shown, report};

use crate::claims::{ClaimNames, RegisteredClaims, Times};
use crate::error::{ClaimFault, TokenError};
use crate::jose::{Algorithm, StringList, TokenType, VerifiedPayload};
use crate::speaker::Markers;
use crate::time::UnixTime;

/// What one issuer's tokens must be like.
#[derive(Clone, Debug)]
pub(crate) struct TokenRules {
    pub(crate) issuer: Arc<str>,
    /// A token must name one of them.
    pub(crate) audiences: Arc<[Box<str>]>,
    pub(crate) algorithms: Arc<[Algorithm]>,
    pub(crate) claim_names: ClaimNames,
    /// Whom tokens speak for. No check uses it.
    pub(crate) markers: Markers,
    /// How far apart the clocks may be.
    pub(crate) leeway: Duration,
    pub(crate) max_token_age: Option<Duration>,
    /// Strict RFC 9068: `typ` must be `at+jwt`, and the claims of §2.2 must be there.
    pub(crate) require_at_jwt: bool,
    pub(crate) allow_nonce: bool,
    pub(crate) accept_sender_constrained: bool,
}

impl TokenRules {
    pub(crate) fn check_algorithm(&self, algorithm: Option<Algorithm>) -> Result<Algorithm, TokenError> {
        algorithm.filter(|algorithm| self.algorithms.contains(algorithm)).ok_or(TokenError::AlgorithmNotAllowed)
    }

    /// RFC 9068 §4 from the point where the signature is verified. Also says when the token ends.
    pub(crate) fn check_claims<'p, L: StepListener>(
        &self,
        payload: &'p VerifiedPayload,
        now: UnixTime,
        listener: &mut L,
    ) -> Result<(RegisteredClaims<'p>, UnixTime), TokenError> {
        let claims = RegisteredClaims::parse(payload, &self.claim_names);
        let found = format_args!("{} bytes", payload.as_bytes().len());
        let claims = report(listener, Check::Claims, claims, format_args!("one JSON object"), found)?;

        let verdict = self.check_type(payload.typ(), &claims);
        let expected = if self.require_at_jwt { "typ at+jwt" } else { "typ at+jwt, JWT or absent" };
        let (place, found) = match verdict {
            Err(TokenError::NotAnAccessToken(claim)) => ("claim", claim),
            _ => ("typ", payload.typ().name()),
        };
        report(listener, Check::TokenType, verdict, format_args!("{expected}"), format_args!("{place} {found}"))?;

        let verdict = self.check_sender_constraint(&claims);
        let found = if claims.has_confirmation { "`cnf`" } else { "no `cnf`" };
        report(listener, Check::SenderConstraint, verdict, format_args!("no `cnf`"), format_args!("{found}"))?;

        let verdict = self.check_issuer(claims.issuer.as_deref());
        let found = Shown(&claims.issuer);
        report(listener, Check::Issuer, verdict, format_args!("{:?}", self.issuer), format_args!("{found}"))?;

        let audience = claims.audience.as_ref().map(StringList::as_slice);
        let verdict = self.check_audience(audience);
        let found = Shown(&audience);
        report(
            listener,
            Check::Audience,
            verdict,
            format_args!("one of {:?}", self.audiences),
            format_args!("{found}"),
        )?;

        let leeway = self.leeway.as_secs();
        let verdict = self.check_expiry(claims.times.expires_at, now);
        let found = ShownTime(claims.times.expires_at);
        let expected = format_args!("after {now}, less {leeway} s of leeway");
        let expires_at = report(listener, Check::Expiry, verdict, expected, format_args!("{found}"))?;

        let verdict = self.check_not_before(claims.times.not_before, now);
        let found = ShownTime(claims.times.not_before);
        let expected = format_args!("not after {now}, plus {leeway} s of leeway");
        report(listener, Check::NotBefore, verdict, expected, format_args!("{found}"))?;

        let verdict = self.check_issued_at(claims.times.issued_at, now);
        let found = ShownTime(claims.times.issued_at);
        let max_age = MaxAge(self.max_token_age);
        let expected = format_args!("not after {now}{max_age}, plus {leeway} s of leeway");
        report(listener, Check::IssuedAt, verdict, expected, format_args!("{found}"))?;

        let verdict = self.check_required_claims(&claims);
        let expected = if self.require_at_jwt { "sub, client_id, iat, jti" } else { "none" };
        let found = Present(required_claims(&claims));
        report(listener, Check::RequiredClaims, verdict, format_args!("{expected}"), format_args!("{found}"))?;
        Ok((claims, expires_at))
    }

    /// What time alone can change about a token that was good.
    pub(crate) fn check_times(&self, times: Times, now: UnixTime) -> Result<(), TokenError> {
        self.check_expiry(times.expires_at, now)?;
        self.check_not_before(times.not_before, now)?;
        self.check_issued_at(times.issued_at, now)
    }

    /// RFC 9068 §4 ("typ") and §5; RFC 8725 §3.11, §3.12.
    fn check_type(&self, typ: TokenType, claims: &RegisteredClaims<'_>) -> Result<(), TokenError> {
        match typ {
            TokenType::AccessToken => {}
            TokenType::Jwt | TokenType::Absent if !self.require_at_jwt => {}
            TokenType::Jwt | TokenType::Absent | TokenType::Other => return Err(TokenError::TokenType),
        }
        let is_foreign =
            |typ: &str| ["ID", "Refresh", "Offline", "Logout"].iter().any(|it| typ.eq_ignore_ascii_case(it));
        if claims.typ.as_deref().is_some_and(is_foreign) {
            return Err(TokenError::NotAnAccessToken("typ"));
        }
        if claims.token_use.as_deref().is_some_and(|token_use| token_use != "access") {
            return Err(TokenError::NotAnAccessToken("token_use"));
        }
        if claims.has_nonce && !self.allow_nonce {
            return Err(TokenError::NotAnAccessToken("nonce"));
        }
        claims.foreign.map_or(Ok(()), |name| Err(TokenError::NotAnAccessToken(name)))
    }

    /// RFC 9449 §7.2, RFC 8705 §3: a bound token without proof is somebody else's.
    fn check_sender_constraint(&self, claims: &RegisteredClaims<'_>) -> Result<(), TokenError> {
        if claims.has_confirmation && !self.accept_sender_constrained {
            return Err(TokenError::SenderConstrained);
        }
        Ok(())
    }

    /// RFC 9068 §4 ("iss"): equal byte by byte, no normalization.
    pub(crate) fn check_issuer(&self, issuer: Option<&str>) -> Result<(), TokenError> {
        match issuer {
            Some(issuer) if issuer == &*self.issuer => Ok(()),
            Some(_) => Err(TokenError::IssuerMismatch),
            None => Err(TokenError::claim("iss", ClaimFault::Missing)),
        }
    }

    /// RFC 9068 §4 ("aud"), RFC 9700 §2.3: one exact member.
    fn check_audience(&self, audience: Option<&[Cow<'_, str>]>) -> Result<(), TokenError> {
        let is_ours = |name: &Cow<'_, str>| self.audiences.iter().any(|ours| **ours == **name);
        match audience {
            Some(audience) if audience.iter().any(is_ours) => Ok(()),
            Some(_) => Err(TokenError::AudienceMismatch),
            None => Err(TokenError::claim(String::from(&*self.claim_names.audience), ClaimFault::Missing)),
        }
    }

    /// RFC 7519 §4.1.4: now must be before `exp`.
    fn check_expiry(&self, expires_at: Option<UnixTime>, now: UnixTime) -> Result<UnixTime, TokenError> {
        let Some(expires_at) = expires_at else { return Err(TokenError::claim("exp", ClaimFault::Missing)) };
        if now < expires_at.saturating_add(self.leeway) { Ok(expires_at) } else { Err(TokenError::Expired) }
    }

    /// RFC 7519 §4.1.5: now must not be before `nbf`.
    fn check_not_before(&self, not_before: Option<UnixTime>, now: UnixTime) -> Result<(), TokenError> {
        match not_before {
            Some(not_before) if not_before > now.saturating_add(self.leeway) => Err(TokenError::NotYetValid),
            _ => Ok(()),
        }
    }

    /// RFC 7519 §4.1.6 gives `iat` for the age of a token; one from the future has none.
    fn check_issued_at(&self, issued_at: Option<UnixTime>, now: UnixTime) -> Result<(), TokenError> {
        if issued_at.is_some_and(|issued_at| issued_at > now.saturating_add(self.leeway)) {
            return Err(TokenError::IssuedInFuture);
        }
        let Some(max_age) = self.max_token_age else { return Ok(()) };
        let Some(issued_at) = issued_at else { return Err(TokenError::claim("iat", ClaimFault::Missing)) };
        let limit = max_age.saturating_add(self.leeway);
        if now.saturating_since(issued_at) > limit { Err(TokenError::TooOld) } else { Ok(()) }
    }

    /// RFC 9068 §2.2. `iss`, `exp` and `aud` are required anyway.
    fn check_required_claims(&self, claims: &RegisteredClaims<'_>) -> Result<(), TokenError> {
        if !self.require_at_jwt {
            return Ok(());
        }
        match required_claims(claims).into_iter().find(|(_, is_present)| !is_present) {
            Some((name, _)) => Err(TokenError::claim(name, ClaimFault::Missing)),
            None => Ok(()),
        }
    }
}

/// The claims that RFC 9068 §2.2 requires and no other check asks for, and whether they are there.
const fn required_claims(claims: &RegisteredClaims<'_>) -> [(&'static str, bool); 4] {
    [
        ("sub", claims.subject.is_some()),
        ("client_id", claims.has_client_id),
        ("iat", claims.times.issued_at.is_some()),
        ("jti", claims.token_id.is_some()),
    ]
}

/// A time as the claims write it, or that it is absent.
struct ShownTime(Option<UnixTime>);

impl fmt::Display for ShownTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => time.fmt(f),
            None => f.write_str("absent"),
        }
    }
}

/// What the maximum age asks for, if one is set.
struct MaxAge(Option<Duration>);

impl fmt::Display for MaxAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |age| write!(f, ", at most {} s ago", age.as_secs()))
    }
}

/// Those of the required claims that are there.
struct Present([(&'static str, bool); 4]);

impl fmt::Display for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut present = self.0.iter().filter(|(_, is_present)| *is_present).map(|(name, _)| name);
        f.write_str(present.next().unwrap_or(&"none"))?;
        present.try_for_each(|name| write!(f, ", {name}"))
    }
}
