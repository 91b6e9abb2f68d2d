//! What is said of a client.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::client_settings::ClientSettings;
use crate::file_value::Secret;

/// A client of the authorization server: who may ask for tokens, for what, and for how long.
///
/// A client with a secret may ask for tokens of its own (client credentials). One with a
/// [redirect URI](Self::redirect_uri) may ask for tokens of users (authorization code), and gets refresh tokens with
/// them.
///
/// `Debug` leaves the secret out.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer_authorization_server::Client;
///
/// let client = Client::new("reporting", "s3cret")
///     .scopes(["read:leads", "read:accounts"])
///     .audience("https://api.example.com")
///     .token_lifetime(Duration::from_secs(60));
/// assert!(!format!("{client:?}").contains("s3cret"));
///
/// let app = Client::public("lead-app").name("Lead app").redirect_uri("http://127.0.0.1/callback");
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct Client(pub(super) ClientSettings);

impl Client {
    /// How long a refresh token lives unless [`refresh_lifetime`](Self::refresh_lifetime) says otherwise: 14 days.
    pub const DEFAULT_REFRESH_LIFETIME: Duration = ClientSettings::REFRESH_LIFETIME;
    /// How long a user's consent can be refreshed unless
    /// [`refresh_absolute_lifetime`](Self::refresh_absolute_lifetime) says otherwise: 90 days.
    pub const DEFAULT_REFRESH_ABSOLUTE_LIFETIME: Duration = ClientSettings::REFRESH_ABSOLUTE_LIFETIME;

