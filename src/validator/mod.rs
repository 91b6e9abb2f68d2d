//! The rules for an access token (RFC 9068 §4, RFC 8725), in order and nothing else: no I/O, no HTTP, no clock.

mod claim_rules;
mod rule;
mod step;
mod time_rules;

use std::sync::Arc;
use std::time::Duration;

pub use step::{Check, Found, Step, StepListener};

pub(crate) use claim_rules::TokenIssuer;
pub(crate) use rule::{Failure, Rule, check, check_early, check_or};
pub(crate) use step::NoListener;

use self::claim_rules::{Audience, ReadableClaims, RequiredClaims, SenderConstraint, TypeOfToken};
use self::time_rules::{Expiry, IssuedAt, NotBefore};
use crate::claims::{ClaimNames, RegisteredClaims, Times};
use crate::error::TokenError;
use crate::evidence::ProvenPayload;
use crate::jose::Algorithm;
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
    /// The issuer's answers about tokens may lack `aud`.
    pub(crate) answers_without_audience: bool,
    /// The issuer's answers about tokens may lack `exp`, and then count for so long.
    pub(crate) lifetime_of_answers_without_expiry: Option<Duration>,
}

impl TokenRules {
    /// The checks of RFC 9068 §4 after the signature. Returns when the token expires, too.
    pub(crate) fn check_claims<'p, L: StepListener>(
        &self,
        payload: &'p ProvenPayload,
        now: UnixTime,
        listener: &mut L,
    ) -> Result<(RegisteredClaims<'p>, UnixTime), TokenError> {
        let asked_at = payload.asked_at();
        let is_answer = asked_at.is_some();
        let claims = check(listener, ReadableClaims { rules: self, payload })?;
        check(listener, TypeOfToken { rules: self, typ: payload.typ(), claims: &claims, is_answer })?;
        check(listener, SenderConstraint { rules: self, claims: &claims })?;
        check(listener, TokenIssuer { rules: self, named: claims.issuer.as_deref() })?;
        check(listener, Audience { rules: self, claims: &claims, is_answer })?;
        let expires_at = check(listener, Expiry { rules: self, times: &claims.times, now, asked_at })?;
        check(listener, NotBefore { rules: self, times: &claims.times, now })?;
        check(listener, IssuedAt { rules: self, times: &claims.times, now })?;
        check(listener, RequiredClaims { rules: self, claims: &claims, is_answer })?;
        Ok((claims, expires_at))
    }

    /// The checks of an answer about a JWT whose own claims passed: it may lack whom the token is for and when it ends,
    /// and must not contradict the rules in what it says. Returns when it says that the token ends.
    pub(crate) fn check_confirmation<L: StepListener>(
        &self,
        answer: &ProvenPayload,
        now: UnixTime,
        listener: &mut L,
    ) -> Result<Option<UnixTime>, TokenError> {
        let (asked_at, is_answer) = (answer.asked_at(), true);
        let claims = check(listener, ReadableClaims { rules: self, payload: answer })?;
        check(listener, TypeOfToken { rules: self, typ: answer.typ(), claims: &claims, is_answer })?;
        check(listener, SenderConstraint { rules: self, claims: &claims })?;
        if claims.audience.is_some() {
            check(listener, Audience { rules: self, claims: &claims, is_answer })?;
        }
        if claims.times.expires_at.is_some() {
            check(listener, Expiry { rules: self, times: &claims.times, now, asked_at })?;
        }
        check(listener, NotBefore { rules: self, times: &claims.times, now })?;
        Ok(claims.times.expires_at)
    }

    /// The earliest time at which an accepted token is refused because it has expired or is too old.
    pub(crate) fn end_of(&self, times: &Times) -> Option<UnixTime> {
        let age = self.max_token_age.zip(times.issued_at).map(|(age, issued_at)| issued_at.saturating_add(age));
        let end = [times.expires_at, age].into_iter().flatten().min()?;
        Some(end.saturating_add(self.leeway))
    }

    /// Repeats the checks that can fail merely because time passes.
    #[inline(always)]
    pub(crate) fn check_times(&self, times: &Times, now: UnixTime) -> Result<(), TokenError> {
        // Without `exp` it can only be an answer, whose age is checked elsewhere.
        Expiry { rules: self, times, now, asked_at: Some(now) }.apply()?;
        NotBefore { rules: self, times, now }.apply()?;
        IssuedAt { rules: self, times, now }.apply()
    }
}
