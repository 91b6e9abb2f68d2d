//! The setting that tells an API what was revoked.

use super::grants::OnRevocation;
use super::{AuthorizationServerBuilder, IssuedTokenSummary};

impl AuthorizationServerBuilder {
    /// Calls `listener` for each access token that is revoked, at the revocation endpoint, by the handle or the admin API,
    /// or because a code or refresh token was used twice: to feed the revocation list of an API under test, which would
    /// otherwise accept a JWT until it expires. The listener runs before the request that revokes gets its response. A
    /// new one replaces the last.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::jose::Algorithm;
    /// use tower_bearer::time::UnixTime;
    /// use tower_bearer::{Revocation, RevocationList};
    /// use tower_bearer_authorization_server::AuthorizationServer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let revoked = RevocationList::new(Duration::from_secs(3_600))?;
    /// let list = revoked.clone();
    /// let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).demo();
    /// let server = server.issuer("http://as.localhost:9000").on_revocation(move |token| {
    ///     let Some(token_id) = &token.token_id else { return }; // opaque: the API asks about it anyway
    ///     let entry = Revocation::token_id("http://as.localhost:9000", token_id);
    ///     if let Err(error) = list.revoke(&entry.until(UnixTime::from_secs(token.expires_at))) {
    ///         eprintln!("{error}");
    ///     }
    /// });
    /// let server = server.start().await?;
    /// # let request = reqwest::Client::new().post(format!("http://{}/token", server.address()));
    /// # let request = request.basic_auth("demo-ci", Some("demo-ci-secret"));
    /// # request.form(&[("grant_type", "client_credentials")]).send().await?.error_for_status()?;
    /// // Once a token was issued:
    /// server.revoke_issued(1)?;
    /// assert_eq!(revoked.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_revocation(mut self, listener: impl Fn(&IssuedTokenSummary) + Send + Sync + 'static) -> Self {
        self.on_revocation = OnRevocation::call(listener);
        self
    }
}
