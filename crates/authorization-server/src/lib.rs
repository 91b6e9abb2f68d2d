//! An OAuth 2.0 authorization server for tests and demonstrations.
//!
//! # Not for production
//!
//! **Do not let this server guard anything.** It is on loopback unless [configured
//! otherwise](AuthorizationServerBuilder::dangerously_allow_non_loopback), by default without TLS, keeps everything in
//! memory, does not slow down attackers who guess secrets, and signs defective tokens for the owner of its handle. Unless
//! it is made to [misbehave](#misbehaviour), it is nevertheless correct on the network, so that a client that works
//! with it works with a real one:
//!
//! - authorization code (RFC 6749 §4.1) with PKCE by `S256` (RFC 7636), which every client has to use: pages to log in
//!   and to consent, codes of 60 seconds for one use, `iss` in the answer (RFC 9207), redirect URIs compared byte for
//!   byte but for ports on loopback (RFC 8252 §7.3); `prompt` and `max_age` as OpenID Connect says,
//! - authorization requests that are pushed ahead (RFC 9126),
//! - refresh tokens (§6) that each use replaces; one that comes back ends all that came of the same consent,
//! - client credentials (§4.4),
//! - device authorization (RFC 8628): codes of eight consonants, a page to enter them, and a limit of ten wrong ones in
//!   five minutes for all users together,
//! - for tests of a migration away from them, and only after
//!   [`dangerously_enable_legacy_grants`](AuthorizationServerBuilder::dangerously_enable_legacy_grants): the grant
//!   `password` (§4.3) and implicit (§4.2). Without that, nothing in a request brings them back,
//! - clients that authenticate by HTTP Basic, in the body, or with a key of their own (`private_key_jwt`, RFC 7523), and
//!   public ones,
//! - access tokens as RFC 9068 says, signed with keys made at the start, or opaque; `resource` (RFC 8707) chooses among
//!   the client's audiences,
//! - for clients with the scope `openid`, ID tokens and the userinfo endpoint (OpenID Connect Core 1.0),
//! - introspection (RFC 7662) for each client with a secret, with `token_use`, and signed if the request's `Accept` says so
//!   (RFC 9701); and revocation (RFC 7009), which an API that checks JWTs alone does not notice,
//! - metadata by RFC 8414, and at the place where OpenID Connect Discovery looks,
//! - its public keys as a JWK Set (RFC 7517 §5), with an `ETag` and 304 for clients that have it (RFC 9110 §13.1.2),
//! - CORS for scripts of any origin at the endpoints that browser-based clients call: metadata, keys, token, userinfo,
//!   revocation and pushed requests, errors and faults included; never at the pages, introspection or the admin API.
//!
//! `tests/interop/run` tries that with clients in other languages and with Chromium, and keeps pictures of all pages in
//! `docs/authorization-server/screens`.
//!
//! Several issuers can share a port, as tenants of one provider do:
//! [`start_together`](AuthorizationServerBuilder::start_together).
//!
//! Users are asked for their consent each time. What was granted is forgotten when the process ends, and when there are
//! more than 100,000 access tokens or consents, the oldest first.
//!
//! ```
//! use tower_bearer_authorization_server::{AuthorizationServer, Client, Endpoint};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("reporting", "s3cret").scopes(["read:leads"]).audience("https://api.example.com");
//! let server = AuthorizationServer::builder().client(client).start().await?;
//!
//! let answer = reqwest::Client::new()
//!     .post(server.token_endpoint())
//!     .basic_auth("reporting", Some("s3cret"))
//!     .form(&[("grant_type", "client_credentials")])
//!     .send()
//!     .await?
//!     .json::<serde_json::Value>()
//!     .await?;
//! assert_eq!(answer["token_type"], "Bearer");
//! assert_eq!(answer["scope"], "read:leads");
//! assert_eq!(server.requests(Endpoint::Token), 1);
//! # Ok(())
//! # }
//! ```
//!
//! With users, there is an authorization endpoint to send browsers to:
//!
//! ```
//! use tower_bearer_authorization_server::{AuthorizationServer, Client, User};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = Client::public("lead-app")
//!     .name("Lead app")
//!     .redirect_uri("http://127.0.0.1/callback")
//!     .scopes(["read:leads"])
//!     .audience("https://api.example.com");
//! let server = AuthorizationServer::builder()
//!     .client(app)
//!     .user(User::new("alice", "wonderland"))
//!     .scope_description("read:leads", "Read your leads")
//!     .start()
//!     .await?;
//! assert_eq!(server.authorization_endpoint(), format!("{}/authorize", server.issuer()));
//! # Ok(())
//! # }
//! ```
//!
//! A setting that makes no sense is refused at the start, with what to do about it:
//!
//! ```
//! use tower_bearer_authorization_server::{AuthorizationServer, Client};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let refused = AuthorizationServer::builder().client(Client::new("reporting", "s3cret")).start().await;
//! let reason = refused.map(drop).map_err(|error| error.to_string());
//! assert_eq!(reason, Err("client `reporting` has no audience; name the API with `Client::audience`".to_owned()));
//! # }
//! ```
//!
//! # Configuration file
//!
//! Clients, users, scopes, keys and paths can be in a file instead, in TOML or, with the same fields, in JSON:
//! [`AuthorizationServerBuilder::from_file`]. What is wrong in it is told with line, column and field. All fields:
//!
//! ```toml
#![doc = include_str!("../docs/as.toml")]
//! ```
//!
//! # Misbehaviour
//!
//! How a service does when its provider does badly can only be tested with a provider that does so when told to:
//!
//! - [`misbehave`](AuthorizationServer::misbehave) gives one endpoint a [`Fault`]: it is slow, hangs, breaks off,
//!   answers with another status or a web page, flaps, redirects; its JWK Set is empty or huge, or some of its keys are
//!   bad. Introspection has `active` in the wrong type or not at all, leaves out `aud` or `exp`, names another issuer, or
//!   takes refresh tokens for access tokens; its signed responses are unsigned, or badly signed. Any JSON has other
//!   [members](Fault::Members). The builder's [`misbehave`](AuthorizationServerBuilder::misbehave), and `[faults]` in a
//!   file, do so from the start.
//! - Keys are [rotated](AuthorizationServer::rotate_keys), [with
//!   overlap](AuthorizationServer::rotate_keys_with_overlap) too, [announced](AuthorizationServer::publish_next_key),
//!   [withdrawn](AuthorizationServer::withdraw_key), or get [new material under the same
//!   `kid`](AuthorizationServer::replace_key_material).
//! - Secrets of clients are [rotated](AuthorizationServer::rotate_client_secret), with an overlap or without.
//! - [`stop`](AuthorizationServer::stop) and [`restart`](AuthorizationServer::restart) are an outage.
//! - The [clock](AuthorizationServer::set_clock_offset) can be wrong, the JWK Set's
//!   [`Cache-Control`](AuthorizationServer::set_cache_control) anything, and tokens
//!   [defective](tower_bearer_test::Defect).
//! - With the feature `tls`, the builder's `tls` gives it a certificate that is valid, expired,
//!   self-signed or another host's.
//! - [`script_next_token`](AuthorizationServer::script_next_token) gives the next token other claims or a defect, or
//!   the next request an error; [`script_device`](AuthorizationServer::script_device) decides for the users of devices.
//! - [`issued_tokens`](AuthorizationServer::issued_tokens) lists what was issued,
//!   [`revoke`](AuthorizationServer::revoke), [`revoke_issued`](AuthorizationServer::revoke_issued) and
//!   [`revoke_subject`](AuthorizationServer::revoke_subject) end it;
//!   [`on_revocation`](AuthorizationServerBuilder::on_revocation) is called for each token that is revoked.
//! - [`requests`](AuthorizationServer::requests) counts an endpoint's requests, faulty responses included, and
//!   [`request_log`](AuthorizationServer::request_log) has the client and the outcome of each. `introspections` of an
//!   issued token counts the introspection calls about it.
//!
//! ```
//! use std::time::Duration;
//! use tower_bearer_authorization_server::{AuthorizationServer, Endpoint, Fault};
//! use tower_bearer::jose::Algorithm;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = AuthorizationServer::builder().signing_algorithm(Algorithm::ES256).start().await?;
//! server.rotate_keys_with_overlap(Duration::from_secs(600))?;
//! server.misbehave(Endpoint::JwkSet, Fault::Html)?;
//!
//! let page = reqwest::get(server.jwks_uri()).await?.text().await?;
//! assert!(page.starts_with("<!doctype html>"));
//! assert_eq!(server.requests(Endpoint::JwkSet), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Admin API
//!
//! For tests in another language, and by hand, the same over HTTP, on a port of its own that
//! [`admin`](AuthorizationServerBuilder::admin) opens; it is up while the server is stopped. Bodies are JSON, sent with
//! `Content-Type: application/json`; members that a path does not know are refused. Where no answer is named it is 204;
//! `GET` answers with what `PUT` takes.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /` | `{"issuer": .., "running": ..}` |
//! | `GET /clients`, `GET /users` | `{"clients": [..]}`, each a [`ClientSummary`]; `{"users": [..]}`, each a [`UserSummary`] |
//! | `POST /clients/{id}/secret` with `{"secret": "..", "overlap_s": 600}` | gives the client this secret; those before it are accepted for the overlap, none without it |
//! | `GET /requests` | the counters by [endpoint](Endpoint), and how many answers were 304, `not_modified` |
//! | `GET /requests/log` | `{"requests": [..]}`, the latest of them, each a [`RequestRecord`] |
//! | `DELETE /requests/log` | forgets these, not the counters |
//! | `GET /faults`, `GET /faults/jwk_set` | the faults that are set, or null; other [endpoints](Endpoint) by their names |
//! | `PUT /faults/jwk_set` with a [`Fault`] | sets it: `"html"`, or `{"slow_body": {"pause_ms": 1000}}` |
//! | `DELETE /faults/jwk_set` | the endpoint behaves again |
//! | `GET`, `PUT /cache-control` with `{"value": "max-age=60"}` | of the JWK Set; null leaves it out |
//! | `GET /keys` | `{"keys": [{"kid": .., "alg": .., "signs": .., "published": ..}]}`, which the next four answer too |
//! | `POST /keys/rotate` with `{"overlap_s": 600}` | rotates; without a body, without overlap |
//! | `POST /keys/next` | announces the key that signs after the next rotation |
//! | `DELETE /keys/{kid}` | withdraws the key |
//! | `POST /keys/{kid}/replace` | gives the `kid` a new key |
//! | `GET /tokens` | `{"tokens": [..]}`, what was issued, each an [`IssuedTokenSummary`] |
//! | `POST /tokens/revoke` with `{"token": ".."}` | `{"revoked": true}`: ends an access token, or a refresh token with all of its consent; false when there is none |
//! | `POST /tokens/revoke` with `{"number": 7}` | the same for the access token that `GET /tokens` lists under this `number`, and for no refresh token; 404 when it lists none |
//! | `POST /tokens/revoke` with `{"subject": "alice"}` | ends every access and refresh token of this subject; false when there is none |
//! | `POST /next-tokens` with a [`NextToken`] | scripts an answer of the token endpoint: `{"claims": {"scope": null}}` |
//! | `GET`, `DELETE /next-tokens` | `{"next_tokens": [..]}`, those that wait; forgets them |
//! | `POST /devices/next` with `{"polls": ["pending", ..]}` | scripts what the next device hears, each a [`DevicePoll`] |
//! | `DELETE /devices/next` | forgets what was scripted for devices that have not come yet |
//! | `GET`, `PUT /clock` with `{"offset_s": -3600}` | makes the clock wrong by so many seconds |
//! | `POST /stop`, `POST /restart` | `{"running": false}`, `{"running": true}`: an outage of the server, and its end |
//!
//! What is refused says why: `{"error": "no_such_key", "error_description": ".."}`.
//!
//! It asks for no password: every program on the machine may use it. Web pages that a browser on the machine shows may
//! not: a request with `Origin` is refused (cross-site request forgery), and so is one whose `Host` is not `127.0.0.1`,
//! `localhost` or `[::1]` (DNS rebinding).

