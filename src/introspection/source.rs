//! Ways to introspect a token other than RFC 7662.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// Introspects a token in its own way, for servers that do not support RFC 7662: Google's tokeninfo, GitHub's check of
/// a token.
///
/// The crate decides when to ask, caches the answers, and applies the same rules to the claims as to those of RFC 7662:
/// `aud` and `exp` are required unless they are waived. A call that takes longer than
/// [`Introspection::timeout`](crate::Introspection::timeout) is ended.
///
/// ```
/// use tower_bearer::{Introspection, IntrospectionSource, IntrospectionSourceFuture, Issuer};
///
/// #[derive(Debug)]
/// struct Sessions;
///
/// impl IntrospectionSource for Sessions {
///     fn introspect<'a>(&'a self, token: &'a str) -> IntrospectionSourceFuture<'a> {
///         Box::pin(async move {
///             let user = (token == "4f1g0p").then_some("alice"); // ask the database
///             Ok(user.map(|user| format!(r#"{{"sub":"{user}","aud":"https://api.example.com","exp":1900000000}}"#)))
///         })
///     }
/// }
///
/// let issuer = Issuer::new("https://sessions.example.com").without_keys().introspection(Introspection::by(Sessions));
/// # let _ = issuer;
/// ```
pub trait IntrospectionSource: fmt::Debug + Send + Sync + 'static {
    /// The claims of an active token, as a string with one JSON object; `None` if the token is not active.
    ///
    /// **The token is what a client sent**: send it to nobody but the issuer that it belongs to.
    ///
    /// # Errors
    ///
    /// When the state of the token is unknown. The error is logged, so it must not contain the token. The request gets
    /// 503.
    fn introspect<'a>(&'a self, token: &'a str) -> IntrospectionSourceFuture<'a>;
}

/// What [`IntrospectionSource::introspect`] returns.
pub type IntrospectionSourceFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<String>, IntrospectionSourceError>> + Send + 'a>>;

/// Why a source could not answer. Its `Display` is logged.
pub type IntrospectionSourceError = Box<dyn Error + Send + Sync>;
