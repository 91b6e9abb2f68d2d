//! A [tower] layer that decides, for every HTTP request, whether its OAuth 2.0 access token is good.
//!
//! It reads `Authorization: Bearer`, checks signature, expiry, audience and scope against the cached keys of the
//! token's issuer, and lets the request through or answers it. It goes on an axum `Router`, a plain hyper service, or
//! anything that is a `tower::Service<http::Request<B>>`.
//!
//! # A protected route
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "remote-keys"))] {
//! use axum::{Router, routing::get};
//! use tower_bearer::{Issuer, RequireScopes, ResourceServer, ValidatedToken};
//!
//! # fn app() -> Result<Router, tower_bearer::ConfigError> {
//! let api = ResourceServer::builder()
//!     .audience("https://api.example.com") // what the authorization server writes into `aud` for this API
//!     .issuer(Issuer::new("https://as.example.com")) // its keys are found by discovery, when first needed
//!     .build()?; // checks the configuration; no network
//!
//! let app = Router::new()
//!     .route("/leads", get(list_leads).route_layer(RequireScopes::all(["read:leads"])))
//!     .route_layer(api.layer());
//! # Ok(app)
//! # }
//! # app().unwrap();
//!
//! async fn list_leads(token: ValidatedToken) -> String {
//!     format!("leads for {:?}", token.subject())
//! }
//! # }
//! ```
//!
//! No authorization server at hand? [`tower-bearer-authorization-server`] is one for tests and demonstrations, and
//! [`tower-bearer-test`] makes tokens without any network.
//!
//! # What is checked
//!
//! In this order; the first failure ends it. Before the signature is verified, only `iss` is read of the claims: it
//! chooses among several issuers, and tells whether an unknown `kid` is worth a fetch.
//!
//! 1. One `Authorization` header with one bearer token of at most 16 KiB, and no `access_token` in the query, whose
//!    parameter names are percent-decoded first (RFC 6750 §2).
//! 2. Three parts of strict base64url; a header without duplicates, `crit`, `enc`, or a nested token (RFC 7515,
//!    RFC 7516 §9), within the [limits](guide::tokens#limits).
//! 3. `alg` is among the configured algorithms; the key is found by issuer, `kid` and `alg`, never in the token
//!    (RFC 8725 §3.1, §3.10). The guide lists [which keys are used](guide::keys#which-keys-are-used).
//! 4. The signature.
//! 5. One JSON object of claims, without duplicates at any depth, each with the type its definition says, within the
//!    [limits](guide::tokens#limits): identifiers have 1 to 1,024 bytes, times are seconds from 1970 to the year 9999,
//!    numbers fit a double, strings are Unicode.
//! 6. `typ` is `at+jwt`, `JWT` or absent ([`Issuer::require_at_jwt`] insists on the first), and the claims are not
//!    those of an ID, refresh or logout token (RFC 9068 §4, §5), as `nonce`, `at_hash`, `c_hash`, `events`, `token_use`
//!    and `typ` [show](guide::tokens#claims-of-other-tokens).
//! 7. No `cnf`: a token that is bound to a key is not a bearer token (RFC 9449 §7.2).
//! 8. `iss` and `aud`, byte by byte; `exp`, `nbf` and `iat`, with 30 seconds of leeway.
//! 9. With a [revocation check](ResourceServerBuilder::revocation): that the token was not revoked.
//! 10. Per route: [scopes](RequireScopes), [roles](RequireRoles), a [maximum age](RequireTokenAge), or [anything
//!     else](RequireToken), such as [whom the token speaks for](ValidatedToken::speaks_for).
//!
//! What fails becomes a [`TokenError`] with a stable [reason](TokenError::reason), and one place turns that into a
//! response: see [`StatusPolicy`] for the statuses.
//!
//! # Keys
//!
//! A request whose key is known never waits for the network and takes no lock. Keys are fetched when first needed,
//! refreshed ahead in the background, and kept through an outage of the provider for up to an hour past their lifetime;
//! then requests are answered with 503, never with 401: an outage is not the client's fault. Nor does an unknown `kid`
//! get a 401 while the keys cannot be fetched: they may have been rotated ([the table](guide::keys#an-unknown-kid)). A
//! flood of unknown `kid`s costs the provider two fetches in 30 seconds.
//!
//! [`guide::keys`] is the page for designing a deployment and for whoever is on call: defaults, states, what happens in
//! each failure, where keys can come from, many tenants, start and health. [`KeyPolicy`] has the settings.
//! [`guide::scaling`] says what a fleet of replicas costs its provider, in memory and in CPU.
//!
//! # Opaque tokens
//!
//! An issuer that can be asked about its tokens (RFC 7662) is configured with [`Issuer::introspection`]; then one layer
//! takes both kinds. Answers are cached for a minute, calls are bounded, and while nobody can tell whether a token is
//! active, requests get 503, never 401. [`guide::opaque_tokens`] says what it costs and what happens in each failure.
//!
//! # Revocation
//!
//! A JWT is accepted until it expires, unless the server has a [`RevocationList`], or another
//! [revocation check](ResourceServerBuilder::revocation): then every use of every token asks, at the cost of a few
//! nanoseconds. [`guide::revocation`] compares short lifetimes, introspection and a list.
//!
//! # With axum
//!
//! - Add routes before the layer. Anything added after it is **public**; a handler there that takes [`ValidatedToken`]
//!   responds with 500 and lets nobody in.
//! - Use `route_layer` in a router without a fallback, so that unknown paths stay 404 instead of needing a token.
//!   `route_layer` leaves **a fallback public**: in a router with a fallback of its own, use `layer`. [`guide::frameworks`] has a table
//!   of what the layer covers for each axum construct.
//! - Put `CorsLayer` outside: preflights have no token. Allow the headers `Authorization` and `Content-Type` by name:
//!   without both, browsers send no JSON with a token. Expose `WWW-Authenticate` and `Retry-After`.
//! - Extractors: [`ValidatedToken`] and [`Claims<T>`](Claims); `Option` of either for routes under a layer that is
//!   [optional](BearerLayer::optional).
//!
//! # With long-lived connections
//!
//! The layer decides once, when a request starts. For a WebSocket or an event stream, wait for
//! [`ResourceServer::until_refused`] as well, and close the connection when it completes: the token has expired or was
//! revoked, its key was withdrawn, or its issuer was disabled. Validate a token that arrives in a message with
//! [`ResourceServer::validate`]. [`guide::frameworks`] has examples, and what to set for gRPC.
//!
//! # Tests of your own
//!
//! Add packages to your development dependencies, so that nothing in production can sign a token: with
//! [`tower-bearer-test`], `ValidatedTokenBuilder` makes a token to call a handler with, and `TestIssuer` is an issuer
//! without a network; `AuthorizationServer` of [`tower-bearer-authorization-server`] is one with a network, for the whole
//! path. Both make bad tokens by name. `tower-bearer-authorization-server` has a page on tests in CI pipelines and in
//! staging. Clocks, paused time and several runtimes are in [`guide::testing`].
//!
//! [`tower-bearer-test`]: https://docs.rs/tower-bearer-test
//! [`tower-bearer-authorization-server`]: https://docs.rs/tower-bearer-authorization-server
//!
//! # When a request is refused
//!
//! The crate logs through `tracing`: refusals at debug with their reason and what was expected, outages at warn, and a
//! service that is misconfigured at error. With the feature `metrics` it counts: [`guide::monitoring`] has the
//! figures, the log lines, alert rules and a dashboard. [`ResourceServer::validate_explained`] tells each check of one
//! token in order, with what was expected and what was found. A layer outside finds the [`TokenError`] in the
//! extensions of the response.
//!
//! # What it does not do
//!
//! DPoP-bound (RFC 9449) and certificate-bound (RFC 8705) tokens are refused, each with its own reason, and so are
//! encrypted ones that no issuer is asked about.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `remote-keys` | yes | keys from a URL or by discovery |
//! | `axum` | yes | extractors |
//! | `metrics` | no | counters and histograms, for the recorder that the application installs |
//!
//! For FIPS-validated cryptography, add `aws-lc-rs` with its feature `fips` to your own `Cargo.toml`: Cargo unifies
//! features, so this crate uses the same module.

#[cfg(feature = "axum")]
mod axum;
mod challenge;
mod claim_path;
mod claims;
mod config_error;
mod credentials;
mod digest;
mod duration_text;
mod error;
mod evidence;
pub mod guide;
mod introspection;
mod issuer;
pub mod jose;
mod keys;
pub mod layer;
mod limits;
#[cfg(not(feature = "metrics"))]
#[expect(unreachable_pub, reason = "public with the feature")]
mod metrics;
#[cfg(feature = "metrics")]
pub mod metrics;
mod presentation;
mod refusal;
mod requirement;
mod resource_server;
mod response;
mod revocation;
mod revocation_kind;
mod revocation_memo;
mod scope;
mod server_context;
mod single_flight;
mod speaker;
mod status_policy;
mod sync;
mod telemetry;
pub mod time;
mod token;
mod token_cache;
mod token_claims;
mod trust;
mod urls;
mod validator;

#[cfg(feature = "axum")]
pub use axum::Claims;
pub use claim_path::ClaimPath;
pub use config_error::ConfigError;
pub use error::{ClaimFault, JsonFault, KeySetError, MalformedFault, RequestFault, TokenError, TransportFault};
#[cfg(feature = "remote-keys")]
pub use introspection::{
    ClientAuthentication, ClientAuthenticationError, ClientAuthenticationFuture, ClientCertificate, ClientRequest,
    ClientSecret, ClientSecretBasic, ClientSecretPost,
};
pub use introspection::{
    Introspection, IntrospectionFailure, IntrospectionSource, IntrospectionSourceError, IntrospectionSourceFailure,
    IntrospectionSourceFuture, IntrospectionState, IntrospectionStatus,
};
pub use issuer::{FailoverDescription, Issuer, IssuerDescription, OmittedSetting};
pub use keys::{
    ExportedKeySets, FetchCounts, FetchedKeySet, KeyPolicy, KeySetFailure, KeySetState, KeySetStatus, KeySource,
    KeySourceFuture,
};
#[doc(inline)]
pub use layer::{BearerLayer, RequireRoles, RequireScopes, RequireToken, RequireTokenAge};
pub use presentation::Presentation;
pub use refusal::Refusal;
pub use resource_server::{
    Readiness, ResourceServer, ResourceServerBuilder, ResourceServerDescription, TokenCacheStatus, WarmUpError,
};
pub use response::RefusalBody;
pub use revocation::{
    Revocation, RevocationAnswer, RevocationCheck, RevocationError, RevocationFuture, RevocationHealth, RevocationList,
    RevocationListBuilder, RevocationSignal, RevocationState, RevocationStatus, RevocationVerdict,
};
pub use revocation_kind::RevocationKind;
pub use scope::{Scope, ScopeRequirement};
pub use speaker::{ClaimMarker, SpeaksFor};
pub use status_policy::{RefusalKind, StatusPolicy};
pub use token::ValidatedToken;
pub use trust::{IssuerResolver, IssuerResolverError, IssuerResolverFuture};
pub use validator::{Check, Found, Step, StepListener};

/// The README's examples compile.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
