//! The HTTP client for key fetches, and what keeps a fetch within bounds.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, IF_NONE_MATCH, LOCATION};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::Url;

use super::address_guard::{AddressGuard, RefusedAddress};
use super::source::{FetchedKeySet, Origin};
use super::witness::{Unchecked, WitnessLayer};
use super::{MAX_BODY_BYTES, caching, excerpt, transport, witness};
use crate::config_error::ConfigError;
use crate::error::KeySetError;
use crate::urls::shown;

/// How long to wait for the body of an error response, of which only the first characters are shown.
const ERROR_PAGE_WAIT: Duration = Duration::from_millis(250);

/// How many characters of a header field or URL from the server are shown.
const MAX_SHOWN_CHARS: usize = 100;

/// What the application does to the client before its bounds are set.
pub(crate) type ConfigureClient = dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync;

/// The HTTP client for key fetches: no redirects, no proxy from the environment, no cookies, no decompression, 200
/// only, bounded in size and time, and kept out of refused networks.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    guard: AddressGuard,
    connect_timeout: Duration,
    fetch_timeout: Duration,
    /// What is sent along to one origin and to no other.
    headers: Option<(url::Origin, HeaderMap)>,
}

/// The client that the issuers of one resource server share where they ask for the same: making one takes milliseconds
/// and a hundred kilobytes, and a resolver may bring a thousand issuers.
#[derive(Default)]
pub(crate) struct HttpClients(Mutex<Option<(ClientSettings, reqwest::Client)>>);

/// What the application says about the client, by which clients are told apart.
#[derive(Clone)]
pub(crate) struct ClientSettings {
    /// None for a client as it comes.
    pub(crate) configure: Option<Arc<ConfigureClient>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) fetch_timeout: Duration,
    pub(crate) guard: AddressGuard,
}

impl HttpClients {
    /// The client of the last call if that had the same settings, or a new one.
    pub(crate) fn get(&self, settings: ClientSettings) -> Result<HttpClient, ConfigError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ClientSettings { connect_timeout, fetch_timeout, ref guard, .. } = settings;
        let guard = guard.clone();
        let client = match &*last {
            Some((same, client)) if *same == settings => client.clone(),
            _ => {
                let client = settings.build()?;
                *last = Some((settings, client.clone()));
                client
            }
        };
        Ok(HttpClient { client, guard, connect_timeout, fetch_timeout, headers: None })
    }
}

impl ClientSettings {
    /// The application's wishes come in between: it may change who is trusted and how the provider is reached, not what
    /// keeps a fetch within bounds.
    fn build(&self) -> Result<reqwest::Client, ConfigError> {
        let defaults =
            reqwest::Client::builder().no_proxy().user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")));
        let configured = match &self.configure {
            Some(configure) => configure(defaults),
            None => defaults,
        };
        let mut builder = configured
            .connect_timeout(self.connect_timeout)
            .timeout(self.fetch_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Another crate in the application may have enabled these: Cargo unifies features.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd();
        if !self.guard.is_off() {
            builder = builder.no_proxy().dns_resolver(self.guard.clone()).connector_layer(WitnessLayer);
        }
        builder.build().map_err(|error| {
            let problem = format!(
                "the HTTP client for keys cannot be built ({}); a machine without root certificates needs the package \
                 `ca-certificates`, or a root from `.http_client(|client| client.tls_certs_only([root]))`",
                describe(&error)
            );
            ConfigError::new("http_client", problem)
        })
    }
}

impl PartialEq for ClientSettings {
    fn eq(&self, other: &Self) -> bool {
        let configure = match (&self.configure, &other.configure) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        };
        configure
            && (self.connect_timeout, self.fetch_timeout) == (other.connect_timeout, other.fetch_timeout)
            && self.guard == other.guard
    }
}

