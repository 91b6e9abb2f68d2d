//! wip
#![allow(missing_docs)]

#[cfg(feature = "authorization-server")]
pub mod authorization_server;
#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod challenge;
mod claims;
mod error;
mod issuer;
pub mod jose;
mod keys;
pub mod layer;
mod requirement;
mod resource_server;
mod response;
mod scope;
#[cfg(feature = "test-util")]
pub mod test_util;
pub mod time;
mod token;
mod validator;

#[cfg(feature = "axum")]
pub use axum::Claims;
pub use claims::Audience;
pub use error::{ClaimFault, ConfigError, JsonFault, KeySetError, MalformedFault, RequestFault, TokenError};
pub use issuer::Issuer;
pub use keys::KeyPolicy;
pub use layer::{BearerLayer, RequireRoles, RequireScopes, RequireToken};
pub use requirement::ClaimPath;
pub use resource_server::{ResourceServer, ResourceServerBuilder};
pub use response::{RefusalBody, RefusalKind, StatusPolicy};
pub use scope::{Scope, ScopeRequirement};
pub use token::{Refusal, ValidatedToken};
pub use validator::{Check, Step, StepListener};
