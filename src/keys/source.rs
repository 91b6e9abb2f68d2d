//! The seam between the cache and wherever keys are kept.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "remote-keys")]
use super::excerpt;
use crate::error::KeySetError;
use crate::jose::{Algorithm, JwkSet, jwks_of_pem};

/// Where a cached key set comes from, for keys that are neither at a URL nor fixed: a secret store, a database.
///
/// The cache decides when to fetch; a source only fetches, once for each call. The cache ends a fetch that takes longer
/// than [`KeyPolicy::fetch_timeout`](crate::KeyPolicy::fetch_timeout). A fetch that panics has failed; one whose runtime
/// ends is [started again](crate::guide::keys#runtimes) on another.
///
/// ```
/// use tower_bearer::{FetchedKeySet, Issuer, KeySetError, KeySource, KeySourceFuture};
///
/// #[derive(Debug)]
/// struct FromStore;
///
/// impl KeySource for FromStore {
///     fn fetch<'a>(&'a self, _etag: Option<&'a str>) -> KeySourceFuture<'a> {
///         Box::pin(async {
///             let json = tokio::fs::read("/run/keys/jwks.json").await.map_err(KeySetError::source_failed)?;
///             Ok(FetchedKeySet::new(json))
///         })
///     }
/// }
///
/// let issuer = Issuer::new("https://as.example.com").key_source(FromStore);
/// # let _ = issuer;
/// ```
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// Fetches the set.
    ///
    /// `etag` is that of the set which the cache holds, if it came with one: a source may answer
    /// [`FetchedKeySet::unchanged`] when it still stands.
    ///
    /// # Errors
    ///
    /// Why there is no set, as [`KeySetError::source_failed`] wraps it. It is logged, the last good set stays in use,
    /// and the next attempt comes after 5 to 60 seconds.
    fn fetch<'a>(&'a self, etag: Option<&'a str>) -> KeySourceFuture<'a>;

    /// The name of the place where the keys are, such as a URL or a path. By default, there is none.
    ///
    /// An `ETag` is only sent back to the place that it came from. That matters if the source has
    /// [failovers](crate::Issuer::failover_key_source) and its keys are [imported](crate::ResourceServer::import_key_sets)
    /// from another process: without a name, the first fetch after an import is unconditional.
    fn place(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// What [`KeySource::fetch`] returns.
pub type KeySourceFuture<'a> = Pin<Box<dyn Future<Output = Result<FetchedKeySet, KeySetError>> + Send + 'a>>;

/// What a source brought: a JWK Set document (RFC 7517 §5), not looked at yet, or the word that nothing changed.
#[derive(Clone, Debug)]
#[must_use]
pub struct FetchedKeySet {
    /// `None` when nothing changed.
    pub(crate) json: Option<Vec<u8>>,
    pub(crate) etag: Option<Box<str>>,
    pub(crate) max_age: Option<Duration>,
    /// The issuer's own source failed, and a failover answered in its place.
    pub(crate) is_from_failover: bool,
    pub(super) origin: Option<Origin>,
}

/// Where a document came from, for the error if it cannot be used.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A response with the status 200: its URL and content type, a note that may explain a failure, and whether the
    /// body may be quoted.
    #[cfg(feature = "remote-keys")]
    Response { url: Arc<str>, content_type: String, note: Option<Arc<str>>, may_quote: bool },
    /// A local file. It is not quoted, because it may hold the private key.
    File(Arc<str>),
}

impl FetchedKeySet {
    /// The document's bytes.
    pub fn new(json: impl Into<Vec<u8>>) -> Self {
        Self { json: Some(json.into()), etag: None, max_age: None, is_from_failover: false, origin: None }
    }

    /// Public keys in PEM, each under the `kid` that tokens name it by: a secret store or a mounted directory often has
    /// one file for each key, named after it. A text may have several keys, and blocks that are no keys are skipped.
    ///
    /// # Errors
    ///
    /// What is wrong with which text. Nothing is accepted in part: the set that the cache holds stays in use.
    ///
    /// ```
    /// # use tower_bearer_test::SigningKey;
    /// use tower_bearer::{FetchedKeySet, jose::Algorithm};
    /// # let pem = SigningKey::generate(Algorithm::ES256)?.public_key_pem();
    ///
    /// let set = FetchedKeySet::from_pem([("2026-11", pem)])?;
    /// # let _ = set;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_pem<I, T>(keys: impl IntoIterator<Item = (I, T)>) -> Result<Self, KeySetError>
    where
        I: AsRef<str>,
        T: AsRef<str>,
    {
        let mut jwks = Vec::new();
        for (key_id, text) in keys {
            let read = jwks_of_pem(key_id.as_ref(), text.as_ref());
            let named = |problem| io::Error::other(format!("the key `{}`: {problem}", key_id.as_ref()));
            jwks.extend(read.map_err(named).map_err(KeySetError::source_failed)?);
        }
        Ok(Self::new(format!(r#"{{"keys":[{}]}}"#, jwks.join(","))))
    }

    /// The set that the cache holds still stands.
    pub const fn unchanged() -> Self {
        Self { json: None, etag: None, max_age: None, is_from_failover: false, origin: None }
    }

    /// What the next fetch is to be told, so that it can say that nothing changed.
    pub fn with_etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into().into_boxed_str());
        self
    }

    /// For how long the set is current, within the bounds of the [`KeyPolicy`](crate::KeyPolicy). Without it, the
    /// policy's own lifetime counts.
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Parses the set; `None` when nothing changed.
    pub(super) fn key_set(&self, algorithms: &[Algorithm]) -> Result<Option<JwkSet>, KeySetError> {
        let Some(json) = &self.json else { return Ok(None) };
        JwkSet::parse(json, algorithms).map(Some).map_err(|error| self.located(error))
    }

    /// Adds to an error where the document came from and, unless it is JSON, how it begins.
    pub(super) fn located(&self, error: KeySetError) -> KeySetError {
        match &self.origin {
            None => error,
            Some(Origin::File(path)) => error.at(Arc::clone(path)),
            #[cfg(feature = "remote-keys")]
            Some(Origin::Response { url, content_type, note, may_quote }) => {
                let json = self.json.as_deref().filter(|_| *may_quote);
                let beginning = json.and_then(excerpt::describe);
                let beginning = beginning.map(|beginning| format!(", and {beginning}")).unwrap_or_default();
                let note = note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
                let place = format!("{url} answered with status 200, {content_type}{beginning}{note}");
                error.at_url(Arc::clone(url), place)
            }
        }
    }
}