impl fmt::Debug for HttpClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClients").finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Sends these along to the origin of this URL only.
    pub(crate) fn with_headers_for(mut self, url: &Url, headers: HeaderMap) -> Self {
        self.headers = Some((url.origin(), headers));
        self
    }

    /// Whether the URL's host is an address in a refused network.
    pub(crate) fn check_literal(&self, url: &Url) -> Result<(), KeySetError> {
        self.guard.check_literal(url).map_err(|refused| refused.of_url(url))
    }

    /// The names of the header fields that are withheld from this URL, and the origin that gets them.
    pub(super) fn withheld(&self, url: &Url) -> Option<(String, String)> {
        let (origin, headers) = self.headers.as_ref()?;
        if headers.is_empty() || *origin == url.origin() {
            return None;
        }
        let names: Vec<_> = headers.keys().map(|name| format!("`{name}`")).collect();
        Some((names.join(", "), origin.ascii_serialization()))
    }

    /// Fetches a document, unless the server says that it still is the one with this `etag`.
    pub(super) async fn get(&self, url: &Url, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        self.check_literal(url)?;
        let etag = etag.filter(|etag| may_be_sent(etag));
        let failed = |error| self.failed(url, error);
        let mut request = self.client.get(url.clone());
        let credentials = self.headers.as_ref().filter(|(origin, _)| *origin == url.origin());
        if let Some((_, headers)) = credentials {
            request = request.headers(headers.clone());
        }
        // Error pages repeat what they were sent.
        let may_quote = credentials.is_none_or(|(_, headers)| headers.is_empty()) && url.query().is_none();
        // Without this field every coding is acceptable (RFC 9110 §12.5.3), and some servers then compress.
        request = request.header(ACCEPT_ENCODING, "identity");
        let request = etag.into_iter().fold(request, |request, etag| request.header(IF_NONE_MATCH, etag));
        let mut response = self.send(url, request).await?;
        let headers = caching::Headers::read(response.headers());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(headers.describe(FetchedKeySet::unchanged())),
            status => {
                let (url, status, retry_after) = (shown(url), status.as_u16(), headers.retry_after);
                let error = KeySetError::Status { url, status, retry_after };
                return Err(error.at(describe_refusal(response, may_quote).await));
            }
        }
        let content_type = describe_content_type(response.headers());
        if let Some(coding) = caching::content_coding(response.headers()) {
            let coding = excerpt::bounded(&coding, MAX_SHOWN_CHARS);
            return Err(KeySetError::ContentCoding { url: shown(url), coding }.at(content_type));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(KeySetError::TooLarge { url: shown(url), limit: MAX_BODY_BYTES }.at(content_type));
            }
            body.extend_from_slice(&chunk);
        }
        let origin = Some(Origin::Response { url: shown(url), content_type, note: None, may_quote });
        Ok(FetchedKeySet { origin, ..headers.describe(FetchedKeySet::new(body)) })
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Response, KeySetError> {
        let failed = |error| self.failed(url, error);
        if self.guard.is_off() {
            return request.send().await.map_err(failed);
        }
        let response = witness::watch(url, request.send()).await.map_err(failed)?;
        // No address was looked up for a URL without a name, and a Unix socket has none.
        match response.remote_addr() {
            Some(_) => Ok(response),
            None => Err(KeySetError::UncheckedAddress { url: shown(url) }),
        }
    }

    fn failed(&self, url: &Url, error: reqwest::Error) -> KeySetError {
        if transport::chain(&error).any(|error| error.is::<Unchecked>()) {
            return KeySetError::UncheckedAddress { url: shown(url) };
        }
        match RefusedAddress::in_chain(&error) {
            Some(refused) => refused.of_url(url),
            None if error.is_timeout() => {
                let limit = if error.is_connect() { self.connect_timeout } else { self.fetch_timeout };
                KeySetError::Timeout(limit).at_url(shown(url), shown(url))
            }
            None => KeySetError::Transport {
                url: shown(url),
                fault: transport::fault_of(&error, url),
                source: Arc::new(Chain(error.without_url())),
            },
        }
    }
}

/// Describes a response whose status is not 200. A body that does not arrive promptly, or may repeat a credential, is
/// omitted.
async fn describe_refusal(mut response: Response, may_quote: bool) -> String {
    let mut text = describe_content_type(response.headers());
    if let Some(location) = response.headers().get(LOCATION) {
        let location = location.to_str().ok().and_then(|location| response.url().join(location).ok());
        let location = location.as_ref().map_or_else(|| "nowhere".into(), place);
        text.push_str(&format!(", redirects to {location}, which is not followed"));
    }
    if may_quote
        && caching::content_coding(response.headers()).is_none()
        && let Ok(Ok(Some(chunk))) = tokio::time::timeout(ERROR_PAGE_WAIT, response.chunk()).await
        && let Some(beginning) = excerpt::describe(&chunk)
    {
        text.push_str(&format!(", {beginning}"));
    }
    text
}

/// A URL without the parts that may hold a credential: user information, query and fragment.
fn place(url: &Url) -> Arc<str> {
    let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
    excerpt::bounded(&place, MAX_SHOWN_CHARS)
}

fn describe_content_type(headers: &HeaderMap) -> String {
    match headers.get(CONTENT_TYPE) {
        Some(value) => {
            let value = String::from_utf8_lossy(value.as_bytes());
            format!("content type {:?}", excerpt::bounded(&value, MAX_SHOWN_CHARS))
        }
        None => String::from("no content type"),
    }
}

/// A text with spaces outside of quotes is no validator (RFC 9110 §8.8.3), such as a failover's in a copy of its set,
/// and some servers refuse the whole request for it.
fn may_be_sent(etag: &str) -> bool {
    let quoted = etag.strip_prefix("W/").unwrap_or(etag);
    !etag.contains(' ') || (quoted.starts_with('"') && quoted.ends_with('"'))
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

/// An error with the text of all its causes. The types between it and the innermost cause stay private.
struct Chain(reqwest::Error);

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&self.0))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chain").field(&describe(&self.0)).finish()
    }
}

impl StdError for Chain {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        transport::chain(&self.0).last()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn j14_only_validators_are_sent_back() {
        for (etag, sent) in [("\"1 2\"", true), ("W/\"1 2\"", true), ("1", true), ("0a1b \"1\"", false), ("1 2", false)]
        {
            assert_eq!(may_be_sent(etag), sent, "{etag}");
        }
    }

    #[test]
    fn issuers_that_ask_for_the_same_client_share_it() {
        let built = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&built);
        let configure: Arc<ConfigureClient> = Arc::new(move |client| {
            count.fetch_add(1, Ordering::SeqCst);
            client
        });
        let settings = |seconds, networks: &[&str]| ClientSettings {
            configure: Some(Arc::clone(&configure)),
            connect_timeout: Duration::from_secs(seconds),
            fetch_timeout: Duration::from_secs(5),
            guard: AddressGuard::new(&networks.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap(),
        };
        let clients = HttpClients::default();
        for (asked, expected) in [
            (settings(2, &[]), 1),
            (settings(2, &[]), 1),
            (settings(3, &[]), 2),
            (settings(3, &["10.0.0.0/8"]), 3),
            (settings(3, &["10.0.0.0/8"]), 3),
            (ClientSettings { configure: None, ..settings(3, &["10.0.0.0/8"]) }, 3),
            (settings(3, &["10.0.0.0/8"]), 4),
        ] {
            assert!(clients.get(asked).is_ok());
            assert_eq!(built.load(Ordering::SeqCst), expected);
        }
    }
}
