//! How we authenticate to an issuer's introspection endpoint (RFC 7662 §2.1): one trait, and the ways that need no
//! signature.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::client_secret::{ClientSecret, SentSecret};

/// Adds our credentials to a request to an endpoint of an issuer (RFC 6749 §2.3).
///
/// Built in: [`ClientSecretBasic`], [`ClientSecretPost`] and [`ClientCertificate`].
pub trait ClientAuthentication: fmt::Debug + Send + Sync + 'static {
    /// Our client id, which signed answers are addressed to (RFC 9701 §5).
    fn client_id(&self) -> &str;

    /// Adds the credentials. It is called once for each request.
    ///
    /// # Errors
    ///
    /// When there are none. The error is logged, so it must not contain a secret. No request is sent then.
    fn authenticate<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a>;

    /// Adds other credentials, after the endpoint refused ours with 401; the request is then sent once more. False if
    /// there are no others, which is the default. A [secret in a file](ClientSecret::file) may have changed.
    ///
    /// # Errors
    ///
    /// As for [`authenticate`](Self::authenticate).
    fn authenticate_again<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a, bool> {
        let _ = request;
        Box::pin(std::future::ready(Ok(false)))
    }
}

/// What [`ClientAuthentication::authenticate`] and [`ClientAuthentication::authenticate_again`] return.
pub type ClientAuthenticationFuture<'a, T = ()> =
    Pin<Box<dyn Future<Output = Result<T, ClientAuthenticationError>> + Send + 'a>>;

/// Why a request could not be authenticated. Its `Display` is logged.
pub type ClientAuthenticationError = Box<dyn Error + Send + Sync>;

/// A request to an endpoint of an issuer, before it is sent. Its `Debug` shows where it goes and nothing else.
pub struct ClientRequest {
    issuer: Arc<str>,
    endpoint: Arc<str>,
    headers: HeaderMap,
    form: String,
    /// The secret in it; before that, the one that was refused.
    secret: Option<SentSecret>,
}

impl ClientRequest {
    /// `refused` is the secret of the request before.
    pub(super) fn new(issuer: Arc<str>, endpoint: Arc<str>, refused: Option<SentSecret>) -> Self {
        Self { issuer, endpoint, headers: HeaderMap::new(), form: String::new(), secret: refused }
    }

    /// The issuer that is asked, as it is configured: the audience of a client assertion (RFC 7523 §3).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL that the request goes to.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sets the header field `Authorization`. The value is treated as a secret.
    ///
    /// # Errors
    ///
    /// When HTTP does not allow the value.
    pub fn set_authorization(&mut self, value: &str) -> Result<(), ClientAuthenticationError> {
        let mut value = HeaderValue::try_from(value).map_err(|_| "the value is not a valid header value")?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// Adds a parameter to the form.
    pub fn append(&mut self, name: &str, value: &str) {
        let mut form = Serializer::new(std::mem::take(&mut self.form));
        self.form = form.append_pair(name, value).finish();
    }

    /// The secret that the server refused.
    fn refused(&self) -> &str {
        self.secret.as_ref().map_or("", |secret| &secret.text)
    }

    /// The header fields, the form, and the secret in them.
    pub(super) fn into_parts(self) -> (HeaderMap, String, Option<SentSecret>) {
        (self.headers, self.form, self.secret)
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("issuer", &self.issuer)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Client id and secret by HTTP Basic: `client_secret_basic` (RFC 6749 §2.3.1). Every server must support it.
#[derive(Clone, Debug)]
pub struct ClientSecretBasic {
    client_id: Box<str>,
    secret: ClientSecret,
}

/// Client id and secret in the form: `client_secret_post` (RFC 6749 §2.3.1), for servers that do not support Basic.
#[derive(Clone, Debug)]
pub struct ClientSecretPost {
    client_id: Box<str>,
    secret: ClientSecret,
}

/// A client certificate, which [`Issuer::http_client`](crate::Issuer::http_client) adds to the connection: only the
/// client id is in the form (RFC 8705 §2).
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    client_id: Box<str>,
}

impl ClientSecretBasic {
    /// The client with this id. Id and secret may have any characters: they are encoded as RFC 6749 §2.3.1 asks for.
    #[must_use]
    pub fn new(client_id: impl Into<String>, secret: impl Into<ClientSecret>) -> Self {
        Self { client_id: client_id.into().into(), secret: secret.into() }
    }
}

impl ClientSecretPost {
    /// The client with this id.
    #[must_use]
    pub fn new(client_id: impl Into<String>, secret: impl Into<ClientSecret>) -> Self {
        Self { client_id: client_id.into().into(), secret: secret.into() }
    }
}

impl ClientCertificate {
    /// The client with this id.
    #[must_use]
    pub fn new(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into().into() }
    }
}

impl ClientSecretBasic {
    fn add(&self, secret: Arc<str>, request: &mut ClientRequest) -> Result<(), ClientAuthenticationError> {
        request.set_authorization(&basic(&self.client_id, &secret))?;
        request.secret = Some(self.secret.sent(secret));
        Ok(())
    }
}

impl ClientSecretPost {
    fn add(&self, secret: Arc<str>, request: &mut ClientRequest) {
        request.append("client_id", &self.client_id);
        request.append("client_secret", &secret);
        request.secret = Some(self.secret.sent(secret));
    }
}

impl ClientAuthentication for ClientSecretBasic {
    fn client_id(&self) -> &str {
        &self.client_id
    }

    fn authenticate<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a> {
        Box::pin(async { self.add(self.secret.read().await?, request) })
    }

    fn authenticate_again<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a, bool> {
        Box::pin(async {
            let another = self.secret.another(request.refused()).await;
            another.map(|secret| self.add(secret, request)).transpose().map(|added| added.is_some())
        })
    }
}

impl ClientAuthentication for ClientSecretPost {
    fn client_id(&self) -> &str {
        &self.client_id
    }

    fn authenticate<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a> {
        Box::pin(async {
            self.add(self.secret.read().await?, request);
            Ok(())
        })
    }

    fn authenticate_again<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a, bool> {
        Box::pin(async {
            let another = self.secret.another(request.refused()).await;
            Ok(another.map(|secret| self.add(secret, request)).is_some())
        })
    }
}

impl ClientAuthentication for ClientCertificate {
    fn client_id(&self) -> &str {
        &self.client_id
    }

    fn authenticate<'a>(&'a self, request: &'a mut ClientRequest) -> ClientAuthenticationFuture<'a> {
        request.append("client_id", &self.client_id);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Both are form-encoded before they are joined by a colon (RFC 6749 §2.3.1, Appendix B).
fn basic(client_id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r84_id_and_secret_are_form_encoded_for_basic() {
        for (id, secret, encoded) in [
            ("app", "s3cret", "app:s3cret"),
            ("a:b", "c d+%", "a%3Ab:c+d%2B%25"),
            ("https://app.example.com/", "ü&=", "https%3A%2F%2Fapp.example.com%2F:%C3%BC%26%3D"),
        ] {
            let value = basic(id, secret);
            let decoded = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
            assert_eq!(String::from_utf8(decoded).unwrap(), encoded);
        }
    }
}
