//! An OAuth 2.0 authorization server for tests and demonstrations (feature `authorization-server`).
//!
//! # Not for production
//!
//! **Do not let this server guard anything.** It speaks plain HTTP on loopback, forgets everything when it stops, does
//! not slow down whoever guesses secrets, and signs defective tokens for whoever holds its handle. What it does on the
//! network is correct all the same, so that a client that works with it works with a real one:
//!
//! - the client credentials grant (RFC 6749 §4.4), with the client authenticated by HTTP Basic or in the body,
//! - access tokens as RFC 9068 says, signed with keys made at the start,
//! - metadata by RFC 8414, and at the place where OpenID Connect Discovery looks,
//! - its public keys as a JWK Set (RFC 7517 §5).
//!
//! It ignores `resource` (RFC 8707): a client's audiences are part of its registration.
//!
//! ```
//! use tower_bearer::authorization_server::{AuthorizationServer, Client, Endpoint};
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
//! A setting that makes no sense is refused at the start, with what to do about it:
//!
//! ```
//! use tower_bearer::authorization_server::{AuthorizationServer, Client};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let refused = AuthorizationServer::builder().client(Client::new("reporting", "s3cret")).start().await;
//! let reason = refused.map(drop).map_err(|error| error.to_string());
//! assert_eq!(reason, Err("client `reporting` has no audience; name the API with `Client::audience`".to_owned()));
//! # }
//! ```

mod bad_key_set;
mod builder;
mod client;
mod client_authentication;
mod connections;
mod endpoint;
mod fault;
mod faults;
mod form;
mod jwk_set_endpoint;
mod metadata_endpoint;
mod misbehaviour;
mod oauth_error;
mod odd_body;
mod router;
mod scope;
mod server;
mod start_error;
mod state;
mod token_endpoint;

pub use builder::AuthorizationServerBuilder;
pub use client::Client;
pub use endpoint::Endpoint;
pub use fault::{Fault, FaultError};
pub use server::AuthorizationServer;
pub use start_error::StartError;
