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
use crate::time::UnixTime;
use crate::urls::shown;

/// RFC 7662 §2.2.
const JSON: &str = "application/json";

/// RFC 9701 §4.
const SIGNED: &str = "application/token-introspection+jwt";

/// An introspection endpoint.
pub(crate) struct RemoteEndpoint {
    issuer: Arc<str>,
    client: HttpClient,
    location: EndpointLocation,
    authentication: Arc<dyn ClientAuthentication>,
    signed: Option<SignedAnswers>,
    /// How long a request may take, discovery included.
    limit: Duration,
    /// Where discovery found it; cleared when it is no longer there.
    found: Mutex<Option<Url>>,
}

/// Where an introspection endpoint is.
pub(crate) enum EndpointLocation {
    Url(Url),
    /// Where the issuer's metadata says.
    Discovery(Box<Discovery>),
}

impl RemoteEndpoint {
    pub(crate) const fn new(
        issuer: Arc<str>,
        client: HttpClient,
        location: EndpointLocation,
        authentication: Arc<dyn ClientAuthentication>,
        signed: Option<SignedAnswers>,
        limit: Duration,
    ) -> Self {
        Self { issuer, client, location, authentication, signed, limit, found: Mutex::new(None) }
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
        let response = self.client.post(&url, form).await.map_err(|error| self.failed(&error))?;
        let content_type = response.content_type.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let media_type = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
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
        if let Some(url) = self.found().clone() {
            return Ok(url);
        }
        let attempts = Attempts::within(self.limit);
        // It ends a little before the call does, so that the error can name the URLs.
        let find = discovery.find(&self.client, self.limit / 4, &attempts);
        let found = tokio::time::timeout(self.limit - self.limit / 20, find).await.ok().flatten();
        match found {
            Some(url) => Ok(self.found().insert(url).clone()),
            None => Err(Failure::http(&attempts.into_error())),
        }
    }

    fn failed(&self, error: &KeySetError) -> Failure {
        if matches!(error.reported(), KeySetError::Status { status: 404 | 405 | 410, .. }) {
            // It may have moved.
            *self.found() = None;
        }
        Failure::http(error)
    }

    fn found(&self) -> MutexGuard<'_, Option<Url>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
