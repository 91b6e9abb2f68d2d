//! The handle of a server.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;
use tower_bearer_test::{Defect, KeyChangeError, SigningError, SigningKey, TestIssuer, TokenBuilder};

use super::admin::Admin;
use super::endpoints::metadata::Metadata;
use super::grants::{CODE_LIFETIME, IssuedToken};
use super::pushed_requests;
use super::service::Service;
use super::state::ServerState;
use super::{
    AuthorizationServerBuilder, ClientSummary, Endpoint, Fault, FaultError, RequestRecord, StartError, UserSummary,
};

/// A running authorization server. **Not for production**: see the [module](super).
///
/// It runs until the handle is dropped or [stopped](Self::stop); with
/// [several on one port](AuthorizationServerBuilder::start_together), until all are dropped or one is stopped. A
/// stopped one keeps its keys, clients and counters and can be [started again](Self::restart).
///
/// ```
/// use tower_bearer_authorization_server::AuthorizationServer;
/// use tower_bearer::jose::Algorithm;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await?;
/// let keys = reqwest::get(server.jwks_uri()).await?.text().await?;
///
/// server.stop().await;
/// assert!(reqwest::get(server.jwks_uri()).await.is_err());
///
/// server.restart().await?;
/// assert_eq!(reqwest::get(server.jwks_uri()).await?.text().await?, keys);
/// # Ok(())
/// # }
/// ```
pub struct AuthorizationServer {
    pub(super) state: Arc<ServerState>,
    pub(super) service: Arc<Service>,
    pub(super) admin: Option<Admin>,
    #[cfg(feature = "tls")]
    pub(super) root_certificate: Option<String>,
}

impl AuthorizationServer {
    /// How long an authorization code lives: 60 seconds. It is good for one use.
    pub const AUTHORIZATION_CODE_LIFETIME: Duration = CODE_LIFETIME;
    /// How long a pushed authorization request lives (RFC 9126): ten minutes, the time to log in and read a page.
    pub const PUSHED_REQUEST_LIFETIME: Duration = pushed_requests::LIFETIME;

