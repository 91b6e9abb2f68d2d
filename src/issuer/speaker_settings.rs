//! Settings that tell tokens of a client acting for itself from tokens of a user.

use super::Issuer;
use crate::speaker::ClaimMarker;

impl Issuer {
    /// Reads the client's id from the first of these claims that the token has. Default: `client_id` (RFC 9068 §2.2),
    /// then `azp`, `cid` (Okta) and `appid` (Microsoft Entra, version 1).
    ///
    /// [`ValidatedToken::client_id`](crate::ValidatedToken::client_id) returns it, and a token whose `sub` equals the
    /// id in any of them speaks for a [client](crate::SpeaksFor::Client). A token is refused if its `client_id`, listed
    /// or not, is anything but a string of 1 to 1,024 bytes without control characters. The other claims may mean
    /// something else, so such a value does not cause a refusal; `client_id()` is then `None`, even if a later claim
    /// has a good value. [`require_at_jwt`](Self::require_at_jwt) requires `client_id` itself, whatever is listed here.
    ///
    /// [`build`](crate::ResourceServerBuilder::build) rejects an empty list, an empty name, `aud`, the scope claims,
    /// and claims with rules of their own, such as `sub`.
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

    /// Tokens with this claim speak for a user: [`SpeaksFor::User`](crate::SpeaksFor::User). Default: none, so no token
    /// speaks for a user. Call it again to add markers; any one of them is enough.
    ///
    /// Name a claim that the issuer puts into the tokens of users and never into those of services. That `sub` is not
    /// the client's id proves nothing: services have a `sub` of their own at Microsoft Entra, Keycloak and Zitadel. The
    /// [guide](crate::guide::tokens#whom-a-token-speaks-for) lists the markers of common providers.
    ///
    /// [`build`](crate::ResourceServerBuilder::build) rejects an empty path or value, and claims that every token has.
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

    /// Tokens with this claim speak for a client on its own behalf: [`SpeaksFor::Client`](crate::SpeaksFor::Client).
    /// Call it again to add markers. A client marker outweighs a [`user_marker`](Self::user_marker).
    ///
    /// Built in: `idtyp` `app`, `gty` `client-credentials` or `client_credentials`, `grant_type` `client_credentials`,
    /// `aut` `APPLICATION`.
    ///
    /// [`build`](crate::ResourceServerBuilder::build) rejects the same values as for a user marker.
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
