//! Fetching a JWK Set over HTTP: from a known URL, or from the one that the issuer's metadata names.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use url::Url;

use super::http_client::HttpClient;
use super::source::{FetchedKeySet, KeySource, KeySourceFuture};
use crate::error::KeySetError;
use crate::jose::parse_document;
use crate::urls::{is_secure_enough, shown};

/// A JWK Set behind HTTP.
pub(crate) struct RemoteSource {
    client: HttpClient,
    location: RemoteLocation,
}

/// Where to begin.
pub(crate) enum RemoteLocation {
    /// A set at a known URL.
    JwkSet(Url),
    /// The set that the issuer's metadata names.
    Discovery(Box<Discovery>),
}

/// Whose metadata is asked where, and what it may say.
pub(crate) struct Discovery {
    issuer: Arc<str>,
    metadata: Url,
    /// Asked when there is no metadata at the first place.
    openid_metadata: Option<Url>,
    allows_http: bool,
    requires_same_origin: bool,
    /// Where the set was found the last time; forgotten when it is not there any more.
    jwks_uri: Mutex<Option<Url>>,
    /// The last validator, and what it is of: another URL may have the same one for another set.
    validator: Mutex<Option<(Url, Box<str>)>>,
}

impl RemoteSource {
    pub(crate) const fn new(client: HttpClient, location: RemoteLocation) -> Self {
        Self { client, location }
    }

    async fn fetch_set(&self, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let discovery = match &self.location {
            RemoteLocation::JwkSet(url) => return self.client.get(url, etag).await,
            RemoteLocation::Discovery(discovery) => discovery,
        };
        let known = lock(&discovery.jwks_uri).take();
        let jwks_uri = match known {
            Some(url) => url,
            None => discovery.discover(&self.client).await?,
        };
        let is_of_it = |etag: &&str| {
            lock(&discovery.validator).as_ref().is_some_and(|(url, last)| *url == jwks_uri && **last == **etag)
        };
        let set = self.client.get(&jwks_uri, etag.filter(is_of_it)).await?;
        if let Some(etag) = &set.etag {
            *lock(&discovery.validator) = Some((jwks_uri.clone(), etag.clone()));
        }
        *lock(&discovery.jwks_uri) = Some(jwks_uri);
        Ok(set)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RemoteLocation {
    /// The first URL that is asked.
    pub(crate) fn entry(&self) -> &Url {
        match self {
            Self::JwkSet(url) => url,
            Self::Discovery(discovery) => &discovery.metadata,
        }
    }
}

impl Discovery {
    /// At the issuer's own URL: by RFC 8414 §3.1 first, then by OpenID Connect Discovery 1.0 §4.
    pub(crate) fn at_issuer(issuer: Arc<str>, url: &Url) -> Self {
        let [oauth, openid] = metadata_urls(url);
        Self { openid_metadata: Some(openid), ..Self::at(issuer, oauth) }
    }

    /// At this URL, whatever the issuer is called.
    pub(crate) const fn at(issuer: Arc<str>, metadata: Url) -> Self {
        Self {
            issuer,
            metadata,
            openid_metadata: None,
            allows_http: false,
            requires_same_origin: false,
            jwks_uri: Mutex::new(None),
            validator: Mutex::new(None),
        }
    }

    pub(crate) const fn allow_http(mut self, allow: bool) -> Self {
        self.allows_http = allow;
        self
    }

    pub(crate) const fn require_same_origin(mut self, require: bool) -> Self {
        self.requires_same_origin = require;
        self
    }

    async fn discover(&self, client: &HttpClient) -> Result<Url, KeySetError> {
        let (from, fetched) = match (client.get(&self.metadata, None).await, &self.openid_metadata) {
            (Ok(fetched), _) => (&self.metadata, fetched),
            (Err(error), None) => return Err(error),
            (Err(oauth_error), Some(openid)) => {
                let no_metadata = |openid_error: KeySetError| match &oauth_error {
                    // No answer from either place: the reason is the host's, and not that there is no metadata.
                    KeySetError::Transport { .. } | KeySetError::Timeout(_) | KeySetError::RefusedAddress { .. }
                        if oauth_error.reason() == openid_error.reason() =>
                    {
                        oauth_error
                    }
                    _ => KeySetError::NoMetadata { oauth: Box::new(oauth_error), openid: Box::new(openid_error) },
                };
                (openid, client.get(openid, None).await.map_err(no_metadata)?)
            }
        };
        self.jwks_uri(&fetched.json.unwrap_or_default(), from)
    }

    /// What the metadata that was fetched from this URL names, if it may.
    fn jwks_uri(&self, metadata: &[u8], from: &Url) -> Result<Url, KeySetError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: Box<str>,
            jwks_uri: Box<str>,
        }
        let metadata: Metadata = parse_document(metadata).map_err(|problem| KeySetError::Metadata(problem.into()))?;
        if *metadata.issuer != *self.issuer {
            let (expected, found) = (Arc::clone(&self.issuer), metadata.issuer.into());
            return Err(KeySetError::IssuerMismatch { expected, found });
        }
        let url = Url::parse(&metadata.jwks_uri).map_err(|error| KeySetError::Metadata(error.to_string().into()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(KeySetError::Metadata("`jwks_uri` has user information, which would end up in logs".into()));
        }
        // Metadata from loopback may name keys on loopback; metadata from the network must not send us there.
        let may_be_http = from.scheme() == "http" && is_secure_enough(&url, self.allows_http);
        if url.scheme() != "https" && !may_be_http {
            return Err(KeySetError::InsecureUrl(shown(&url)));
        }
        if self.requires_same_origin && url.origin() != from.origin() {
            let (metadata, jwks_uri) = (shown(from), shown(&url));
            return Err(KeySetError::OtherOrigin { metadata, jwks_uri });
        }
        Ok(url)
    }
}

impl KeySource for RemoteSource {
    fn fetch<'a>(&'a self, etag: Option<&'a str>) -> KeySourceFuture<'a> {
        Box::pin(self.fetch_set(etag))
    }
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            RemoteLocation::JwkSet(url) => f.debug_tuple("JwkSetUrl").field(&url.as_str()).finish(),
            RemoteLocation::Discovery(discovery) => f.debug_tuple("Discovery").field(&discovery.issuer).finish(),
        }
    }
}

