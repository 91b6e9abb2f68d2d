//! The keys of an issuer, and how they change.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_bearer::time::Clock;

use super::{KeyChangeError, SigningError, SigningKey};

/// All keys of an issuer, published and not.
#[derive(Clone)]
pub(super) struct IssuerKeys {
    /// Signs tokens; the first in the JWK Set, unless withdrawn.
    signing: SigningKey,
    signing_is_published: bool,
    /// Published already; signs from the next rotation on.
    next: Option<SigningKey>,
    /// Published beside them.
    others: Vec<SigningKey>,
    /// Rotated out, and published until their time is up.
    retiring: Vec<Retiring>,
}

/// A key that signs no more.
#[derive(Clone)]
struct Retiring {
    key: SigningKey,
    /// The clock of the issuer that was rotated: another one's says nothing about how long ago that was.
    clock: Arc<dyn Clock>,
    /// In that clock's monotonic time.
    until: Duration,
}

impl IssuerKeys {
    pub(super) const fn new(signing: SigningKey) -> Self {
        Self { signing, signing_is_published: true, next: None, others: Vec::new(), retiring: Vec::new() }
    }

    pub(super) const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The keys of the JWK Set, in its order.
    pub(super) fn published(&self) -> impl Iterator<Item = &SigningKey> {
        let signing = self.signing_is_published.then_some(&self.signing);
        let retiring = self.retiring.iter().filter(|retiring| !retiring.is_over()).map(|retiring| &retiring.key);
        signing.into_iter().chain(&self.next).chain(&self.others).chain(retiring)
    }

    pub(super) fn add(&mut self, key: SigningKey) {
        if !self.signing_is_published && self.signing.is_same_as(&key) {
            self.signing_is_published = true;
        } else {
            self.others.push(key);
        }
    }

    /// The key that signs after the next rotation; made and published if there is none yet.
    pub(super) fn publish_next(&mut self) -> Result<SigningKey, SigningError> {
        if let Some(next) = &self.next {
            return Ok(next.clone());
        }
        let next = SigningKey::generate(self.signing.algorithm())?;
        self.next = Some(next.clone());
        Ok(next)
    }

    /// New keys in the place of all; the old ones, if published, stay so for `overlap`.
    pub(super) fn rotate(&mut self, overlap: Duration, clock: &Arc<dyn Clock>) -> Result<(), SigningError> {
        let signing = match self.next.take() {
            Some(next) => next,
            None => SigningKey::generate(self.signing.algorithm())?,
        };
        let others: Vec<_> =
            self.others.iter().map(|key| SigningKey::generate(key.algorithm())).collect::<Result<_, _>>()?;

        let mut retiring = Vec::new();
        if !overlap.is_zero() {
            let until = clock.monotonic().saturating_add(overlap);
            let old = self.signing_is_published.then_some(&self.signing).into_iter().chain(&self.others);
            retiring.extend(old.map(|key| Retiring { key: key.clone(), clock: Arc::clone(clock), until }));
            retiring.extend(self.retiring.iter().filter(|retiring| !retiring.is_over()).cloned());
        }
        *self = Self { signing, signing_is_published: true, next: None, others, retiring };
        Ok(())
    }

    /// Takes every key of this id out of the JWK Set.
    pub(super) fn withdraw(&mut self, key_id: &str) -> Result<(), KeyChangeError> {
        if !self.published().any(|key| key.key_id() == key_id) {
            return Err(self.no_such_key(key_id));
        }
        self.signing_is_published &= self.signing.key_id() != key_id;
        self.next.take_if(|next| next.key_id() == key_id);
        self.others.retain(|key| key.key_id() != key_id);
        self.retiring.retain(|retiring| retiring.key.key_id() != key_id);
        Ok(())
    }

    /// A new key under the id of an old one, wherever that stands.
    pub(super) fn replace_material(&mut self, key_id: &str) -> Result<(), KeyChangeError> {
        self.retiring.retain(|retiring| !retiring.is_over());
        let all = [&mut self.signing].into_iter().chain(&mut self.next).chain(&mut self.others);
        let all = all.chain(self.retiring.iter_mut().map(|retiring| &mut retiring.key));
        let mut found = false;
        for key in all.filter(|key| key.key_id() == key_id) {
            *key = SigningKey::generate(key.algorithm())?.with_key_id(key_id);
            found = true;
        }
        if found { Ok(()) } else { Err(self.no_such_key(key_id)) }
    }

    fn no_such_key(&self, key_id: &str) -> KeyChangeError {
        let published = self.published().map(|key| key.key_id().to_owned()).collect();
        KeyChangeError::NoSuchKey { key_id: key_id.to_owned(), published }
    }
}

impl Retiring {
    fn is_over(&self) -> bool {
        self.clock.monotonic() >= self.until
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.published().map(SigningKey::key_id)).finish()
    }
}
