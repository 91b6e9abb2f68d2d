//! Grant types: their names, and which of them the token endpoint accepts.

/// A grant type (RFC 6749 §1.3, RFC 8628 §3.4). Who may use it is
/// [`RegisteredClient::may_use`](crate::registration::RegisteredClient::may_use).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GrantType {
    AuthorizationCode,
    DeviceCode,
    RefreshToken,
    ClientCredentials,
    Implicit,
    Password,
}

impl GrantType {
    /// In the order of the metadata.
    pub(crate) const ALL: [Self; 6] = [
        Self::AuthorizationCode,
        Self::DeviceCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::Implicit,
        Self::Password,
    ];

    /// Its name in `grant_type` and in the metadata.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Implicit => "implicit",
            Self::Password => "password",
        }
    }

    /// The grant type that a token request names. Implicit tokens come in redirects, so no token request can ask for
    /// one.
    pub(crate) fn of_token_request(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant_type| *grant_type != Self::Implicit && grant_type.name() == name)
    }
}
