//! Why the server did not start.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tower_bearer_test::SigningError;

use super::{Endpoint, FaultError};

/// Why the server did not start: which setting it was, and what to do.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A client without an id.
    #[error("a client has an empty id; give `Client::new` an id")]
    EmptyClientId,
    /// Two clients of one id: which secret would count?
    #[error("there are two clients with the id `{client_id}`; give each `Client` an id of its own")]
    DuplicateClient {
        /// The id that both have.
        client_id: String,
    },
    /// A client that anyone could be.
    #[error("client `{client_id}` has an empty secret; give `Client::new` a secret")]
    EmptySecret {
        /// The client without a secret.
        client_id: String,
    },
    /// A public client that nothing can be given to: without a secret it has no tokens of its own.
    #[error(
        "public client `{client_id}` has no redirect URI; give it one with `Client::redirect_uri`, or let it run on devices \
         with `Client::device`"
    )]
    NoRedirectUri {
        /// The client without a redirect URI.
        client_id: String,
    },
    /// A redirect URI that no code may be sent to.
    #[error(
        "the redirect URI {uri:?} of client `{client_id}` {problem}; give `Client::redirect_uri` a URL such as \
         `https://app.example.com/callback` or `http://127.0.0.1/callback`"
    )]
    RedirectUri {
        /// The client that has it.
        client_id: String,
        /// The redirect URI as given.
        uri: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A client that gets tokens of users, of whom there are none.
    #[error("client `{client_id}` gets tokens of users, but there are none; add a user with `user`")]
    NoUser {
        /// The client that would act for users.
        client_id: String,
    },
    /// A client whose tokens would be for no API; RFC 9068 §2.2 requires `aud`.
    #[error("client `{client_id}` has no audience; name the API with `Client::audience`")]
    NoAudience {
        /// The client without an audience.
        client_id: String,
    },
    /// A scope with characters that RFC 6749 §3.3 does not allow.
    #[error(
        "client `{client_id}` has the scope {scope:?}, which cannot be one; give `Client::scopes` one scope an item, \
         of printable ASCII characters without space, quotation mark or backslash (RFC 6749 section 3.3)"
    )]
    InvalidScope {
        /// The client that has the scope.
        client_id: String,
        /// The scope as given.
        scope: String,
    },
    /// A previous secret that is empty, or that has no current secret after it.
    #[error(
        "client `{client_id}` has an empty previous secret, or no current one; give `Client::previous_secret` the \
         secret before that of `Client::new`"
    )]
    PreviousSecret {
        /// The client that has it.
        client_id: String,
    },
    /// Keys of a client that verify nothing.
    #[error(
        "the keys of client `{client_id}` are not usable: {problem}; give `Client::jwks` a JWK Set with public keys for \
         signatures, such as `{{\"keys\": [{{\"kty\": \"EC\", ..}}]}}`"
    )]
    ClientKeys {
        /// The client that has them.
        client_id: String,
        /// What is wrong with them.
        problem: String,
    },
    /// A prefix that no token in a header can have (RFC 6750 §2.1), or that of a client without opaque tokens.
    #[error(
        "opaque tokens of client `{client_id}` cannot begin with {prefix:?}; give `Client::opaque_token_prefix` letters, \
         digits and `-._~+/`, and in a file `opaque_tokens = true` with it"
    )]
    OpaqueTokenPrefix {
        /// The client with that prefix.
        client_id: String,
        /// The prefix as given.
        prefix: String,
    },
    /// A fault that means nothing at its endpoint.
    #[error("a fault cannot be set: {source}")]
    Fault {
        /// Where it was set.
        endpoint: Endpoint,
        /// Why it cannot be set.
        source: FaultError,
    },
    /// A client whose tokens would be expired at once: claims count whole seconds.
    #[error("tokens for client `{client_id}` live less than a second; give `Client::token_lifetime` at least one")]
    ShortLifetime {
        /// The client with that lifetime.
        client_id: String,
    },
    /// A client whose refresh tokens would be expired at once.
    #[error(
        "refresh tokens for client `{client_id}` live less than a second; give `Client::refresh_lifetime` and \
         `Client::refresh_absolute_lifetime` at least one"
    )]
    ShortRefreshLifetime {
        /// The client with that lifetime.
        client_id: String,
    },
    /// Device codes that would be expired at once.
    #[error("device codes live less than a second; give `device_code_lifetime` at least one")]
    ShortDeviceCodeLifetime,
    /// A user without a name.
    #[error("a user has an empty name; give `User::new` a name")]
    EmptyUsername,
    /// Two users of one name: which password would count?
    #[error("there are two users with the name `{username}`; give each `User` a name of its own")]
    DuplicateUser {
        /// The name that both have.
        username: String,
    },
    /// A user whom anyone could be.
    #[error("user `{username}` has an empty password; give `User::new` a password")]
    EmptyPassword {
        /// The user without a password.
        username: String,
    },
    /// A user whom no token can name.
    #[error("user `{username}` has an empty subject; leave `User::subject` out to use the name")]
    EmptySubject {
        /// The user with the empty subject.
        username: String,
    },
    /// A user whom tokens could not tell from another one.
    #[error("user `{username}` has the subject of another user; give `User::subject` one of its own")]
    DuplicateSubject {
        /// The second user with that subject.
        username: String,
    },
    /// A claim that the server sets itself.
    #[error("user `{username}` has the claim `{claim}`, which the server sets itself; leave it out of `User::claim`")]
    ReservedClaim {
        /// The user that has it.
        username: String,
        /// The claim.
        claim: String,
    },
    /// A description of what cannot be a scope (RFC 6749 §3.3).
    #[error("{scope:?} cannot be a scope; give `scope_description` a scope such as `read:leads` and a text for people")]
    ScopeDescription {
        /// The scope as given.
        scope: String,
    },
    /// A path for an endpoint that cannot be one, or leads somewhere else already.
    #[error(
        "the path {path:?} is not usable for `{setting}`; give it a text like `/oauth2/token`, made as an issuer path is, \
         that is the path of no other endpoint"
    )]
    EndpointPath {
        /// The setting of the builder.
        setting: &'static str,
        /// The path as given.
        path: String,
    },
    /// A path that cannot be part of an issuer URL as it is written.
    #[error(
        "the issuer path {path:?} is not usable; give `issuer_path` a text like `/tenant`: it starts with a slash, \
         does not end with one, and has letters, digits, `-`, `.`, `_` and `~` between them"
    )]
    IssuerPath {
        /// The path as given.
        path: String,
    },
    /// A public name that cannot be an issuer URL (RFC 8414 §2).
    #[error(
        "the issuer {url:?} {problem}; give `issuer` a URL such as `http://as:9000` or `https://as.example.com/tenant`"
    )]
    IssuerUrl {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An address or a name by which other machines would reach a server that is for tests.
    #[error(
        "`{setting}` is {value}, which is not loopback: everyone who reaches this server can get any token from it; \
         if that is what you want, allow it with `dangerously_allow_non_loopback`"
    )]
    NotLoopback {
        /// The setting of the builder.
        setting: &'static str,
        /// Its value.
        value: String,
    },
    /// Every address of the machine, which cannot name an issuer.
    #[error(
        "{address} means every address of this machine and cannot be part of an issuer URL; give `issuer` the URL \
         by which clients and APIs reach this server, such as `http://as:9000`"
    )]
    NoIssuerName {
        /// Where the server was to listen.
        address: IpAddr,
    },
    /// Two issuers in one place.
    #[error("two issuers would be at {path:?}; give each an `issuer_path` of its own, and endpoints below it")]
    SharedPath {
        /// The path that both have.
        path: String,
    },
    /// An issuer that does not want to be where the first one is.
    #[error(
        "the issuer with the path {issuer_path:?} has another `listen`, `port` or `tls` than the first one; set them on \
         the first one alone"
    )]
    OtherPlace {
        /// The path of the issuer.
        issuer_path: String,
    },
    /// No key for the algorithm given.
    #[error("no key for `signing_algorithm`: {0}")]
    SigningKey(#[from] SigningError),
    /// No certificate for `tls`.
    #[cfg(feature = "tls")]
    #[error("no certificate for `tls` could be made; leave `tls` out to go on without")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The port is not free, or not allowed.
    #[error("cannot listen on {address}; set `port` to a free one, or to 0 for any")]
    Listen {
        /// Where the server was to listen.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}
