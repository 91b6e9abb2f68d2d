//! A token that passed every check.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::claim_text::ClaimText;
use crate::claims::{RegisteredClaims, Times};
use crate::error::TokenError;
use crate::jose::{StringList, VerifiedPayload, VerifyingKey};
use crate::refusal::{Refusal, ServerContext};
use crate::scope::Scope;
use crate::speaker::{ClientClaims, SpeaksFor};
use crate::time::UnixTime;
use crate::trust::TrustedIssuer;

/// An access token that passed every check, with its claims.
///
/// The layer puts it into the request's extensions; with axum it is an extractor. Clones share one set of claims. It
/// does not hold the token itself, and its `Debug` shows who it is for and what it permits.
///
/// ```
/// use tower_bearer::ValidatedToken;
/// use tower_bearer_test::ValidatedTokenBuilder;
///
/// fn greet(token: &ValidatedToken) -> String {
///     format!("hello, {}", token.subject().unwrap_or("service"))
/// }
///
/// let token = ValidatedTokenBuilder::new().subject("alice").scope("read:leads").build();
/// assert_eq!(greet(&token), "hello, alice");
/// assert!(token.require("read:leads").is_ok());
/// assert!(token.require("write:leads").is_err());
/// ```
#[derive(Clone)]
pub struct ValidatedToken(Arc<Inner>);

struct Inner {
    claims: TokenClaims,
    expires_at: UnixTime,
    payload: Vec<u8>,
    server: Arc<ServerContext>,
    signer: Signer,
}

/// What is asked of a good token, by where it stands in the payload.
pub(crate) struct TokenClaims {
    issuer: Option<ClaimText>,
    subject: Option<ClaimText>,
    client_id: Option<ClaimText>,
    token_id: Option<ClaimText>,
    audience: Option<StringList<ClaimText>>,
    scope: Option<Scope>,
    times: Times,
}

impl TokenClaims {
    pub(crate) fn new(claims: RegisteredClaims<'_>, payload: &VerifiedPayload) -> Self {
        let text = |text| ClaimText::new(text, payload.as_bytes());
        Self {
            issuer: claims.issuer.map(text),
            subject: claims.subject.map(text),
            client_id: claims.client_id.map(text),
            token_id: claims.token_id.map(text),
            audience: claims.audience.map(|audience| audience.map(text)),
            scope: claims.scope,
            times: claims.times,
        }
    }

    fn memory_bytes(&self) -> usize {
        let texts = [&self.issuer, &self.subject, &self.client_id, &self.token_id].into_iter().flatten();
        let texts: usize = texts.map(ClaimText::memory_bytes).sum();
        let names = self.audience.iter().flat_map(StringList::as_slice);
        let names: usize = names.map(|name| size_of::<ClaimText>() + name.memory_bytes()).sum();
        texts + names + self.scope.as_ref().map_or(0, Scope::memory_bytes)
    }
}

/// Who vouches for a token.
pub(crate) struct Signer {
    pub(crate) issuer: Arc<TrustedIssuer>,
    pub(crate) key: Arc<VerifyingKey>,
}

impl ValidatedToken {
    pub(crate) fn new(
        claims: TokenClaims,
        expires_at: UnixTime,
        payload: VerifiedPayload,
        server: Arc<ServerContext>,
        signer: Signer,
    ) -> Self {
        Self(Arc::new(Inner { claims, expires_at, payload: payload.into_bytes(), server, signer }))
    }

