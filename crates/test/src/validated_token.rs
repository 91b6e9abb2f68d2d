//! A validated token for the unit test of a handler.

use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use serde_json::Value;
use tower_bearer::jose::Algorithm;
use tower_bearer::{ClaimMarker, ResourceServer, TokenError, ValidatedToken};

use super::{TestIssuer, TokenBuilder};

/// Makes a [`ValidatedToken`] to call a handler with.
///
/// The token is signed with a key made for the occasion and goes through the same checks as any other, so a handler's
/// test never sees one that could not exist.
///
/// ```
/// use tower_bearer::ValidatedToken;
/// use tower_bearer_test::ValidatedTokenBuilder;
///
/// async fn handler(token: ValidatedToken) -> String {
///     format!("leads of {}", token.subject().unwrap_or_default())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let token = ValidatedTokenBuilder::new().subject("alice").scope("read:leads").build();
/// assert_eq!(handler(token).await, "leads of alice");
/// # }
/// ```
///
/// For a route with its extractors and `Require` layers, put the token into a request with [`ResourceServer::admit`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build()`"]
pub struct ValidatedTokenBuilder(TokenBuilder);

impl ValidatedTokenBuilder {
    /// Starts a token of the issuer `https://as.example.com` for `https://api.example.com`, without a scope. With the
    /// claim `idtyp` `user` it [speaks for](ValidatedToken::speaks_for) a user; with `app`, for a client.
    ///
    /// # Panics
    ///
    /// When the machine gives no random numbers for a key.
    #[expect(clippy::new_without_default, reason = "a default that panics would surprise")]
    pub fn new() -> Self {
        Self(shared().issuer.token())
    }

    /// Sets `sub`.
    pub fn subject(self, subject: impl Into<String>) -> Self {
        Self(self.0.subject(subject))
    }

    /// Sets `client_id`.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        Self(self.0.client_id(client_id))
    }

    /// Sets `scope`, space-separated.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        Self(self.0.scope(scope))
    }

    /// Sets any claim.
    pub fn claim(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self(self.0.claim(name, value))
    }

    /// Makes the token.
    ///
    /// # Panics
    ///
    /// When the claims would be refused; the message says why. [`try_build`](Self::try_build) does not.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "only tests call this, and a wrong fixture should end them")]
    pub fn build(self) -> ValidatedToken {
        match self.try_build() {
            Ok(token) => token,
            Err(error) => panic!("no token could have these claims: {error}"),
        }
    }

    /// Makes the token.
    ///
    /// # Errors
    ///
    /// Why the claims are refused.
    pub fn try_build(self) -> Result<ValidatedToken, TokenError> {
        let text = self.0.sign();
        match pin!(shared().server.validate(&text)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => verdict,
            // The key is fixed: there is nothing to wait for.
            Poll::Pending => Err(TokenError::NoMatchingKey),
        }
    }
}

impl fmt::Debug for ValidatedTokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatedTokenBuilder").finish_non_exhaustive()
    }
}

struct Shared {
    issuer: TestIssuer,
    server: ResourceServer,
}

/// One key for all: making one takes time.
#[expect(clippy::panic, reason = "only tests call this")]
fn shared() -> &'static Shared {
    static SHARED: LazyLock<Result<Shared, Box<dyn Error + Send + Sync>>> = LazyLock::new(|| {
        let issuer = TestIssuer::with_algorithm("https://as.example.com", Algorithm::EdDSA)?;
        let builder = ResourceServer::builder().audience(TokenBuilder::DEFAULT_AUDIENCE);
        let server = builder.issuer(issuer.trusted().user_marker(ClaimMarker::equals("idtyp", "user"))).build()?;
        Ok(Shared { issuer, server })
    });
    match &*SHARED {
        Ok(shared) => shared,
        Err(error) => panic!("no key for tests: {error}"),
    }
}
