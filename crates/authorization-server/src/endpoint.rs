//! The endpoints of the server.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Writes down each endpoint once: its variant, its name, and its place in what there is one of for each.
macro_rules! endpoints {
    ($($(#[$doc:meta])* $variant:ident $name:ident,)*) => {
        /// An endpoint of the server, for counting and for [faults](super::Fault).
        ///
        /// In JSON, its [name](Self::name), such as `metadata`, `jwk_set` or `token`.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Endpoint {
            $($(#[$doc])* $variant,)*
        }

        impl Endpoint {
            /// Every endpoint.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name, in snake case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)*
                }
            }
        }

        /// One of something for each endpoint.
        #[derive(Debug, Default)]
        pub(super) struct PerEndpoint<T> {
            $($name: T,)*
        }

        impl<T> PerEndpoint<T> {
            pub(super) const fn at(&self, endpoint: Endpoint) -> &T {
                match endpoint {
                    $(Endpoint::$variant => &self.$name,)*
                }
            }
        }
    };
}

endpoints! {
    /// The metadata, at either of its two places.
    Metadata metadata,
    /// The JWK Set.
    JwkSet jwk_set,
    /// The token endpoint.
    Token token,
    /// The authorization endpoint, which shows the pages to log in and to consent.
    Authorization authorization,
    /// Where the page to log in sends name and password.
    Login login,
    /// Where the page to consent sends the decision.
    Consent consent,
    /// Where devices ask for codes (RFC 8628).
    DeviceAuthorization device_authorization,
    /// The pages for users of devices.
    Device device,
    /// Introspection of tokens (RFC 7662).
    Introspection introspection,
    /// Revocation of tokens (RFC 7009).
    Revocation revocation,
    /// What clients may know of the user (OpenID Connect).
    Userinfo userinfo,
    /// Authorization requests that are sent ahead (RFC 9126).
    PushedAuthorization pushed_authorization,
}

impl Endpoint {
    /// Whether its good responses are JSON objects; the others are pages, or empty.
    pub(super) const fn has_json(self) -> bool {
        match self {
            Self::Metadata
            | Self::JwkSet
            | Self::Token
            | Self::DeviceAuthorization
            | Self::Introspection
            | Self::Userinfo
            | Self::PushedAuthorization => true,
            Self::Authorization | Self::Login | Self::Consent | Self::Device | Self::Revocation => false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