mod admin;
mod authorization_request;
mod authorization_response;
mod builder;
mod client_assertion;
mod client_authentication;
mod config;
mod connections;
mod cors;
mod defect_name;
mod endpoint;
mod endpoints;
mod file_value;
mod grant_type;
mod grants;
pub mod guide;
mod id_token;
mod listening;
mod misbehaviour;
mod oauth_error;
mod pages;
mod parameters;
mod paths;
mod pushed_requests;
mod registration;
mod request_log;
mod requested;
mod revocation_hook;
mod router;
mod scope;
mod scripts;
mod server;
mod service;
mod signed_introspection;
mod start;
mod start_error;
mod state;
mod steering;
#[cfg(feature = "tls")]
mod tls;
mod used_assertions;

pub use builder::AuthorizationServerBuilder;
pub use config::ConfigFileError;
pub use endpoint::Endpoint;
pub use grants::{IssuedTokenSummary, NoSuchTokenError};
pub use misbehaviour::{Fault, FaultError};
pub use registration::{Client, ClientSecretError, ClientSummary, User, UserSummary};
pub use request_log::RequestRecord;
pub use scripts::{DevicePoll, NextToken, ScriptError};
pub use server::AuthorizationServer;
pub use start_error::StartError;
#[cfg(feature = "tls")]
pub use tls::Certificate;