    /// `iss`: the configured issuer that made the token. A `sub` is unique only within its issuer (RFC 8725 §3.8).
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.text(&self.0.claims.issuer).unwrap_or_default()
    }

    /// `sub`: whom the token speaks for.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(&self.0.claims.subject)
    }

    /// The client that the token was issued to: `client_id` (RFC 9068 §2.2), or the first of the claims that
    /// [`Issuer::client_id_claims`](crate::Issuer::client_id_claims) names.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text(&self.0.claims.client_id)
    }

    /// Whom the token speaks for: a client on its own behalf, a user, or unknown (RFC 9700 §4.15). Check this before
    /// you treat `sub` as a user.
    ///
    /// - [`Client`](SpeaksFor::Client): `sub` is the client's id in one of the
    ///   [client claims](crate::Issuer::client_id_claims), plain or with `@clients` appended (Auth0); or the token has
    ///   a [client marker](crate::Issuer::client_marker), such as `idtyp` `app`.
    /// - [`User`](SpeaksFor::User): the token has a [user marker](crate::Issuer::user_marker) and a `sub`, and nothing
    ///   marks it as a client's.
    /// - [`Unknown`](SpeaksFor::Unknown): everything else. Without a configured user marker, that is every token that
    ///   is not a client's; also tokens in which a marker or the client's id has a type that proves nothing.
    ///
    /// Each call reads the claims again; routes that do not call it pay nothing.
    ///
    /// ```
    /// use tower_bearer::{RequireToken, SpeaksFor};
    /// use tower_bearer_test::ValidatedTokenBuilder;
    ///
    /// let users_only = RequireToken::that("speaks for a user", |token| token.speaks_for() == SpeaksFor::User);
    ///
    /// let service = ValidatedTokenBuilder::new().subject("app").claim("client_id", "app").build();
    /// assert_eq!(service.speaks_for(), SpeaksFor::Client);
    /// # let _ = users_only;
    /// ```
    #[must_use]
    pub fn speaks_for(&self) -> SpeaksFor {
        let rules = &self.signer().issuer.rules;
        let client = ClientClaims { names: &rules.claim_names.client, client_id: self.client_id() };
        let claims = serde_json::from_slice(&self.0.payload);
        claims.map_or(SpeaksFor::Unknown, |claims| rules.markers.speaks_for(&claims, &client))
    }

    /// `jti`: the token's own id. Key a deny-list by this, never by the token's text: an ECDSA signature has two valid
    /// forms.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.text(&self.0.claims.token_id)
    }

    /// `aud`: every audience that the token names, ours among them.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        let names = self.0.claims.audience.iter().flat_map(StringList::as_slice);
        names.map(|name| name.of(&self.0.payload))
    }

    /// `exp`: when the token ends. The layer looks once, when a request starts: close a WebSocket or an event stream
    /// yourself when this moment comes, or ask [`ResourceServer::revalidate`](crate::ResourceServer::revalidate) from
    /// time to time.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.0.expires_at
    }

    /// `iat`: when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.0.claims.times.issued_at
    }

    /// What the token permits. A token without a scope claim permits nothing.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        static NONE: std::sync::LazyLock<Scope> = std::sync::LazyLock::new(Scope::default);
        self.0.claims.scope.as_ref().unwrap_or(&NONE)
    }

    /// The claims as a struct of the application's own.
    ///
    /// # Errors
    ///
    /// [`TokenError::ClaimsShape`] when they do not fit.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        // What does not fit is logged by its place only: serde's message can repeat a claim's value.
        serde_json::from_slice(&self.0.payload).map_err(|error| {
            tracing::debug!(column = error.column(), "the claims do not fit {}", std::any::type_name::<T>());
            self.refuse(TokenError::ClaimsShape)
        })
    }

    /// One claim by its path: `["realm_access", "roles"]` is the member `roles` of the member `realm_access`.
    #[must_use]
    pub fn claim(&self, path: &[impl AsRef<str>]) -> Option<Value> {
        let claims: Value = serde_json::from_slice(&self.0.payload).ok()?;
        path.iter().try_fold(&claims, |value, name| value.get(name.as_ref())).cloned()
    }

    /// How much memory it takes, what it shares with others and what the allocator adds aside.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Inner>() + self.0.payload.capacity() + self.0.claims.memory_bytes()
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.0.signer
    }

    pub(crate) fn times(&self) -> Times {
        self.0.claims.times
    }

    fn text<'t>(&'t self, text: &'t Option<ClaimText>) -> Option<&'t str> {
        text.as_ref().map(|text| text.of(&self.0.payload))
    }

    pub(crate) fn server(&self) -> &Arc<ServerContext> {
        &self.0.server
    }

    pub(crate) fn refuse(&self, error: TokenError) -> Refusal {
        Refusal::new(error, Some(Arc::clone(&self.0.server)))
    }
}

impl fmt::Debug for ValidatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatedToken")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("client_id", &self.client_id())
            .field("scope", &self.scope().as_str())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}
