//! The tower middleware: [`BearerLayer`] lets only requests with a good token through, and the `Require` layers ask
//! more of it on single routes.
//!
//! A request with a good token reaches the inner service with the [`ValidatedToken`](crate::ValidatedToken) in its
//! extensions. Any other request is answered, and the inner service never sees it. The answer carries the
//! [`TokenError`](crate::TokenError) in its extensions, so that a layer further out can log and count it.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_bearer::{RequireScopes, TokenError, ValidatedToken};
//! # use tower_bearer::ResourceServer;
//! # use tower_bearer_test::TestIssuer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let issuer = TestIssuer::new("https://as.example.com")?;
//! # let api = ResourceServer::builder().audience("https://api.example.com").issuer(issuer.trusted()).build()?;
//! # let token = issuer.token().audience("https://api.example.com").scope("read:leads").sign();
//! let service = ServiceBuilder::new()
//!     .layer(api.layer())
//!     .layer(RequireScopes::all(["read:leads"]))
//!     .service(service_fn(|request: Request<Full<Bytes>>| async move {
//!         assert!(request.extensions().get::<ValidatedToken>().is_some());
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("leads"))))
//!     }));
//!
//! // A good token passes.
//! let request = Request::get("/leads").header("authorization", format!("Bearer {token}"));
//! let response = service.clone().oneshot(request.body(Full::default())?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//!
//! // A request without one is refused, and says why.
//! let response = service.oneshot(Request::get("/leads").body(Full::default())?).await?;
//! assert_eq!(response.status(), StatusCode::BAD_REQUEST);
//! assert_eq!(response.extensions().get(), Some(&TokenError::Absent));
//! # Ok(())
//! # }
//! ```

mod answer;
mod bearer;
mod body;
mod extensions;
mod future;
mod require;
mod watch;

pub use bearer::{BearerLayer, BearerService};
pub use body::ResponseBody;
pub use future::BearerFuture;
pub use require::{RequireFuture, RequireRoles, RequireScopes, RequireService, RequireToken, RequireTokenAge};

#[cfg(feature = "axum")]
pub(crate) use extensions::{judged_token, required_token};
