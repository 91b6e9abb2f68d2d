//! The claims of an accepted token: the payload, and the range of each text in it.
//!
//! The simple version parses the whole payload for each claim that a route reads. The departure: the first lookup
//! records the offset of each claim, and later ones parse only the value they need. The memory for that is counted from
//! the start, so that the token cache stays within its limit.

mod misfit;
mod text;

use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value};

pub(crate) use self::misfit::Misfit;
use self::text::ClaimText;
use crate::claims::{RegisteredClaims, Times};
use crate::evidence::{Evidence, ProvenPayload};
use crate::jose::{MemberPlaces, StringList};
use crate::scope::Scope;
use crate::time::UnixTime;

/// See the module's documentation.
pub(crate) struct TokenClaims {
    payload: Vec<u8>,
    texts: Texts,
    pub(crate) times: Times,
    pub(crate) expires_at: UnixTime,
    /// Filled by the first lookup by name.
    places: OnceLock<MemberPlaces>,
    count: usize,
}

/// The claims that most routes read, as ranges of the payload.
struct Texts {
    issuer: Option<ClaimText>,
    subject: Option<ClaimText>,
    client_id: Option<ClaimText>,
    token_id: Option<ClaimText>,
    audience: Option<StringList<ClaimText>>,
    scope: Option<Scope>,
}

impl TokenClaims {
    /// Keeps the claims if `check` accepts them and returns when the token expires.
    pub(crate) fn accept<E>(
        payload: ProvenPayload,
        check: impl FnOnce(&ProvenPayload) -> Result<(RegisteredClaims<'_>, UnixTime), E>,
    ) -> Result<(Self, Evidence), E> {
        let (claims, expires_at) = check(&payload)?;
        let (times, count) = (claims.times, claims.count);
        let texts = Texts::of(claims, payload.as_bytes());
        let (payload, evidence) = payload.into_parts();
        Ok((Self { payload, texts, times, expires_at, places: OnceLock::new(), count }, evidence))
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        self.text(&self.texts.issuer)
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        self.text(&self.texts.subject)
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.text(&self.texts.client_id)
    }

    pub(crate) fn token_id(&self) -> Option<&str> {
        self.text(&self.texts.token_id)
    }

    pub(crate) fn audiences(&self) -> impl Iterator<Item = &str> {
        let names = self.texts.audience.iter().flat_map(StringList::as_slice);
        names.map(|name| name.of(&self.payload))
    }

    pub(crate) const fn scope(&self) -> Option<&Scope> {
        self.texts.scope.as_ref()
    }

    /// One claim by its name.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        let places = self.places.get_or_init(|| MemberPlaces::of(&self.payload));
        let from_value = places.value_of(&self.payload, name)?;
        Deserializer::from_slice(from_value).into_iter().next()?.ok()
    }

    /// All claims as a struct of the application's own.
    pub(crate) fn deserialize<T: DeserializeOwned>(&self) -> Result<T, Misfit> {
        serde_json::from_slice(&self.payload).map_err(|_| Misfit::find::<T>(&self.payload))
    }

    /// How much memory they take in addition to this struct.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.payload.capacity() + self.texts.memory_bytes() + self.count * MemberPlaces::BYTES_EACH
    }

    fn text<'t>(&'t self, text: &'t Option<ClaimText>) -> Option<&'t str> {
        text.as_ref().map(|text| text.of(&self.payload))
    }
}

impl Texts {
    fn of(claims: RegisteredClaims<'_>, payload: &[u8]) -> Self {
        let text = |text| ClaimText::new(text, payload);
        Self {
            issuer: claims.issuer.map(text),
            subject: claims.subject.map(text),
            client_id: claims.client_id.map(text),
            token_id: claims.token_id.map(text),
            audience: claims.audience.map(|audience| audience.map(text)),
            scope: claims.scope,
        }
    }

    fn memory_bytes(&self) -> usize {
        let texts = [&self.issuer, &self.subject, &self.client_id, &self.token_id].into_iter().flatten();
        let texts: usize = texts.map(ClaimText::memory_bytes).sum();
        let names = self.audience.iter().flat_map(StringList::as_slice);
        let names: usize = names.map(|name| size_of::<ClaimText>() + name.memory_bytes()).sum();
        texts + names + self.scope.as_ref().map_or(0, Scope::memory_bytes)
    }
}
