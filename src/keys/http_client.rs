//! The HTTP client for key fetches, and what keeps a fetch within bounds.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, IF_NONE_MATCH};
use url::{Origin, Url};

use super::address_guard::{AddressGuard, RefusedAddress};
use super::source::FetchedKeySet;
use super::{KeyPolicy, MAX_BODY_BYTES, caching};
use crate::error::{ConfigError, KeySetError};
use crate::urls::shown;

/// What the application does to the client before its bounds are set.
pub(crate) type ConfigureClient = dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync;

/// The HTTP client for key fetches: no redirects, no proxy from the environment, no cookies, no decompression, 200 only,
/// bounded in size and time, and kept out of refused networks.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    guard: AddressGuard,
    /// What is sent along to one origin and to no other.
    headers: Option<(Origin, HeaderMap)>,
}

impl HttpClient {
    /// The application's wishes come in between: it may change who is trusted and how the provider is reached, not what
    /// keeps a fetch within bounds.
    pub(crate) fn new(
        configure: &ConfigureClient,
        policy: &KeyPolicy,
        guard: AddressGuard,
    ) -> Result<Self, ConfigError> {
        let defaults =
            reqwest::Client::builder().no_proxy().user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")));
        let mut builder = configure(defaults)
            .connect_timeout(policy.connect_timeout)
            .timeout(policy.fetch_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false);
        if !guard.is_off() {
            if let Some(bypass) = bypass(&builder) {
                let problem = format!(
                    "`.http_client(..)` sets `{bypass}`, which reaches addresses that cannot be checked; remove it, or \
                     leave the refused networks to the proxy or firewall"
                );
                return Err(ConfigError::new("refuse_networks", problem));
            }
            builder = builder.no_proxy().dns_resolver(guard.clone());
        }
        let client = builder.build().map_err(|error| {
            let problem = format!(
                "the HTTP client for keys cannot be built ({}); a machine without root certificates needs the package \
                 `ca-certificates`, or a root from `.http_client(|client| client.tls_certs_only([root]))`",
                describe(&error)
            );
            ConfigError::new("http_client", problem)
        })?;
        Ok(Self { client, guard, headers: None })
    }

    /// Sends these along to the origin of this URL only.
    pub(crate) fn with_headers_for(mut self, url: &Url, headers: HeaderMap) -> Self {
        self.headers = Some((url.origin(), headers));
        self
    }

    /// Whether the URL's host is an address in a refused network.
    pub(crate) fn check_literal(&self, url: &Url) -> Result<(), KeySetError> {
        self.guard.check_literal(url).map_err(|refused| refused.of_url(url))
    }

    /// Fetches a document, unless the server says that it still is the one with this `etag`.
    pub(super) async fn get(&self, url: &Url, etag: Option<&str>) -> Result<FetchedKeySet, KeySetError> {
        self.check_literal(url)?;
        let etag = etag.filter(|etag| may_be_sent(etag));
        let shown = || shown(url);
        let failed = |error: reqwest::Error| match RefusedAddress::in_chain(&error) {
            Some(refused) => refused.of_url(url),
            None => KeySetError::Transport { url: shown(), source: Arc::new(Chain(describe(&error.without_url()))) },
        };
        let mut request = self.client.get(url.clone());
        if let Some((origin, headers)) = &self.headers
            && *origin == url.origin()
        {
            request = request.headers(headers.clone());
        }
        let request = etag.into_iter().fold(request, |request, etag| request.header(IF_NONE_MATCH, etag));
        let mut response = request.send().await.map_err(failed)?;
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
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(KeySetError::TooLarge { url: shown(), limit: MAX_BODY_BYTES });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(headers.describe(FetchedKeySet::new(body)))
    }
}

/// A text with spaces outside of quotes is no validator (RFC 9110 §8.8.3), such as a failover's in a copy of its set, and
/// some servers refuse the whole request for it.
fn may_be_sent(etag: &str) -> bool {
    let quoted = etag.strip_prefix("W/").unwrap_or(etag);
    !etag.contains(' ') || (quoted.starts_with('"') && quoted.ends_with('"'))
}

/// What goes around the resolver of the [`AddressGuard`].
///
/// reqwest tells only in its debug output, one line a field; a test below watches over that. Should a field slip through,
/// proxies are taken out all the same.
fn bypass(builder: &reqwest::ClientBuilder) -> Option<&'static str> {
    let shown = format!("{builder:#?}");
    let is_set = |field: &&str| {
        let value = |line: &str| line.strip_prefix("    ")?.strip_prefix(*field)?.strip_prefix(": ").map(drop);
        shown.lines().any(|line| value(line).is_some())
    };
    ["proxies", "dns_overrides", "unix_socket"].into_iter().find(is_set)
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

    #[test]
    fn j14_only_validators_are_sent_back() {
        for (etag, sent) in [("\"1 2\"", true), ("W/\"1 2\"", true), ("1", true), ("0a1b \"1\"", false), ("1 2", false)]
        {
            assert_eq!(may_be_sent(etag), sent, "{etag}");
        }
    }

    #[test]
    fn reqwest_tells_what_goes_around_the_resolver() {
        let builder = || reqwest::Client::builder().no_proxy();
        let proxy = || reqwest::Proxy::all("http://127.0.0.1:1").unwrap();
        let misleading = HeaderMap::from_iter([(IF_NONE_MATCH, "    proxies: ".parse().unwrap())]);
        assert_eq!(bypass(&builder().default_headers(misleading).user_agent("proxies: []")), None);
        assert_eq!(bypass(&builder().proxy(proxy())), Some("proxies"));
        assert_eq!(bypass(&builder().proxy(proxy()).no_proxy()), None);
        let address = ([127, 0, 0, 1], 1).into();
        assert_eq!(bypass(&builder().resolve("keys.example.com", address)), Some("dns_overrides"));
        #[cfg(unix)]
        assert_eq!(bypass(&builder().unix_socket("/run/keys.sock")), Some("unix_socket"));
    }
}
