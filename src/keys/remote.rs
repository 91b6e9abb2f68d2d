//! Fetching a JWK Set over HTTP: from a known URL, or from the one that the issuer's metadata names.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use super::source::{FetchedKeySet, KeySource};
use crate::error::{ConfigError, KeySetError};
use crate::issuer::is_secure_enough;
use crate::jose::parse_document;

/// The largest key set or metadata document that is read, in bytes.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// The HTTP client for key fetches: no redirects, no proxy from the environment, no cookies, no decompression, 200 only,
/// bounded in size and time.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(reqwest::Client);

impl HttpClient {
    pub(crate) fn new(connect_timeout: Duration, fetch_timeout: Duration) -> Result<Self, ConfigError> {
        let client = reqwest::Client::builder()
            .connect_timeout(connect_timeout)
            .timeout(fetch_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Self).map_err(|error| {
            let problem = format!("the HTTP client for keys cannot be built: {}", describe(&error));
            ConfigError::new("issuer", problem)
        })
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, KeySetError> {
        let shown = || Arc::<str>::from(url.as_str());
        let transport = |error: reqwest::Error| KeySetError::Transport {
            url: shown(),
            source: Arc::new(Chain(describe(&error.without_url()))),
        };
        let mut response = self.0.get(url.clone()).send().await.map_err(transport)?;
        if response.status() != StatusCode::OK {
            return Err(KeySetError::Status { url: shown(), status: response.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(KeySetError::TooLarge { url: shown(), limit: MAX_BODY_BYTES });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A JWK Set behind HTTP.
pub(crate) struct RemoteSource {
    client: HttpClient,
    location: Location,
}

enum Location {
    Url(Url),
    Discovery {
        issuer: Arc<str>,
        allows_http: bool,
        /// Where the set was found the last time; forgotten when it is not there any more.
        jwks_uri: Mutex<Option<Url>>,
    },
}

impl RemoteSource {
    /// A set at a known URL.
    pub(crate) const fn at(client: HttpClient, url: Url) -> Self {
        Self { client, location: Location::Url(url) }
    }

    /// The set that the issuer's metadata names.
    pub(crate) fn discover(client: HttpClient, issuer: Arc<str>, allows_http: bool) -> Self {
        Self { client, location: Location::Discovery { issuer, allows_http, jwks_uri: Mutex::default() } }
    }

    async fn fetch_set(&self) -> Result<Vec<u8>, KeySetError> {
        let (issuer, allows_http, remembered) = match &self.location {
            Location::Url(url) => return self.client.get(url).await,
            Location::Discovery { issuer, allows_http, jwks_uri } => (issuer, *allows_http, jwks_uri),
        };
        let lock = || remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().take();
        let jwks_uri = match known {
            Some(url) => url,
            None => self.discover_jwks_uri(issuer, allows_http).await?,
        };
        let set = self.client.get(&jwks_uri).await?;
        *lock() = Some(jwks_uri);
        Ok(set)
    }

    /// RFC 8414 §3.1 first, then OpenID Connect Discovery 1.0 §4.
    async fn discover_jwks_uri(&self, issuer: &Arc<str>, allows_http: bool) -> Result<Url, KeySetError> {
        let [oauth, openid] = metadata_urls(issuer)?;
        let metadata = match self.client.get(&oauth).await {
            Ok(metadata) => metadata,
            Err(oauth_error) => {
                tracing::debug!(%issuer, error = %oauth_error, "no RFC 8414 metadata, trying OpenID");
                self.client.get(&openid).await?
            }
        };
        jwks_uri(&metadata, issuer, allows_http)
    }
}

impl KeySource for RemoteSource {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<FetchedKeySet, KeySetError>> + Send + '_>> {
        Box::pin(async { self.fetch_set().await.map(FetchedKeySet::new) })
    }
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Url(url) => f.debug_tuple("JwkSetUrl").field(&url.as_str()).finish(),
            Location::Discovery { issuer, .. } => f.debug_tuple("Discovery").field(issuer).finish(),
        }
    }
}

/// The well-known path goes in front of the issuer's own path in RFC 8414 §3.1, and behind it in OpenID Connect
/// Discovery 1.0 §4.1; a terminating slash is removed for both.
fn metadata_urls(issuer: &str) -> Result<[Url; 2], KeySetError> {
    let parse_error = |error: url::ParseError| KeySetError::Metadata(error.to_string().into());
    let base = Url::parse(issuer).map_err(parse_error)?;
    let path = base.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = base.clone();
        url.set_path(&path);
        url
    };
    Ok([
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
    ])
}

fn jwks_uri(metadata: &[u8], issuer: &Arc<str>, allows_http: bool) -> Result<Url, KeySetError> {
    #[derive(Deserialize)]
    struct Metadata {
        issuer: Box<str>,
        jwks_uri: Box<str>,
    }
    let metadata: Metadata = parse_document(metadata).map_err(|problem| KeySetError::Metadata(problem.into()))?;
    if *metadata.issuer != **issuer {
        let (expected, found) = (Arc::clone(issuer), metadata.issuer.into());
        return Err(KeySetError::IssuerMismatch { expected, found });
    }
    let url = Url::parse(&metadata.jwks_uri).map_err(|error| KeySetError::Metadata(error.to_string().into()))?;
    // An issuer on loopback may name keys on loopback; one on the network must not send us there.
    let issuer_is_http = issuer.starts_with("http:");
    if url.scheme() == "https" || (issuer_is_http && is_secure_enough(&url, allows_http)) {
        Ok(url)
    } else {
        Err(KeySetError::InsecureUrl(metadata.jwks_uri.into()))
    }
}

/// reqwest's errors say little by themselves; the cause is in the chain.
fn describe(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The text of an error chain whose types stay private.
#[derive(Debug)]
struct Chain(String);

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Chain {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an issuer's metadata may name this as the place of its keys.
    fn may_name(issuer: &str, uri: &str, allows_http: bool) -> bool {
        let metadata = serde_json::json!({ "issuer": issuer, "jwks_uri": uri }).to_string();
        jwks_uri(metadata.as_bytes(), &issuer.into(), allows_http).is_ok()
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
}
