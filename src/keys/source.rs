//! The seam between the cache and wherever keys are kept.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::KeySetError;

/// Where a cached key set comes from, for keys that are neither at a URL nor fixed: a secret store, a database.
///
/// The cache decides when to fetch; a source only fetches, once for each call. The cache ends a fetch that takes longer
/// than [`KeyPolicy::fetch_timeout`](crate::KeyPolicy::fetch_timeout).
///
/// ```
/// use std::{future::Future, pin::Pin};
/// use tower_bearer::{FetchedKeySet, Issuer, KeySetError, KeySource};
///
/// #[derive(Debug)]
/// struct FromStore;
///
/// impl KeySource for FromStore {
///     fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<FetchedKeySet, KeySetError>> + Send + '_>> {
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
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<FetchedKeySet, KeySetError>> + Send + '_>>;
}

/// A JWK Set document (RFC 7517 §5) as a source gave it, not looked at yet.
#[derive(Clone, Debug)]
pub struct FetchedKeySet {
    pub(crate) json: Vec<u8>,
}

impl FetchedKeySet {
    /// The document's bytes.
    #[must_use]
    pub fn new(json: impl Into<Vec<u8>>) -> Self {
        Self { json: json.into() }
    }
}
