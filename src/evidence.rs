//! How the claims of a token were verified. Claims are only ever read from a [`ProvenPayload`], which this file makes.

use std::sync::Arc;
use std::time::Duration;

use crate::error::TokenError;
use crate::introspection::{ActiveAnswer, Freshness};
use crate::jose::{TokenType, VerifiedPayload, VerifyingKey};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::time::UnixTime;

/// What proves the claims of a token. Kept with the token, because a key can be withdrawn later, and a token revoked.
pub(crate) enum Evidence {
    /// A signature by a key of the issuer.
    Signature { key: Arc<VerifyingKey> },
    /// The issuer's answer to a question about the token. Boxed, so that other tokens do not grow.
    Introspection(Box<Introspected>),
    /// Both: a JWT whose signature was verified, and which the issuer says is still active.
    Confirmed { key: Arc<VerifyingKey>, answer: Box<Introspected> },
}

/// An introspected token, and until when the answer is valid. It has no `Debug`: it holds the token,
/// which has to be sent again when the answer is too old.
pub(crate) struct Introspected {
    token: Box<str>,
    asked_at: UnixTime,
    /// For a JWT that was also introspected: when the answer says that the token ends, if it does.
    ends: Option<UnixTime>,
    freshness: Freshness,
    /// When to refresh ahead, in milliseconds of monotonic time.
    refresh_at: AtomicU64,
    /// That time has come, and nobody has refreshed the answer yet.
    wants_refresh: AtomicBool,
}

/// How a token is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Usage {
    /// For the first time, with evidence that was just found.
    New,
    /// Again.
    Again,
    /// Again, because no newer evidence is available.
    Stale,
}

/// The raw claims of a token, with what proves them.
pub(crate) struct ProvenPayload {
    bytes: Vec<u8>,
    typ: TokenType,
    evidence: Evidence,
}

impl ProvenPayload {
    /// The claims of an answer about a token. `typ` is that of the token, if it is a JWT.
    pub(crate) fn of_answer(answer: &ActiveAnswer, typ: TokenType, token: &str, freshness: Freshness) -> Self {
        let introspected = Introspected::new(token, answer, freshness);
        Self { bytes: answer.claims().to_vec(), typ, evidence: Evidence::Introspection(Box::new(introspected)) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) const fn typ(&self) -> TokenType {
        self.typ
    }

    /// When the issuer was asked, if these are the claims of an answer.
    pub(crate) fn asked_at(&self) -> Option<UnixTime> {
        match &self.evidence {
            Evidence::Signature { .. } | Evidence::Confirmed { .. } => None,
            Evidence::Introspection(introspected) => Some(introspected.asked_at),
        }
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, Evidence) {
        (self.bytes, self.evidence)
    }
}

impl From<VerifiedPayload> for ProvenPayload {
    fn from(payload: VerifiedPayload) -> Self {
        let (bytes, typ, key) = payload.into_parts();
        Self { bytes, typ, evidence: Evidence::Signature { key } }
    }
}

impl Evidence {
    /// The key whose signature was verified, if there is one.
    #[inline]
    pub(crate) const fn key(&self) -> Option<&Arc<VerifyingKey>> {
        match self {
            Self::Signature { key } | Self::Confirmed { key, .. } => Some(key),
            Self::Introspection(_) => None,
        }
    }

    #[inline]
    pub(crate) const fn introspected(&self) -> Option<&Introspected> {
        match self {
            Self::Signature { .. } => None,
            Self::Introspection(introspected) | Self::Confirmed { answer: introspected, .. } => Some(introspected),
        }
    }

    /// Adds the issuer's answer to the signature of a JWT. `ends` is when the answer says that the token ends. `None`
    /// if one of them is something else.
    pub(crate) fn confirmed_by(self, confirmation: ProvenPayload, ends: Option<UnixTime>) -> Option<Self> {
        match (self, confirmation.evidence) {
            (Self::Signature { key }, Self::Introspection(mut answer)) => {
                answer.ends = ends;
                Some(Self::Confirmed { key, answer })
            }
            _ => None,
        }
    }

    /// Whether a token with it may be used again without new evidence.
    #[inline]
    pub(crate) fn is_lasting(&self) -> bool {
        self.introspected().is_none_or(|introspected| introspected.freshness.is_lasting())
    }

    /// How much memory it takes in addition to itself, without what it shares with others.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.introspected().map_or(0, |introspected| size_of::<Introspected>() + introspected.token.len())
    }
}

impl Introspected {
    fn new(token: &str, answer: &ActiveAnswer, freshness: Freshness) -> Self {
        let refresh_at = AtomicU64::new(millis(freshness.refresh_at));
        Self {
            token: token.into(),
            asked_at: answer.asked_at().wall,
            ends: None,
            freshness,
            refresh_at,
            wants_refresh: AtomicBool::new(false),
        }
    }

    /// The token itself, to introspect it again.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether the answer still counts, given when the token ends. RFC 7662 §4: not past `exp`, which leaves no leeway.
    #[inline]
    pub(crate) fn check(
        &self,
        usage: Usage,
        ends: Option<UnixTime>,
        wall: UnixTime,
        now: Duration,
    ) -> Result<(), TokenError> {
        let until = match usage {
            Usage::New => return self.check_first_use(now),
            Usage::Again => self.freshness.fresh_until,
            Usage::Stale => self.freshness.serves_until,
        };
        let has_ended = |ends: Option<UnixTime>| ends.is_some_and(|ends| wall >= ends);
        if now >= until || has_ended(ends) || has_ended(self.ends) {
            return Err(TokenError::IntrospectionUnavailable { retry_after: Duration::ZERO });
        }
        if millis(now) >= self.refresh_at.load(Ordering::Relaxed) {
            self.note_refresh(now);
        }
        Ok(())
    }

    /// A request may be late to see the answer that it waited for, by which time there may have been another one.
    #[cold]
    fn check_first_use(&self, now: Duration) -> Result<(), TokenError> {
        if now >= self.freshness.first_use_until {
            return Err(TokenError::IntrospectionUnavailable { retry_after: Duration::ZERO });
        }
        Ok(())
    }

    /// Whether to refresh the answer ahead, since the last [check](Self::check). Of many callers at the same time, one
    /// gets true; and again later, if that refresh fails.
    #[inline]
    pub(crate) fn take_refresh(&self) -> bool {
        self.wants_refresh.load(Ordering::Relaxed) && self.wants_refresh.swap(false, Ordering::Relaxed)
    }

    #[cold]
    fn note_refresh(&self, now: Duration) {
        let half_of_the_rest = self.freshness.fresh_until.saturating_sub(now) / 2;
        let next = millis(now.saturating_add(half_of_the_rest)).saturating_add(1);
        let due = self.refresh_at.load(Ordering::Relaxed);
        let is_first = self.refresh_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first && due <= millis(now) {
            self.wants_refresh.store(true, Ordering::Relaxed);
        }
    }
}

#[inline]
fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(u64::from(time.subsec_millis()))
}
