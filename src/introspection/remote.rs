//! RFC 7662 over HTTP: the request, and what its response must be to be read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::client_authentication::{ClientAuthentication, ClientRequest};
use super::client_secret::SentSecret;
use super::failure::Failure;
use super::signed::{MAX_ANSWER_BYTES, SignedAnswers};
use crate::error::KeySetError;
use crate::keys::{Attempts, Discovery, Form, FormResponse, HttpClient, Keys};
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
        let response = self.post(token, &url).await?;
        let content_type = response.content_type.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let expected = self.media_type();
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

    /// Sends the request; again if other credentials are at hand, and the endpoint refuses the first ones.
    async fn post(&self, token: &str, url: &Url) -> Result<FormResponse, Failure> {
        let unusable = |error| Failure::authentication(&error);
        let mut request = self.request(token, url, None);
        self.authentication.authenticate(&mut request).await.map_err(unusable)?;
        let (form, secret) = self.form(request);
        let mut response = self.client.post(url, form).await;
        if response.as_ref().is_err_and(is_unauthorized) {
            let mut request = self.request(token, url, secret);
            if self.authentication.authenticate_again(&mut request).await.map_err(unusable)? {
                response = self.client.post(url, self.form(request).0).await;
            }
        } else if response.is_ok()
            && let Some(secret) = secret
        {
            secret.note_accepted();
        }
        response.map_err(|error| {
            self.note(may_mean_elsewhere(&error));
            Failure::http(&error)
        })
    }

    fn request(&self, token: &str, url: &Url, refused: Option<SentSecret>) -> ClientRequest {
        let mut request = ClientRequest::new(Arc::clone(&self.issuer), url.as_str().into(), refused);
        request.append("token", token);
        request.append("token_type_hint", "access_token");
        request
    }

    /// The form, and the secret in it.
    fn form(&self, request: ClientRequest) -> (Form, Option<SentSecret>) {
        let (headers, body, secret) = request.into_parts();
        let accept = HeaderValue::from_static(self.media_type());
        (Form { headers, body, accept, limit: self.limit, max_bytes: MAX_ANSWER_BYTES }, secret)
    }

    const fn media_type(&self) -> &'static str {
        if self.signed.is_some() { SIGNED } else { JSON }
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

/// RFC 6749 §5.2: the endpoint refuses our own credentials.
fn is_unauthorized(error: &KeySetError) -> bool {
    matches!(error.reported(), KeySetError::Status { status: 401, .. })
}

/// Whether an endpoint that moved can cause this error.
fn may_mean_elsewhere(error: &KeySetError) -> bool {
    match error.reported() {
        KeySetError::Status { status, .. } => matches!(status, 300..=399 | 404 | 405 | 410),
        KeySetError::Transport { .. } | KeySetError::Timeout(_) => true,
        _ => false,
    }
}
