//! A token that passed every check.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::claims::Times;
use crate::error::TokenError;
use crate::evidence::Evidence;
use crate::refusal::{Detail, Refusal};
use crate::revocation_memo::RevocationMemo;
use crate::scope::Scope;
use crate::server_context::ServerContext;
use crate::speaker::{ClientClaims, SpeaksFor};
use crate::time::UnixTime;
use crate::token_claims::{Misfit, TokenClaims};
use crate::trust::TrustedIssuer;

/// An access token that passed every check, with its claims.
///
/// The layer puts it into the request's extensions; with axum it is an extractor. Clones share one set of claims. It
/// does not hold the token itself, unless the issuer has to be [asked again](crate::Issuer::introspection) about it, and
/// never shows it: its `Debug` shows who the token is for and what it permits.
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
    issuer: Arc<TrustedIssuer>,
    evidence: Evidence,
    server: Arc<ServerContext>,
    revocation_memo: RevocationMemo,
}

impl ValidatedToken {
    pub(crate) fn new(
        claims: TokenClaims,
        issuer: Arc<TrustedIssuer>,
        evidence: Evidence,
        server: Arc<ServerContext>,
    ) -> Self {
        let revocation_memo = RevocationMemo::default();
        Self(Arc::new(Inner { claims, issuer, evidence, server, revocation_memo }))
    }

    /// `iss`: the configured issuer that made the token. A `sub` is unique only within its issuer (RFC 8725 §3.8).
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.claims.issuer().unwrap_or_default()
    }

    /// `sub`: whom the token speaks for.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.claims.subject()
    }

    /// The client that the token was issued to: `client_id` (RFC 9068 §2.2), or the first of the claims that
    /// [`Issuer::client_id_claims`](crate::Issuer::client_id_claims) names.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.0.claims.client_id()
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
    /// Each call looks the claims up again; routes that do not call it pay nothing.
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
        let rules = &self.0.issuer.rules;
        let client = ClientClaims { names: &rules.claim_names.client, client_id: self.client_id() };
        rules.markers.speaks_for(&self.0.claims, &client)
    }

    /// `jti`: the token's own id, by which it can be [revoked](crate::RevocationList::revoke_token). Key a list of your own
    /// by this, never by the token's text: an ECDSA signature has two valid forms.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.0.claims.token_id()
    }

    /// `sid`: the login that the token comes from (OpenID Connect Front-Channel Logout 1.0 §3), if it is a text. Each call
    /// looks it up again.
    #[must_use]
    pub fn session_id(&self) -> Option<String> {
        match self.0.claims.get("sid")? {
            Value::String(session_id) => Some(session_id),
            _ => None,
        }
    }

    /// `aud`: every audience that the token names, ours among them.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.0.claims.audiences()
    }

    /// `exp`: when the token expires. It is still accepted until the leeway has passed. The layer decides once, when a
    /// request starts; for a WebSocket or an event stream, see
    /// [`ResourceServer::until_refused`](crate::ResourceServer::until_refused).
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.0.claims.expires_at
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
        self.0.claims.scope().unwrap_or(&NONE)
    }

    /// The claims as a struct of the application's own.
    ///
    /// # Errors
    ///
    /// [`TokenError::ClaimsShape`] when they do not fit.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        self.0.claims.deserialize().map_err(|misfit| {
            let Misfit { field, problem } = misfit;
            let detail = Detail::Misfit { shape: std::any::type_name::<T>(), field, problem };
            self.refuse(TokenError::ClaimsShape).with_detail(detail)
        })
    }

    /// One claim by its path: `["realm_access", "roles"]` is the member `roles` of the member `realm_access`. With an
    /// empty path, all claims as one object.
    ///
    /// Only the claim that is asked for is parsed.
    #[must_use]
    pub fn claim(&self, path: &[impl AsRef<str>]) -> Option<Value> {
        let Some((name, members)) = path.split_first() else { return self.0.claims.deserialize().ok() };
        let claim = self.0.claims.get(name.as_ref())?;
        members.iter().try_fold(claim, |mut value, name| value.get_mut(name.as_ref()).map(Value::take))
    }

    /// How much memory it takes, what it shares with others and what the allocator adds aside.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Inner>() + self.0.claims.memory_bytes() + self.0.evidence.memory_bytes()
    }

    pub(crate) fn trusted_issuer(&self) -> &Arc<TrustedIssuer> {
        &self.0.issuer
    }

    pub(crate) fn evidence(&self) -> &Evidence {
        &self.0.evidence
    }

    pub(crate) fn times(&self) -> &Times {
        &self.0.claims.times
    }

    pub(crate) fn server(&self) -> &Arc<ServerContext> {
        &self.0.server
    }

    pub(crate) fn revocation_memo(&self) -> &RevocationMemo {
        &self.0.revocation_memo
    }

    /// Whether it can be revoked by the same names as another, so that one verdict counts for both.
    pub(crate) fn has_names_of(&self, other: &Self) -> bool {
        let names = |token: &Self| (token.trusted_issuer().rules.issuer.clone(), token.issued_at(), token.session_id());
        Arc::ptr_eq(&self.0, &other.0)
            || (self.token_id(), self.client_id(), self.subject())
                == (other.token_id(), other.client_id(), other.subject())
                && names(self) == names(other)
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
