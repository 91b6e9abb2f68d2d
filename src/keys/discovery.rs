//! Finding an issuer's key set or introspection endpoint through its metadata (RFC 8414 §3, OpenID Connect Discovery
//! 1.0 §4).
//!
//! After any document that cannot be used, the next well-known place is tried: a single-page application serves a page
//! at any path, and `jwks_uri` is optional in RFC 8414. A slow place is not abandoned. The next one is tried while we
//! wait for it, and the first usable document wins: every usable document names the issuer.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::excerpt::bounded;
use super::http_client::HttpClient;
use crate::error::KeySetError;
use crate::jose::parse_document;
use crate::urls::{is_secure_enough, shown};

/// A longer URL would flood the log, where every error quotes it.
const MAX_URI_BYTES: usize = 2_048;

/// How much of another issuer's name is shown.
const MAX_SHOWN_CHARS: usize = 256;

/// Which issuer's metadata to fetch from where, and what it may say.
pub(crate) struct Discovery {
    wanted: Wanted,
    issuer: Arc<str>,
    /// In the order in which they are tried. Never empty.
    places: Vec<Url>,
    allows_http: bool,
    requires_same_origin: bool,
}

/// The member of the metadata that is looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// The key set (RFC 8414 §2).
    JwksUri,
    /// RFC 8414 §2, RFC 7662.
    IntrospectionEndpoint,
}

impl Wanted {
    const fn name(self) -> &'static str {
        match self {
            Self::JwksUri => "jwks_uri",
            Self::IntrospectionEndpoint => "introspection_endpoint",
        }
    }
}

impl Discovery {
    /// At the issuer's own URL.
    pub(crate) fn at_issuer(wanted: Wanted, issuer: Arc<str>, url: &Url) -> Self {
        Self { wanted, issuer, places: well_known_places(url), allows_http: false, requires_same_origin: false }
    }

    /// At this URL, whatever the issuer's name.
    pub(crate) fn at(wanted: Wanted, issuer: Arc<str>, metadata: Url) -> Self {
        Self { wanted, issuer, places: vec![metadata], allows_http: false, requires_same_origin: false }
    }

    pub(crate) const fn allow_http(mut self, allow: bool) -> Self {
        self.allows_http = allow;
        self
    }

    pub(crate) const fn require_same_origin(mut self, require: bool) -> Self {
        self.requires_same_origin = require;
        self
    }

    /// The first URL to try.
    pub(crate) fn entry(&self) -> Option<&Url> {
        self.places.first()
    }

    /// What the first usable document names; `None` when there is none, and then `attempts` has all failures.
    /// `patience` is how long to wait for a place before the next one is tried as well.
    pub(crate) async fn find(&self, client: &HttpClient, patience: Duration, attempts: &Attempts) -> Option<Url> {
        self.first_usable(&self.places, client, patience, attempts).await
    }

