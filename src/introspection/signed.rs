//! Signed answers (RFC 9701 §5): a JWT of the issuer, with the answer as one of its claims.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use crate::error::TokenError;
use crate::jose::{Algorithm, CompactJws, Members, Number, StringList, TokenType, Value, WalkError, walk_object};
use crate::keys::{Arrival, Keys, Lookup};
use crate::time::UnixTime;

/// The largest answer that is read, in bytes: the claims of one token, which is itself at most 16 KiB by default.
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How many claims such an answer may have, nested ones alike.
const MAX_MEMBERS: usize = 1_024;

/// The issuer of signed answers, and their audience.
pub(crate) struct SignedAnswers {
    issuer: Arc<str>,
    algorithms: Arc<[Algorithm]>,
    /// Our names.
    audiences: Vec<Box<str>>,
    /// How far the clocks may be apart.
    leeway: Duration,
}

impl SignedAnswers {
    pub(crate) const fn new(
        issuer: Arc<str>,
        algorithms: Arc<[Algorithm]>,
        audiences: Vec<Box<str>>,
        leeway: Duration,
    ) -> Self {
        Self { issuer, algorithms, audiences, leeway }
    }

    /// The answer in a JWT that the issuer signed for us. It waits for the key, if that is not known.
    pub(super) async fn verify(&self, jwt: &[u8], keys: Option<&Keys>, now: UnixTime) -> Result<Vec<u8>, Failure> {
        let Some(keys) = keys else { return Err(Failure::signed("cannot be used: the issuer has no keys")) };
        let bytes = match self.verified(jwt, keys, None)? {
            Verified::Claims(bytes) => bytes,
            Verified::Wait(key_id, arrival) => {
                keys.wait(key_id.as_deref(), arrival).await;
                match self.verified(jwt, keys, Some(arrival))? {
                    Verified::Claims(bytes) => bytes,
                    Verified::Wait(..) => return Err(Failure::signed("names a key that the issuer does not publish")),
                }
            }
        };
        let mut claims = AnswerClaims::default();
        walk_object(&bytes, MAX_MEMBERS, &mut claims).map_err(|error| match error {
            WalkError::Json(fault) => Failure::json(fault),
            WalkError::WrongType => Failure::signed("has claims of other types than RFC 9701 §5 says"),
        })?;
        self.check(&claims, now).map_err(Failure::signed)?;
        Ok(claims.answer.unwrap_or_default().as_bytes().to_vec())
    }

    /// The claims, if a key of the issuer made the signature.
    fn verified(&self, jwt: &[u8], keys: &Keys, waited_since: Option<Arrival>) -> Result<Verified, Failure> {
        let unusable = |error: TokenError| Failure::signed(format_args!("cannot be used: {error}"));
        let mut jws = CompactJws::parse(jwt.trim_ascii(), MAX_ANSWER_BYTES).map_err(unusable)?;
        if jws.header().typ != TokenType::IntrospectionAnswer {
            return Err(Failure::signed("has a type other than `token-introspection+jwt`"));
        }
        let allowed = jws.header().algorithm.filter(|algorithm| self.algorithms.contains(algorithm));
        let Some(algorithm) = allowed else { return Err(unusable(TokenError::AlgorithmNotAllowed)) };
        let key_id = jws.header().key_id.as_deref();
        match keys.look_further(key_id, algorithm, waited_since) {
            Lookup::Found(keys) => Ok(Verified::Claims(jws.verify(keys.iter()).map_err(unusable)?.into_parts().0)),
            Lookup::Refused(error) => Err(unusable(error)),
            Lookup::Wait(arrival) => Ok(Verified::Wait(key_id.map(Box::from), arrival)),
        }
    }

    /// RFC 9701 §5.
    fn check(&self, claims: &AnswerClaims<'_>, now: UnixTime) -> Result<(), &'static str> {
        let is_ours = |name: &Cow<'_, str>| self.audiences.iter().any(|ours| **ours == **name);
        if claims.issuer.as_deref() != Some(&*self.issuer) {
            return Err("has another `iss` than the issuer, or none");
        }
        if !claims.audience.as_ref().is_some_and(|audience| audience.as_slice().iter().any(is_ours)) {
            return Err("is not for us: its `aud` has none of our names; see `.signed_answers_for(..)`");
        }
        // An answer from before the question is not the answer to it.
        let around_now = now.saturating_sub(self.leeway)..=now.saturating_add(self.leeway);
        if !claims.issued_at.is_some_and(|issued_at| around_now.contains(&issued_at)) {
            return Err("has no `iat`, or one that is not the time of the request");
        }
        if !claims.answer.is_some_and(|answer| answer.starts_with('{')) {
            return Err("has no object `token_introspection`");
        }
        Ok(())
    }
}

/// How far a signed answer could be verified.
enum Verified {
    Claims(Vec<u8>),
    /// Its key may be fetched.
    Wait(Option<Box<str>>, Arrival),
}

#[derive(Default)]
struct AnswerClaims<'p> {
    issuer: Option<Cow<'p, str>>,
    audience: Option<StringList<Cow<'p, str>>>,
    issued_at: Option<UnixTime>,
    answer: Option<&'p str>,
}

impl<'p> Members<'p> for AnswerClaims<'p> {
    fn read(&mut self, name: &str, value: &mut Value<'_, 'p>) -> Result<bool, WalkError> {
        match name {
            "iss" => self.issuer = Some(value.text()?),
            "aud" => self.audience = Some(value.text_or_texts()?),
            "iat" => {
                self.issued_at = match value.number()? {
                    Number::Unsigned(seconds) => Some(UnixTime::from_secs(seconds)),
                    Number::Other(seconds) => Duration::try_from_secs_f64(seconds).ok().map(UnixTime::from_duration),
                }
            }
            "token_introspection" => self.answer = Some(value.raw()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}
