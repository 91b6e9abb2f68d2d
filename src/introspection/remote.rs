//! RFC 7662 over HTTP: the request, and what its response must be to be read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::client_authentication::{ClientAuthentication, ClientRequest};
use super::failure::Failure;
use super::signed::{MAX_ANSWER_BYTES, SignedAnswers};
use crate::error::KeySetError;
use crate::keys::{Attempts, Discovery, Form, HttpClient, Keys};
use crate::time::{Clock, UnixTime};
use crate::urls::shown;

/// RFC 7662 §2.2.
const JSON: &str = "application/json";

/// RFC 9701 §4.
const SIGNED: &str = "application/token-introspection+jwt";

/// How old metadata may be. Its place may change while the old one still responds.
const REFRESH_AFTER: Duration = Duration::from_secs(3_600);

/// How soon metadata is fetched again when calls fail. Anybody can send tokens that make calls fail.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// An introspection endpoint.
pub(crate) struct RemoteEndpoint {
    issuer: Arc<str>,
    client: HttpClient,
    location: EndpointLocation,
    authentication: Arc<dyn ClientAuthentication>,
    signed: Option<SignedAnswers>,
    /// How long a request may take, discovery included.
    limit: Duration,
    clock: Arc<dyn Clock>,
    found: Mutex<Option<Found>>,
}

/// Where discovery found the endpoint.
struct Found {
    url: Url,
    /// When the metadata was last fetched, or should have been.
    looked_at: Duration,
    /// A call failed as if the endpoint were somewhere else now.
    may_have_moved: bool,
}

/// Where an introspection endpoint is.
pub(crate) enum EndpointLocation {
    Url(Url),
    /// Where the issuer's metadata says.
    Discovery(Box<Discovery>),
}

impl RemoteEndpoint {
    pub(crate) fn new(
        issuer: Arc<str>,
        client: HttpClient,
        location: EndpointLocation,
        authentication: Arc<dyn ClientAuthentication>,
        signed: Option<SignedAnswers>,
        (limit, clock): (Duration, Arc<dyn Clock>),
    ) -> Self {
        Self { issuer, client, location, authentication, signed, limit, clock, found: Mutex::new(None) }
    }

    pub(super) fn is_found(&self) -> bool {
        match self.location {
            EndpointLocation::Url(_) => true,
            EndpointLocation::Discovery(_) => self.found().is_some(),
        }
    }

    /// The answer about a token. Token and credentials are sent to this URL only (RFC 7662 §4): redirects are not
    /// followed.
    pub(super) async fn ask(&self, token: &str, keys: Option<&Keys>, now: UnixTime) -> Result<Vec<u8>, Failure> {
        let url = self.url().await?;
        let mut request = ClientRequest::new(Arc::clone(&self.issuer), url.as_str().into());
        request.append("token", token);
        request.append("token_type_hint", "access_token");
        self.authentication.authenticate(&mut request).await.map_err(|error| Failure::authentication(&error))?;
        let (headers, body) = request.into_parts();
        let expected = if self.signed.is_some() { SIGNED } else { JSON };
        let accept = HeaderValue::from_static(expected);
        let form = Form { headers, body, accept, limit: self.limit, max_bytes: MAX_ANSWER_BYTES };
        let response = self.client.post(&url, form).await.map_err(|error| {
            self.note(may_mean_elsewhere(&error));
            Failure::http(&error)
        })?;
        let content_type = response.content_type.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let media_type = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        self.note(!media_type.eq_ignore_ascii_case(expected));
        if !media_type.eq_ignore_ascii_case(expected) {
            return Err(Failure::content_type(shown(&url), expected, media_type));
        }
        match &self.signed {
            Some(signed) => signed.verify(&response.body, keys, now).await,
            None => Ok(response.body),
        }
    }

    async fn url(&self) -> Result<Url, Failure> {
        let discovery = match &self.location {
            EndpointLocation::Url(url) => return Ok(url.clone()),
            EndpointLocation::Discovery(discovery) => discovery,
        };
        let known = match &mut *self.found() {
            None => None,
            Some(found) => {
                let now = self.clock.monotonic();
                if !found.is_due(now) {
                    return Ok(found.url.clone());
                }
                // Other calls go on with the URL that is known.
                found.looked_at = now;
                Some(found.url.clone())
            }
        };
        let attempts = Attempts::within(self.limit);
        // It ends a little before the call does, so that the error can name the URLs. With a URL that is known, it
        // leaves time for a call there.
        let limit = if known.is_some() { self.limit / 2 } else { self.limit - self.limit / 20 };
        let find = discovery.find(&self.client, self.limit / 4, &attempts);
        match (tokio::time::timeout(limit, find).await.ok().flatten(), known) {
            (Some(url), _) => {
                let found = Found { url: url.clone(), looked_at: self.clock.monotonic(), may_have_moved: false };
                *self.found() = Some(found);
                Ok(url)
            }
            (None, Some(known)) => Ok(known),
            (None, None) => Err(Failure::http(&attempts.into_error())),
        }
    }

    /// Notes whether the endpoint may be somewhere else now.
    fn note(&self, may_have_moved: bool) {
        if let Some(found) = &mut *self.found() {
            found.may_have_moved = may_have_moved;
        }
    }

    fn found(&self) -> MutexGuard<'_, Option<Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// Whether the metadata is to be fetched again.
    fn is_due(&self, now: Duration) -> bool {
        let after = if self.may_have_moved { LOOK_AGAIN_AFTER } else { REFRESH_AFTER };
        now.saturating_sub(self.looked_at) >= after
    }
}

/// Whether an endpoint that moved can cause this error.
fn may_mean_elsewhere(error: &KeySetError) -> bool {
    match error.reported() {
        KeySetError::Status { status, .. } => matches!(status, 300..=399 | 404 | 405 | 410),
        KeySetError::Transport { .. } | KeySetError::Timeout(_) => true,
        _ => false,
    }
}
