//! HTTP requests to an issuer, for keys and for introspection, and what keeps them within bounds.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION,
};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::Url;

use super::address_guard::{AddressGuard, RefusedAddress};
use super::source::{FetchedKeySet, Origin};
use super::witness::Unchecked;
use super::{MAX_BODY_BYTES, caching, excerpt, transport, witness};
use crate::error::KeySetError;
use crate::urls::shown;

/// How long to wait for the body of an error response, of which only the first characters are shown.
const ERROR_PAGE_WAIT: Duration = Duration::from_millis(250);

/// Without `Accept-Encoding` every coding is acceptable (RFC 9110 §12.5.3), and some servers then compress.
const IDENTITY: &str = "identity";

/// How many characters of a header field or URL from the server are shown.
const MAX_SHOWN_CHARS: usize = 100;

/// The HTTP client for an issuer: no redirects, no proxy from the environment, no cookies, no decompression, 200
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

/// A form to be sent (RFC 7662 §2.1). It has no `Debug`: it holds a token and credentials.
pub(crate) struct Form {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The media type that the response must have.
    pub(crate) accept: HeaderValue,
    pub(crate) limit: Duration,
    pub(crate) max_bytes: usize,
}

/// The response to a [`Form`] with the status 200.
pub(crate) struct FormResponse {
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Vec<u8>,
}

impl HttpClient {
    pub(super) const fn new(
        client: reqwest::Client,
        guard: AddressGuard,
        connect_timeout: Duration,
        fetch_timeout: Duration,
    ) -> Self {
        Self { client, guard, connect_timeout, fetch_timeout, headers: None }
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
        let own = self.own_headers(url);
        let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, IDENTITY);
        let request = own.into_iter().fold(request, |request, headers| request.headers(headers.clone()));
        // Error pages repeat what they were sent.
        let may_quote = own.is_none_or(HeaderMap::is_empty) && url.query().is_none();
        let request = etag.into_iter().fold(request, |request, etag| request.header(IF_NONE_MATCH, etag));
        let response = self.send(url, request, self.fetch_timeout).await?;
        let headers = caching::Headers::read(response.headers());
        if response.status() == StatusCode::NOT_MODIFIED && etag.is_some() {
            return Ok(headers.describe(FetchedKeySet::unchanged()));
        }
        let content_type = describe_content_type(response.headers());
        let body = self.read(url, response, may_quote, (MAX_BODY_BYTES, self.fetch_timeout)).await?;
        let origin = Some(Origin::Response { url: shown(url), content_type, note: None, may_quote });
        Ok(FetchedKeySet { origin, ..headers.describe(FetchedKeySet::new(body)) })
    }

    /// Sends a form. Nothing of the response is quoted in an error: it may repeat what was sent.
    pub(crate) async fn post(&self, url: &Url, form: Form) -> Result<FormResponse, KeySetError> {
        self.check_literal(url)?;
        let request = self.client.post(url.clone()).timeout(form.limit);
        let mut headers = self.own_headers(url).cloned().unwrap_or_default();
        // RFC 6749 §2.3: a client authenticates in one way only, so credentials for the keys are not sent here.
        headers.remove(AUTHORIZATION);
        headers.extend(form.headers);
        headers.insert(ACCEPT, form.accept);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(IDENTITY));
        let request = request.headers(headers).body(form.body);
        let response = self.send(url, request, form.limit).await?;
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        let body = self.read(url, response, false, (form.max_bytes, form.limit)).await?;
        Ok(FormResponse { content_type, body })
    }

    /// The header fields that are meant for this URL's origin.
    fn own_headers(&self, url: &Url) -> Option<&HeaderMap> {
        self.headers.as_ref().filter(|(origin, _)| *origin == url.origin()).map(|(_, headers)| headers)
    }

    /// The body of a response with the status 200, within bounds of size and time.
    async fn read(
        &self,
        url: &Url,
        mut response: Response,
        may_quote: bool,
        (max_bytes, limit): (usize, Duration),
    ) -> Result<Vec<u8>, KeySetError> {
        if response.status() != StatusCode::OK {
            let retry_after = caching::Headers::read(response.headers()).retry_after;
            let error = KeySetError::Status { url: shown(url), status: response.status().as_u16(), retry_after };
            return Err(error.at(describe_refusal(response, may_quote).await));
        }
        let content_type = describe_content_type(response.headers());
        if let Some(coding) = caching::content_coding(response.headers()) {
            let coding = excerpt::bounded(&coding, MAX_SHOWN_CHARS);
            return Err(KeySetError::ContentCoding { url: shown(url), coding }.at(content_type));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(url, error, limit))? {
            if body.len() + chunk.len() > max_bytes {
                return Err(KeySetError::TooLarge { url: shown(url), limit: max_bytes }.at(content_type));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn send(&self, url: &Url, request: RequestBuilder, limit: Duration) -> Result<Response, KeySetError> {
        let failed = |error| self.failed(url, error, limit);
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

    fn failed(&self, url: &Url, error: reqwest::Error, limit: Duration) -> KeySetError {
        if transport::chain(&error).any(|error| error.is::<Unchecked>()) {
            return KeySetError::UncheckedAddress { url: shown(url) };
        }
        match RefusedAddress::in_chain(&error) {
            Some(refused) => refused.of_url(url),
            None if error.is_timeout() => {
                let limit = if error.is_connect() { self.connect_timeout.min(limit) } else { limit };
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
pub(super) fn describe(error: &dyn StdError) -> String {
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
    use super::*;

    #[test]
    fn j14_only_validators_are_sent_back() {
        for (etag, sent) in [("\"1 2\"", true), ("W/\"1 2\"", true), ("1", true), ("0a1b \"1\"", false), ("1 2", false)]
        {
            assert_eq!(may_be_sent(etag), sent, "{etag}");
        }
    }
}
