//! How an issuer's tokens tell a client that acts for itself from a user.

use super::Issuer;
use crate::speaker::ClaimMarker;

impl Issuer {
    /// Reads the client's id from the first of these claims that the token has. Default: `client_id` (RFC 9068 §2.2),
    /// then `azp`, `cid` (Okta) and `appid` (Microsoft Entra, version 1).
    ///
    /// [`ValidatedToken::client_id`](crate::ValidatedToken::client_id) returns it, and a `sub` equal to the id in any
    /// of them is a [client's](crate::SpeaksFor::Client). A `client_id` that is no string of 1 to 1,024 bytes without
    /// control characters refuses the token, whether it is listed or not. The other claims may mean something else, so
    /// such a value does not refuse the token; then `client_id()` is `None`, also if a later claim has a good value.
    /// [`require_at_jwt`](Self::require_at_jwt) asks for `client_id` itself, whatever is listed here.
    ///
    /// [`build`](crate::ResourceServerBuilder::build) refuses an empty list, an empty name, `aud`, the scope claims, and
    /// claims with rules of their own, such as `sub`.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// // Here `cid` is the company.
    /// let issuer = Issuer::new("https://as.example.com").client_id_claims(["client_id", "azp"]);
    /// # let _ = issuer;
    /// ```
    #[must_use]
    pub fn client_id_claims<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.client_id_claims = names.into_iter().map(|name| name.into().into_boxed_str()).collect();
        self
    }

    /// Takes tokens with this claim for those of a user: [`SpeaksFor::User`](crate::SpeaksFor::User). Default: none, so
    /// no token speaks for a user. Repeatable; one of the markers is enough.
    ///
    /// Name a claim that the issuer puts into the tokens of users and never into those of services. That `sub` is not
    /// the client's id proves nothing: services have a `sub` of their own at Microsoft Entra, Keycloak and Zitadel. The
    /// [guide](crate::guide::tokens#whom-a-token-speaks-for) lists what providers have.
    ///
    /// [`build`](crate::ResourceServerBuilder::build) refuses an empty path or value, and claims that every token has.
    ///
    /// ```
    /// use tower_bearer::{ClaimMarker, Issuer};
    ///
    /// let okta = Issuer::new("https://example.okta.com/oauth2/default").user_marker(ClaimMarker::present("uid"));
    /// # let _ = okta;
    /// ```
    #[must_use]
    pub fn user_marker(mut self, marker: ClaimMarker) -> Self {
        self.markers.add_user(marker);
        self
    }

    /// Takes tokens with this claim for those of a client on its own behalf:
    /// [`SpeaksFor::Client`](crate::SpeaksFor::Client). Repeatable; it outweighs a
    /// [`user_marker`](Self::user_marker).
    ///
    /// Always known: `idtyp` `app`, `gty` `client-credentials` or `client_credentials`, `grant_type`
    /// `client_credentials`, `aut` `APPLICATION`.
    ///
    /// [`build`](crate::ResourceServerBuilder::build) refuses the same as for a user marker.
    ///
    /// ```
    /// use tower_bearer::{ClaimMarker, Issuer};
    ///
    /// let cluster = Issuer::new("https://kubernetes.default.svc").client_marker(ClaimMarker::present("kubernetes.io"));
    /// # let _ = cluster;
    /// ```
    #[must_use]
    pub fn client_marker(mut self, marker: ClaimMarker) -> Self {
        self.markers.add_client(marker);
        self
    }
}
