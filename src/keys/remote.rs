//! Fetching a JWK Set over HTTP: from a known URL, or from the one that the issuer's metadata names.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::IF_NONE_MATCH;
use serde::Deserialize;
use url::Url;

use super::MAX_BODY_BYTES;
use super::caching;
use super::source::{FetchedKeySet, KeySource, KeySourceFuture};
use crate::error::{ConfigError, KeySetError};
use crate::jose::parse_document;
use crate::urls::is_secure_enough;

/// What the application does to the client before its bounds are set.
pub(crate) type ConfigureClient = dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync;

/// The HTTP client for key fetches: no redirects, no proxy from the environment, no cookies, no decompression, 200 only,
/// bounded in size and time.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(reqwest::Client);

impl HttpClient {
    /// The application's wishes come in between: it may change who is trusted and how the provider is reached, not what
    /// keeps a fetch within bounds.
    pub(crate) fn new(
        configure: &ConfigureClient,
        connect_timeout: Duration,
        fetch_timeout: Duration,
    ) -> Result<Self, ConfigError> {
        let defaults =
            reqwest::Client::builder().no_proxy().user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")));
        let client = configure(defaults)
            .connect_timeout(connect_timeout)
            .timeout(fetch_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .build();
        client.map(Self).map_err(|error| {
            let problem = format!(
                "the HTTP client for keys cannot be built ({}); a machine without root certificates needs the package \
                 `ca-certificates`, or a root from `.http_client(|client| client.tls_certs_only([root]))`",
                describe(&error)
            );
            ConfigError::new("http_client", problem)
        })
    }

    /// Fetches a document, unless the server says that it still is the one with this `etag`.
    async fn get(&self, url: &Url, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let shown = || Arc::<str>::from(url.as_str());
        let transport = |error: reqwest::Error| KeySetError::Transport {
            url: shown(),
            source: Arc::new(Chain(describe(&error.without_url()))),
        };
        let request = self.0.get(url.clone());
        let request = etag.into_iter().fold(request, |request, etag| request.header(IF_NONE_MATCH, etag));
        let mut response = request.send().await.map_err(transport)?;
        let headers = caching::Headers::read(response.headers());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(headers.describe(FetchedKeySet::unchanged())),
            status => {
                let (url, status, retry_after) = (shown(), status.as_u16(), headers.retry_after);
                return Err(KeySetError::Status { url, status, retry_after });
            }
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(KeySetError::TooLarge { url: shown(), limit: MAX_BODY_BYTES });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(headers.describe(FetchedKeySet::new(body)))
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

    async fn fetch_set(&self, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        let (issuer, allows_http, remembered) = match &self.location {
            Location::Url(url) => return self.client.get(url, etag).await,
            Location::Discovery { issuer, allows_http, jwks_uri } => (issuer, *allows_http, jwks_uri),
        };
        let lock = || remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().take();
        let jwks_uri = match known {
            Some(url) => url,
            None => self.discover_jwks_uri(issuer, allows_http).await?,
        };
        let set = self.client.get(&jwks_uri, etag).await?;
        *lock() = Some(jwks_uri);
        Ok(set)
    }

    /// RFC 8414 §3.1 first, then OpenID Connect Discovery 1.0 §4.
    async fn discover_jwks_uri(&self, issuer: &Arc<str>, allows_http: bool) -> Result<Url, KeySetError> {
        let [oauth, openid] = metadata_urls(issuer)?;
        let metadata = match self.client.get(&oauth, None).await {
            Ok(metadata) => metadata,
            Err(oauth_error) => {
                let no_metadata = |openid_error| KeySetError::NoMetadata {
                    oauth: Box::new(oauth_error),
                    openid: Box::new(openid_error),
                };
                self.client.get(&openid, None).await.map_err(no_metadata)?
            }
        };
        jwks_uri(&metadata.json.unwrap_or_default(), issuer, allows_http)
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
    if !url.username().is_empty() || url.password().is_some() {
        return Err(KeySetError::Metadata("`jwks_uri` has user information, which would end up in logs".into()));
    }
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