    /// Starts with the settings of a server: no clients, RS256, a free port, the machine's clock.
    pub fn builder() -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::new()
    }

    /// The issuer URL: `http://127.0.0.1:PORT` and the [path](AuthorizationServerBuilder::issuer_path), without a slash
    /// at its end, and with TLS `https`; or the [configured one](AuthorizationServerBuilder::issuer).
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.state.issuer.url()
    }

    /// The URL of the token endpoint.
    #[must_use]
    pub fn token_endpoint(&self) -> &str {
        &self.state.token_endpoint
    }

    /// The URL of the authorization endpoint. It is there when a client has a
    /// [redirect URI](super::Client::redirect_uri).
    #[must_use]
    pub fn authorization_endpoint(&self) -> &str {
        &self.state.authorization_endpoint
    }

    /// The URL of the JWK Set.
    #[must_use]
    pub fn jwks_uri(&self) -> &str {
        &self.state.jwks_uri
    }

    /// The metadata document (RFC 8414 §2), as the server publishes it: what there is, and where.
    #[must_use]
    pub fn metadata(&self) -> Value {
        // Plain strings and lists of them can be nothing but JSON.
        serde_json::to_value(Metadata::of(&self.state)).unwrap_or_default()
    }

    /// The registered clients, in the order in which they were given, and as they were at the start.
    #[must_use]
    pub fn clients(&self) -> &[ClientSummary] {
        &self.state.client_summaries
    }

    /// The registered users, in the order in which they were given.
    #[must_use]
    pub fn users(&self) -> &[UserSummary] {
        &self.state.user_summaries
    }

    /// How long the codes of devices live
    /// ([`device_code_lifetime`](AuthorizationServerBuilder::device_code_lifetime)).
    #[must_use]
    pub fn device_code_lifetime(&self) -> Duration {
        self.state.device_settings.lifetime
    }

    /// Where the server listens, also while it is stopped.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Where the admin API is, `http://127.0.0.1:PORT`; `None` unless the builder was asked for
    /// [it](AuthorizationServerBuilder::admin).
    #[must_use]
    pub fn admin_url(&self) -> Option<&str> {
        self.admin.as_ref().map(|admin| admin.url.as_str())
    }

    /// The certificate, in PEM, of the authority that issued the server's own: who trusts it, trusts this server and
    /// nobody else. `None` without TLS, and for [`Certificate::SelfSigned`](super::Certificate::SelfSigned).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificate(&self) -> Option<&str> {
        self.root_certificate.as_deref()
    }

    /// How many requests this endpoint has got since the first start, counted as they come: refused ones included, and
    /// those that a [fault](Self::misbehave) leaves without an answer. Requests by a method that the endpoint does not
    /// know are not counted.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.state.requests(endpoint)
    }

    /// How many of the requests for the JWK Set were answered with 304, because `If-None-Match` named its `ETag`.
    #[must_use]
    pub fn not_modified_answers(&self) -> u64 {
        self.state.not_modified()
    }

    /// The latest 1000 of the requests that [are counted](Self::requests), of all endpoints, oldest first and without
    /// anything secret.
    ///
    /// ```
    /// use tower_bearer_authorization_server::{AuthorizationServer, Endpoint};
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo().start().await?;
    /// let grant = [("grant_type", "client_credentials")];
    /// let request = reqwest::Client::new().post(server.token_endpoint()).form(&grant);
    /// request.basic_auth("demo-ci", Some("demo-ci-secret")).send().await?;
    ///
    /// let log = server.request_log();
    /// let asked = log.last().ok_or("no request came")?;
    /// assert_eq!((asked.endpoint, asked.status), (Endpoint::Token, Some(200)));
    /// assert_eq!((asked.client_id.as_deref(), asked.grant_type), (Some("demo-ci"), Some("client_credentials")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn request_log(&self) -> Vec<RequestRecord> {
        self.state.request_log.latest()
    }

    /// Forgets the [request log](Self::request_log), not the counters.
    pub fn clear_request_log(&self) {
        self.state.request_log.clear();
    }

    /// Makes an endpoint misbehave from now on, in place of what it did wrong before. Answers under way stay as they
    /// are.
    ///
    /// ```
    /// use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault};
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await?;
    ///
    /// server.misbehave(Endpoint::JwkSet, Fault::status(500))?;
    /// assert_eq!(reqwest::get(server.jwks_uri()).await?.status(), 500);
    ///
    /// server.behave(Endpoint::JwkSet);
    /// assert_eq!(reqwest::get(server.jwks_uri()).await?.status(), 200);
    ///
    /// let refused = server.misbehave(Endpoint::Token, Fault::EmptySet).map_err(|error| error.to_string());
    /// assert_eq!(refused, Err("this fault means nothing at the endpoint `token`; set it at `jwk_set`".to_owned()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the fault means nothing at this endpoint, or a setting of it is not usable; the endpoint
    /// goes on as it did.
    pub fn misbehave(&self, endpoint: Endpoint, fault: Fault) -> Result<(), FaultError> {
        self.state.faults.set(endpoint, fault)
    }

    /// Lets an endpoint do everything right again. Answers under way stay as they are.
    pub fn behave(&self, endpoint: Endpoint) {
        self.state.faults.clear(endpoint);
    }

    /// What the endpoint does wrong at the moment.
    #[must_use]
    pub fn fault(&self, endpoint: Endpoint) -> Option<Fault> {
        self.state.faults.current(endpoint)
    }

    /// Sets the `Cache-Control` of the JWK Set, `max-age=300` by default, or leaves it out.
    pub fn set_cache_control(&self, value: Option<HeaderValue>) {
        self.state.set_cache_control(value);
    }

    /// Replaces every key by a new one for the same algorithm; the old ones are withdrawn at once. Blocks for as long
    /// as making the keys takes, for RSA about 100 ms each.
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made; the old keys stay then.
    pub fn rotate_keys(&self) -> Result<(), SigningError> {
        self.state.issuer.rotate_keys()
    }

    /// As [`rotate_keys`](Self::rotate_keys), but the old keys stay published for `overlap`, by the server's clock.
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made; the old keys stay then.
    pub fn rotate_keys_with_overlap(&self, overlap: Duration) -> Result<(), SigningError> {
        self.state.issuer.rotate_keys_with_overlap(overlap)
    }

    /// Publishes the key that signs from the next rotation on; see [`TestIssuer::publish_next_key`].
    ///
    /// # Errors
    ///
    /// [`SigningError::Generation`] when no key could be made.
    pub fn publish_next_key(&self) -> Result<SigningKey, SigningError> {
        self.state.issuer.publish_next_key()
    }

    /// Takes the keys with this `kid` out of the JWK Set at once; the one that signs goes on signing. See
    /// [`TestIssuer::withdraw_key`].
    ///
    /// # Errors
    ///
    /// [`KeyChangeError::NoSuchKey`] when no published key has this id.
    pub fn withdraw_key(&self, key_id: &str) -> Result<(), KeyChangeError> {
        self.state.issuer.withdraw_key(key_id)
    }

    /// Puts a new key in the place of the one with this `kid`, under the same `kid`; see
    /// [`TestIssuer::replace_key_material`].
    ///
    /// # Errors
    ///
    /// [`KeyChangeError::NoSuchKey`] when no key has this id; [`KeyChangeError::Signing`] when none could be made.
    pub fn replace_key_material(&self, key_id: &str) -> Result<(), KeyChangeError> {
        self.state.issuer.replace_key_material(key_id)
    }

    /// Makes the server's clock wrong by so many seconds, fast or, below zero, slow: tokens get their times from it,
    /// and codes, sessions and whatever else ends here ends by it. The `Date` of answers stays right.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.state.issuer.set_clock_offset(seconds);
    }

    /// The issuer that this server puts on the network, with its keys: what is done to it shows there at once.
    #[must_use]
    pub fn test_issuer(&self) -> &TestIssuer {
        &self.state.issuer
    }

    /// Starts a token by this server's key, such as the first client gets; without clients, as
    /// [`TestIssuer::token`](tower_bearer_test::TestIssuer::token) makes it.
    #[must_use]
    pub fn token(&self) -> TokenBuilder {
        let issuer = &self.state.issuer;
        self.state.clients.first().map_or_else(
            || issuer.token(),
            |client| {
                let issuing = self.state.issuing(client);
                IssuedToken::for_client(&issuing, client.scopes.clone(), client.audiences.clone()).jwt(issuer)
            },
        )
    }

    /// The same token with one thing wrong with it.
    #[must_use]
    pub fn defective_token(&self, defect: Defect) -> String {
        self.token().sign_defective(defect)
    }

    /// Stops listening, lets requests under way end, for at most a second, and closes every connection. The port is
    /// free afterwards. A stopped server stays as it is. The [admin API](Self::admin_url) goes on: it can start it
    /// again.
    pub async fn stop(&mut self) {
        self.service.stop().await;
    }

    /// Starts a stopped server again, at the same address with the same keys. A running server stays as it is.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] when someone else has taken the port meanwhile.
    pub async fn restart(&mut self) -> Result<(), StartError> {
        self.service.restart().await
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.issuer())
            .field("running", &self.service.is_running())
            .field("admin_url", &self.admin_url())
            .finish_non_exhaustive()
    }
}