/// The well-known path goes in front of the issuer's own path in RFC 8414 §3.1, and behind it in OpenID Connect
/// Discovery 1.0 §4.1; a terminating slash is removed for both.
fn metadata_urls(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    [
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an issuer's metadata may name this as the place of its keys.
    fn may_name(issuer: &str, uri: &str, allows_http: bool) -> bool {
        let metadata = serde_json::json!({ "issuer": issuer, "jwks_uri": uri }).to_string();
        let url = Url::parse(issuer).unwrap();
        let discovery = Discovery::at_issuer(issuer.into(), &url).allow_http(allows_http);
        discovery.jwks_uri(metadata.as_bytes(), &discovery.metadata).is_ok()
    }

    #[test]
    fn r65_only_an_issuer_on_http_may_name_keys_on_http() {
        let (public, loopback) = ("https://as.example.com", "http://127.0.0.1:1");
        for issuer in [public, loopback] {
            assert!(may_name(issuer, "https://keys.example.com/jwks", false), "{issuer}");
            assert!(!may_name(issuer, "http://keys.example.com/jwks", false), "{issuer}");
            assert!(!may_name(issuer, "file:///jwks", true), "{issuer}");
        }
        assert!(may_name(loopback, "http://127.0.0.1:2/jwks", false));
        assert!(!may_name(public, "http://127.0.0.1:2/jwks", false));
        assert!(!may_name(public, "http://keys.example.com/jwks", true));
        assert!(may_name("http://as.internal", "http://keys.internal/jwks", true));
    }

    #[test]
    fn j16_an_origin_is_scheme_host_and_port() {
        let issuer = "https://as.example.com/tenant";
        for (uri, same) in [
            ("https://as.example.com/keys", true),
            ("https://as.example.com:443/keys", true),
            ("https://AS.example.com/keys", true),
            ("https://as.example.com:8443/keys", false),
            ("https://as.example.com./keys", false),
            ("https://keys.as.example.com/", false),
            ("https://as.example.com.evil.example/", false),
        ] {
            let metadata = serde_json::json!({ "issuer": issuer, "jwks_uri": uri }).to_string();
            let url = Url::parse(issuer).unwrap();
            let discovery = Discovery::at_issuer(issuer.into(), &url).require_same_origin(true);
            let result = discovery.jwks_uri(metadata.as_bytes(), &discovery.metadata);
            assert_eq!(result.is_ok(), same, "{uri}");
            assert!(same || matches!(result, Err(KeySetError::OtherOrigin { .. })), "{uri}");
        }
    }
}