    /// A confidential client (RFC 6749 §2.1) with its id and secret, without scopes; it needs an
    /// [audience](Self::audience) to be of use.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self(ClientSettings::new(id.into(), Some(secret.into())))
    }

    /// A confidential client that has no secret: it authenticates with assertions that it signs (`private_key_jwt`,
    /// RFC 7523 §2.2, OpenID Connect Core 1.0 §9) by the keys of which these are the public ones, a JWK Set or a JWK.
    ///
    /// An assertion names the client as `iss` and `sub`, the issuer or the token endpoint as `aud`, ends within an hour, and
    /// has a `jti` that no other one has: each is good for one use.
    ///
    /// ```
    /// use serde_json::json;
    /// use tower_bearer::jose::Algorithm;
    /// use tower_bearer_authorization_server::{AuthorizationServer, Client};
    /// use tower_bearer_test::{SigningKey, TestIssuer};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let key = SigningKey::generate(Algorithm::ES256)?;
    /// let client = Client::with_jwks("job", key.public_jwk()).audience("https://api.example.com");
    /// let server = AuthorizationServer::builder().client(client).signing_algorithm(Algorithm::ES256).start().await?;
    ///
    /// let assertion = TestIssuer::with_key("job", key).token().header("typ", "JWT").subject("job");
    /// let assertion = assertion.claim("aud", server.issuer()).sign();
    /// let request = reqwest::Client::new().post(server.token_endpoint()).form(&[
    ///     ("grant_type", "client_credentials"),
    ///     ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ///     ("client_assertion", &assertion),
    /// ]);
    /// assert_eq!(request.send().await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_jwks(id: impl Into<String>, jwks: impl Into<Value>) -> Self {
        Self(ClientSettings::new(id.into(), None)).jwks(jwks)
    }

    /// Lets the client authenticate with a key as well, as [`with_jwks`](Self::with_jwks) says: for one that moves from
    /// a secret to keys. These replace those set before.
    #[must_use]
    pub fn jwks(mut self, jwks: impl Into<Value>) -> Self {
        self.0.jwks = Some(jwks.into());
        self
    }

    /// Accepts this secret as well, for a service that does not have its new one yet: as long as the server runs, or
    /// for its [lifetime](Self::previous_secret_lifetime). On a running server,
    /// [`rotate_client_secret`](crate::AuthorizationServer::rotate_client_secret) does the same.
    #[must_use]
    pub fn previous_secret(mut self, secret: impl Into<String>) -> Self {
        self.0.previous_secret = Some(Secret(secret.into()));
        self
    }

    /// How long the [previous secret](Self::previous_secret) is accepted, from the start of the server.
    #[must_use]
    pub fn previous_secret_lifetime(mut self, lifetime: Duration) -> Self {
        self.0.previous_secret_lifetime = Some(lifetime);
        self
    }

    /// A public client: a program that cannot keep a secret, such as one in a browser or on a phone. It needs a
    /// [redirect URI](Self::redirect_uri) or has to be for [devices](Self::device), and an [audience](Self::audience)
    /// as any client.
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self(ClientSettings::new(id.into(), None))
    }

    /// What the pages for users call the client; its id by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// Adds the scopes that the client may ask for, one an item. It gets all of them when it asks for none.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.0.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Adds an API that the client's tokens are for: `aud` names all of them, unless the client names some of them
    /// itself as `resource` (RFC 8707).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.0.audiences.push(audience.into());
        self
    }

    /// Adds a place to which users are sent back with an authorization code.
    ///
    /// It is `https`, `http` on loopback, or a scheme of the application's own with a dot in it (RFC 8252 §7.1). What a
    /// request names must be the same text, byte for byte; only the port of `http` on loopback may be another one
    /// (RFC 8252 §7.3).
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.0.redirect_uris.push(uri.into());
        self
    }

    /// Lets the client run on devices without a browser or a keyboard, such as a television or a command line: it shows
    /// a code, which the user enters on another device (RFC 8628).
    #[must_use]
    pub fn device(mut self) -> Self {
        self.0.device = true;
        self
    }

    /// Gives the client access tokens that only this server can read (by introspection, RFC 7662); without it they are
    /// JWTs (RFC 9068).
    #[must_use]
    pub fn opaque_tokens(mut self) -> Self {
        self.0.opaque_tokens = true;
        self
    }

    /// Gives the client [opaque tokens](Self::opaque_tokens) that begin with this string, as those of many providers do
    /// (`gho_`, `ya29.`): APIs with several issuers tell them apart by it.
    ///
    /// ```
    /// use tower_bearer_authorization_server::{AuthorizationServer, Client};
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::new("app", "s3cret").audience("https://api.example.com").opaque_token_prefix("acme_at_");
    /// let server = AuthorizationServer::builder().client(client).signing_algorithm(Algorithm::ES256).start().await?;
    /// let request = reqwest::Client::new().post(server.token_endpoint()).basic_auth("app", Some("s3cret"));
    /// let issued = request.form(&[("grant_type", "client_credentials")]).send().await?;
    /// let issued = issued.json::<serde_json::Value>().await?;
    /// assert!(issued["access_token"].as_str().is_some_and(|token| token.starts_with("acme_at_")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn opaque_token_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.0.opaque_tokens = true;
        self.0.opaque_token_prefix = prefix.into();
        self
    }

    /// Limits what introspection says to the client, an API, to tokens for these audiences and its own: all others are
    /// `"active": false` for it (RFC 7662 §2.2). By default it may ask about every token.
    #[must_use]
    pub fn introspects_only<S: Into<String>>(mut self, audiences: impl IntoIterator<Item = S>) -> Self {
        self.0.introspect_only(audiences.into_iter().map(Into::into));
        self
    }

    /// How long the client's access tokens live, in whole seconds; five minutes by default
    /// ([`TokenBuilder::DEFAULT_LIFETIME`](tower_bearer_test::TokenBuilder::DEFAULT_LIFETIME)).
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.0.token_lifetime = lifetime;
        self
    }

    /// How long a refresh token lives when it is not used. Each use gives a new one with the same time again.
    #[must_use]
    pub fn refresh_lifetime(mut self, lifetime: Duration) -> Self {
        self.0.refresh_lifetime = lifetime;
        self
    }

    /// How long after the user's consent the last refresh token ends, however often it was used.
    #[must_use]
    pub fn refresh_absolute_lifetime(mut self, lifetime: Duration) -> Self {
        self.0.refresh_absolute_lifetime = lifetime;
        self
    }

    /// For how long after its use a refresh token is taken once more, because the answer to the first use may have been
    /// lost on the way; zero by default. After that, and for every older one, use of a spent token is taken for theft
    /// and ends all that came of the same consent.
    #[must_use]
    pub fn refresh_grace(mut self, grace: Duration) -> Self {
        self.0.refresh_grace = grace;
        self
    }
}

impl Client {
    /// For these APIs, if it names none.
    pub(crate) fn with_default_audiences(mut self, audiences: &[String]) -> Self {
        if self.0.audiences.is_empty() {
            self.0.audiences = audiences.to_vec();
        }
        self
    }
}

impl From<ClientSettings> for Client {
    fn from(settings: ClientSettings) -> Self {
        Self(settings)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.0.id)
            .field("public", &self.0.is_public())
            .field("name", &self.0.name)
            .field("scopes", &self.0.scopes)
            .field("audiences", &self.0.audiences)
            .field("redirect_uris", &self.0.redirect_uris)
            .field("device", &self.0.device)
            .field("opaque_tokens", &self.0.opaque_tokens)
            .field("opaque_token_prefix", &self.0.opaque_token_prefix)
            .field("token_lifetime", &self.0.token_lifetime)
            .field("refresh_lifetime", &self.0.refresh_lifetime)
            .field("refresh_absolute_lifetime", &self.0.refresh_absolute_lifetime)
            .field("refresh_grace", &self.0.refresh_grace)
            .finish_non_exhaustive()
    }
}
