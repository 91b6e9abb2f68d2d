//! Steering for tests: what the handle does to tokens and devices.

use std::time::Duration;

use super::{
    AuthorizationServer, ClientSecretError, DevicePoll, IssuedTokenSummary, NextToken, NoSuchTokenError, ScriptError,
};

impl AuthorizationServer {
    /// Scripts one answer of the token endpoint; several are given in their order.
    ///
    /// ```
    /// use tower_bearer_authorization_server::{AuthorizationServer, NextToken};
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo().start().await?;
    /// server.script_next_token(NextToken::error("temporarily_unavailable"))?;
    /// let ask = || {
    ///     let request = reqwest::Client::new().post(server.token_endpoint());
    ///     let request = request.basic_auth("demo-ci", Some("demo-ci-secret"));
    ///     request.form(&[("grant_type", "client_credentials")]).send()
    /// };
    /// assert_eq!(ask().await?.status(), 400);
    /// assert_eq!(ask().await?.status(), 200);
    /// assert_eq!(server.issued_tokens().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ScriptError`] for what cannot be an answer, and when too many wait.
    pub fn script_next_token(&self, next: NextToken) -> Result<(), ScriptError> {
        self.state.next_tokens.push(next)
    }

    /// Those that wait, in their order.
    #[must_use]
    pub fn next_tokens(&self) -> Vec<NextToken> {
        self.state.next_tokens.all()
    }

    /// Lets the token endpoint answer as usual.
    pub fn clear_next_tokens(&self) {
        self.state.next_tokens.clear();
    }

    /// Scripts what the next [device](super::Client::device) hears, each time that it asks for its tokens; afterwards
    /// it waits for a user as usual. How fast it asks does not matter meanwhile.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] when there is no such user, and when too many wait.
    pub fn script_device(&self, polls: impl IntoIterator<Item = DevicePoll>) -> Result<(), ScriptError> {
        self.state.device_scripts.push(polls.into_iter().collect(), &self.state.users)
    }

    /// Forgets what was scripted for devices that have not come yet.
    pub fn clear_scripted_devices(&self) {
        self.state.device_scripts.clear();
    }

    /// Gives a client another secret, at once. Those before it are accepted for `overlap` more, by the server's clock, so
    /// that a service can be tested while it moves from one to the other; with no overlap, none of them is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer_authorization_server::AuthorizationServer;
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo().start().await?;
    /// server.rotate_client_secret("demo-ci", "the-next-one", Duration::ZERO)?;
    /// let ask = |secret: &'static str| {
    ///     let request = reqwest::Client::new().post(server.token_endpoint()).basic_auth("demo-ci", Some(secret));
    ///     request.form(&[("grant_type", "client_credentials")]).send()
    /// };
    /// assert_eq!(ask("demo-ci-secret").await?.status(), 401);
    /// assert_eq!(ask("the-next-one").await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ClientSecretError`] when there is no such client, when it has no secret, and for an empty one.
    pub fn rotate_client_secret(
        &self,
        client_id: &str,
        secret: impl AsRef<str>,
        overlap: Duration,
    ) -> Result<(), ClientSecretError> {
        self.state.clients.rotate_secret(client_id, secret.as_ref(), overlap, self.state.issuer.now())
    }

    /// The access tokens that have been issued over the network and have not expired, in their order; the latest
    /// 100,000.
    #[must_use]
    pub fn issued_tokens(&self) -> Vec<IssuedTokenSummary> {
        self.state.grants.issued(self.state.issuer.now())
    }

    /// Revokes a token of any client: an access token alone, a refresh token with all that came of the same consent.
    /// Whether there was such a token. APIs that check JWTs by themselves go on accepting one until it expires.
    pub fn revoke(&self, token: &str) -> bool {
        self.state.grants.revoke(token, None, self.state.issuer.now())
    }

    /// Revokes every access and refresh token that was issued for this subject: logs a user out everywhere. Whether there
    /// was any. What the user allows from now on is not affected.
    pub fn revoke_subject(&self, subject: &str) -> bool {
        self.state.grants.revoke_subject(subject, self.state.issuer.now())
    }

    /// Revokes an access token by its number among the [issued](Self::issued_tokens) ones, for a test that does not get
    /// to see it: that token alone. Whether it had not been revoked before.
    ///
    /// ```
    /// use tower_bearer_authorization_server::AuthorizationServer;
    /// use tower_bearer::jose::Algorithm;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo().start().await?;
    /// // The service under test gets itself a token.
    /// let request = reqwest::Client::new().post(server.token_endpoint());
    /// let request = request.basic_auth("demo-ci", Some("demo-ci-secret"));
    /// request.form(&[("grant_type", "client_credentials")]).send().await?;
    ///
    /// let its_token = server.issued_tokens().last().ok_or("it asked for none")?.number;
    /// assert!(server.revoke_issued(its_token)?);
    /// assert!(!server.issued_tokens()[0].active);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoSuchTokenError`] when none has this number, or not any more.
    pub fn revoke_issued(&self, number: u64) -> Result<bool, NoSuchTokenError> {
        self.state.grants.revoke_issued(number, self.state.issuer.now())
    }
}