    fn first_usable<'a>(
        &'a self,
        places: &'a [Url],
        client: &'a HttpClient,
        patience: Duration,
        attempts: &'a Attempts,
    ) -> Pin<Box<dyn Future<Output = Option<Url>> + Send + 'a>> {
        Box::pin(async move {
            let (place, others) = places.split_first()?;
            let mut first = pin!(attempts.record(place, self.ask(place, client)));
            if others.is_empty() {
                return first.await;
            }
            let in_time = tokio::time::timeout(patience, first.as_mut()).await;
            let others = self.first_usable(others, client, patience, attempts);
            match in_time {
                Ok(Some(found)) => Some(found),
                Ok(None) => others.await,
                Err(_) => first_some(first, others).await,
            }
        })
    }

    async fn ask(&self, place: &Url, client: &HttpClient) -> Result<Url, KeySetError> {
        let fetched = client.get(place, None).await?;
        let named = self.check(fetched.json.as_deref().unwrap_or_default(), place);
        let named = named.map_err(|error| fetched.located(error))?;
        client.check_literal(&named).map_err(|error| fetched.located(error))?;
        Ok(named)
    }

    /// The URL that is wanted, in metadata from this URL, if the metadata may name it.
    fn check(&self, metadata: &[u8], from: &Url) -> Result<Url, KeySetError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: Option<Value>,
            jwks_uri: Option<Value>,
            introspection_endpoint: Option<Value>,
        }
        let metadata: Metadata = parse_document(metadata)
            .map_err(|error| KeySetError::Metadata { problem: error.problem.into(), is_json: error.is_json })?;
        let invalid = |problem: String| KeySetError::Metadata { problem: problem.into(), is_json: true };
        // RFC 8414 §3.3: equal byte for byte, or nothing in it may be used.
        let issuer = text("issuer", metadata.issuer).map_err(invalid)?;
        if *issuer != *self.issuer {
            let (expected, found) = (Arc::clone(&self.issuer), bounded(&issuer, MAX_SHOWN_CHARS));
            return Err(KeySetError::IssuerMismatch { expected, found });
        }
        let name = self.wanted.name();
        let value = match self.wanted {
            Wanted::JwksUri => metadata.jwks_uri,
            Wanted::IntrospectionEndpoint => metadata.introspection_endpoint,
        };
        let value = text(name, value).map_err(invalid)?;
        if value.len() > MAX_URI_BYTES {
            return Err(invalid(format!("`{name}` is longer than {MAX_URI_BYTES} bytes")));
        }
        let url = Url::parse(&value).map_err(|error| invalid(format!("`{name}` is not a URL: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(format!("`{name}` has user information, which would end up in logs")));
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

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Discovery").field(&self.issuer).finish()
    }
}

/// The failure at each URL of one fetch, in the order in which they were tried. A request that is still running counts
/// as timed out: by the time the fetch ends, it has.
pub(crate) struct Attempts {
    limit: Duration,
    failures: Mutex<Vec<KeySetError>>,
}

impl Attempts {
    /// For a fetch with this timeout.
    pub(crate) const fn within(limit: Duration) -> Self {
        Self { limit, failures: Mutex::new(Vec::new()) }
    }

    pub(super) async fn record<T>(
        &self,
        url: &Url,
        attempt: impl Future<Output = Result<T, KeySetError>>,
    ) -> Option<T> {
        let position = {
            let mut failures = self.failures();
            failures.push(KeySetError::Timeout(self.limit).at_url(shown(url), shown(url)));
            failures.len() - 1
        };
        match attempt.await {
            Ok(found) => Some(found),
            Err(error) => {
                if let Some(failure) = self.failures().get_mut(position) {
                    *failure = error;
                }
                None
            }
        }
    }

    /// Discards the failures: one of the places was usable after all.
    pub(super) fn clear(&self) {
        self.failures().clear();
    }

    pub(crate) fn into_error(self) -> KeySetError {
        let failures = self.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        KeySetError::of_places(failures).unwrap_or(KeySetError::Timeout(self.limit))
    }

    fn failures(&self) -> MutexGuard<'_, Vec<KeySetError>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The well-known path goes in front of the issuer's own path in RFC 8414 §3.1, and behind it in OpenID Connect
/// Discovery 1.0 §4.1; a terminating slash is removed for both. RFC 8414 §5 also allows the OpenID Connect document in
/// front. That place comes last because few providers use it, and for an issuer without a path it is the same place.
fn well_known_places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    let mut places = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
    ];
    if !path.is_empty() {
        places.push(at(format!("/.well-known/openid-configuration{path}")));
    }
    places
}

/// A required member. `null` counts as absent.
fn text(name: &str, value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("`{name}` is not a string")),
        None => Err(format!("`{name}` is missing")),
    }
}

/// The first `Some` of the two; `None` when there is neither.
async fn first_some<T>(first: impl Future<Output = Option<T>>, second: impl Future<Output = Option<T>>) -> Option<T> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut first_ended, mut second_ended) = (false, false);
    poll_fn(|context| {
        if !first_ended && let Poll::Ready(result) = first.as_mut().poll(context) {
            first_ended = true;
            if result.is_some() {
                return Poll::Ready(result);
            }
        }
        if !second_ended && let Poll::Ready(result) = second.as_mut().poll(context) {
            second_ended = true;
            if result.is_some() {
                return Poll::Ready(result);
            }
        }
        if first_ended && second_ended { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(discovery: &Discovery, metadata: &Value) -> Result<Url, KeySetError> {
        discovery.check(metadata.to_string().as_bytes(), discovery.entry().unwrap())
    }

    /// Whether an issuer's metadata may name this `jwks_uri`.
    fn may_name(issuer: &str, uri: &str, allows_http: bool) -> bool {
        let discovery =
            Discovery::at_issuer(Wanted::JwksUri, issuer.into(), &Url::parse(issuer).unwrap()).allow_http(allows_http);
        named(&discovery, &serde_json::json!({ "issuer": issuer, "jwks_uri": uri })).is_ok()
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
            let url = Url::parse(issuer).unwrap();
            let discovery = Discovery::at_issuer(Wanted::JwksUri, issuer.into(), &url).require_same_origin(true);
            let result = named(&discovery, &serde_json::json!({ "issuer": issuer, "jwks_uri": uri }));
            assert_eq!(result.is_ok(), same, "{uri}");
            assert!(same || matches!(result, Err(KeySetError::OtherOrigin { .. })), "{uri}");
        }
    }

    #[test]
    fn r31_the_places_of_metadata() {
        let places = |issuer: &str| -> Vec<_> {
            well_known_places(&Url::parse(issuer).unwrap()).iter().map(|url| url.path().to_owned()).collect()
        };
        let root = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        assert_eq!(places("https://as.example.com"), root);
        assert_eq!(places("https://as.example.com/"), root);
        let tenant = [
            "/.well-known/oauth-authorization-server/a/b",
            "/a/b/.well-known/openid-configuration",
            "/.well-known/openid-configuration/a/b",
        ];
        assert_eq!(places("https://as.example.com/a/b"), tenant);
        assert_eq!(places("https://as.example.com/a/b/"), tenant);
    }
}
