//! What a client presents with one request.

use std::fmt;

use http::{HeaderMap, Request, Uri};

use crate::credentials::{Credentials, Scheme};
use crate::error::TokenError;

/// The credentials that a client presents with one request: an access token and its scheme.
///
/// It borrows from the request, and reading it is part of the [validation](crate::ResourceServer::validate_presentation).
/// Its `Debug` shows nothing of the token.
///
/// ```
/// # use tower_bearer::{Presentation, ResourceServer};
/// # use tower_bearer_test::TestIssuer;
/// # let issuer = TestIssuer::new("https://as.example.com")?;
/// # let text = issuer.token().sign();
/// # let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let request = http::Request::builder().header("authorization", format!("Bearer {text}")).body(())?;
/// assert!(api.validate_presentation(Presentation::in_request(&request)).await.is_ok());
/// # Ok::<(), http::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Presentation<'r>(Source<'r>);

/// An owned presentation, for a decision that waits.
pub(crate) struct Parked {
    scheme: Scheme,
    token: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Source<'r> {
    Credentials(Credentials<'r>),
    Request { headers: &'r HeaderMap, uri: &'r Uri },
}

impl<'r> Presentation<'r> {
    /// An access token that was not in an `Authorization` header, presented as a bearer token (RFC 6750): one from the
    /// first message of a WebSocket, or from a job in a queue.
    pub const fn bearer(token: &'r str) -> Self {
        Self(Source::Credentials(Credentials { scheme: Scheme::Bearer, token: token.as_bytes() }))
    }

    /// What a request presents, with the rules of the [layer](crate::BearerLayer): one `Authorization` header, and no
    /// second token in the query. Without a token it is refused as [`TokenError::Absent`].
    pub fn in_request<B>(request: &'r Request<B>) -> Self {
        Self(Source::Request { headers: request.headers(), uri: request.uri() })
    }

    /// The unparsed text of a bearer token, for a cache lookup and nothing else.
    #[inline(always)]
    pub(crate) fn unread(&self) -> Option<&'r [u8]> {
        match self.0 {
            Source::Credentials(Credentials { scheme: Scheme::Bearer, token }) => Some(token),
            Source::Credentials(_) => None,
            Source::Request { headers, uri } => Credentials::unread(headers, uri),
        }
    }

    pub(crate) fn read(&self) -> Result<Credentials<'r>, TokenError> {
        match self.0 {
            Source::Credentials(credentials) => Ok(credentials),
            Source::Request { headers, uri } => Credentials::from_request(headers, uri)?.ok_or(TokenError::Absent),
        }
    }

    /// Copies the credentials, so that the request is not borrowed during a wait.
    pub(crate) fn park(&self) -> Result<Parked, TokenError> {
        let Credentials { scheme, token } = self.read()?;
        Ok(Parked { scheme, token: token.to_owned() })
    }
}

impl Parked {
    pub(crate) fn presentation(&self) -> Presentation<'_> {
        Presentation(Source::Credentials(Credentials { scheme: self.scheme, token: &self.token }))
    }
}

impl fmt::Debug for Presentation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presentation").finish_non_exhaustive()
    }
}
