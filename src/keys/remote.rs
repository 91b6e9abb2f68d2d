//! Fetching a JWK Set over HTTP: from a known URL, or from the one that the issuer's metadata names.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

use super::discovery::{Attempts, Discovery};
use super::http_client::HttpClient;
use super::source::{FetchedKeySet, KeySource, KeySourceFuture, Origin};
use crate::error::KeySetError;

/// A JWK Set behind HTTP.
pub(crate) struct RemoteSource {
    client: HttpClient,
    location: RemoteLocation,
    /// How long a fetch may take, discovery included.
    limit: Duration,
    /// Where discovery last found the set; cleared when the set is no longer there.
    jwks_uri: Mutex<Option<Url>>,
    /// The last validator and its URL: another URL may use the same validator for another set.
    validator: Mutex<Option<(Url, Box<str>)>>,
}

/// Where to begin.
pub(crate) enum RemoteLocation {
    /// A set at a known URL.
    JwkSet(Url),
    /// The set that the issuer's metadata names.
    Discovery(Box<Discovery>),
}

impl RemoteSource {
    pub(crate) const fn new(client: HttpClient, location: RemoteLocation, limit: Duration) -> Self {
        Self { client, location, limit, jwks_uri: Mutex::new(None), validator: Mutex::new(None) }
    }

    /// Ends a little before the cache or the failover ends it, so that the error can name the URLs.
    async fn fetch_in_time(&self, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let attempts = Attempts::within(self.limit);
        let fetch = self.fetch_set(etag, &attempts);
        let fetched = tokio::time::timeout(self.limit - self.limit / 20, fetch).await.ok().flatten();
        fetched.ok_or_else(|| attempts.into_error())
    }

    async fn fetch_set(&self, etag: Option<&str>, attempts: &Attempts) -> Option<FetchedKeySet> {
        let discovery = match &self.location {
            RemoteLocation::JwkSet(url) => return attempts.record(url, self.get(url, etag)).await,
            RemoteLocation::Discovery(discovery) => discovery,
        };
        let known = lock(&self.jwks_uri).take();
        let jwks_uri = match known {
            Some(url) => url,
            None => discovery.find(&self.client, self.limit / 4, attempts).await?,
        };
        attempts.clear();
        let belongs_to_this_url = |etag: &&str| {
            lock(&self.validator).as_ref().is_some_and(|(url, last)| *url == jwks_uri && **last == **etag)
        };
        let set = attempts.record(&jwks_uri, self.get(&jwks_uri, etag.filter(belongs_to_this_url))).await?;
        if let Some(etag) = &set.etag {
            *lock(&self.validator) = Some((jwks_uri.clone(), etag.clone()));
        }
        *lock(&self.jwks_uri) = Some(jwks_uri);
        Some(set)
    }

    /// Fetches the set. Any failure may be due to a credential that was withheld, so errors mention it.
    async fn get(&self, url: &Url, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let withheld = || {
            let (names, origin) = self.client.withheld(url)?;
            let way_out = match self.location {
                RemoteLocation::Discovery(_) => {
                    "if the server of the keys may have it, give their URL with \
                                                 `.jwk_set_url(..)` in place of discovery"
                }
                RemoteLocation::JwkSet(_) => "a failover that needs one can be a `.failover_key_source(..)`",
            };
            Some(format!(
                "{names} of `.key_request_header(..)` was not sent there, because it is for {origin} only; {way_out}"
            ))
        };
        match self.client.get(url, etag).await {
            Ok(mut fetched) => {
                if let Some(Origin::Response { note, .. }) = &mut fetched.origin {
                    *note = withheld().map(Into::into);
                }
                Ok(fetched)
            }
            Err(error) => Err(match withheld() {
                Some(withheld) => error.at(withheld),
                None => error,
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RemoteLocation {
    /// The first URL that is asked.
    pub(crate) fn entry(&self) -> Option<&Url> {
        match self {
            Self::JwkSet(url) => Some(url),
            Self::Discovery(discovery) => discovery.entry(),
        }
    }
}

impl KeySource for RemoteSource {
    fn fetch<'a>(&'a self, etag: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(self.fetch_in_time(etag))
    }

    fn place(&self) -> Option<Cow<'_, str>> {
        let url = self.location.entry()?;
        Some(match self.location {
            RemoteLocation::JwkSet(_) => url.as_str().into(),
            RemoteLocation::Discovery(_) => format!("metadata {url}").into(),
        })
    }
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            RemoteLocation::JwkSet(url) => f.debug_tuple("JwkSetUrl").field(&url.as_str()).finish(),
            RemoteLocation::Discovery(discovery) => discovery.fmt(f),
        }
    }
}
