//! Ways to introspect a token other than RFC 7662.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// How many causes of an error are looked at: it is the application's own, and might be a circle.
const MAX_CAUSES: usize = 32;

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
    /// 503. An error counts against the issuer, unless it is an [`IntrospectionSourceFailure`] that says otherwise:
    /// after five in a row, calls pause.
    fn introspect<'a>(&'a self, token: &'a str) -> IntrospectionSourceFuture<'a>;
}

/// What [`IntrospectionSource::introspect`] returns.
pub type IntrospectionSourceFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<String>, IntrospectionSourceError>> + Send + 'a>>;

/// Why a source could not answer. Its `Display` is logged. To say whom the failure counts against, box an
/// [`IntrospectionSourceFailure`]; `?` does that.
pub type IntrospectionSourceError = Box<dyn Error + Send + Sync>;

/// Why a source could not answer, and whom that counts against: an error for [`IntrospectionSource::introspect`] to
/// return. It also has an effect as the cause of another error.
///
/// ```
/// use tower_bearer::{IntrospectionSourceError, IntrospectionSourceFailure};
///
/// fn check_status(status: u16) -> Result<(), IntrospectionSourceError> {
///     match status {
///         200 => Ok(()),
///         // Anybody may have made the token up, so this must not stop calls about others.
///         400 | 422 => Err(IntrospectionSourceFailure::of_token("the token has a form that is not accepted"))?,
///         429 => {
///             let wait = std::time::Duration::from_secs(10);
///             Err(IntrospectionSourceFailure::of_issuer("too many calls").retry_after(wait))?
///         }
///         _ => Err(format!("status {status}"))?,
///     }
/// }
/// # assert!(check_status(400).unwrap_err().is::<IntrospectionSourceFailure>());
/// # assert!(check_status(429).unwrap_err().is::<IntrospectionSourceFailure>());
/// # assert!(check_status(200).is_ok() && check_status(500).is_err());
/// ```
#[derive(Debug)]
pub struct IntrospectionSourceFailure {
    text: Cow<'static, str>,
    /// Only this token is concerned.
    pub(super) is_of_token: bool,
    pub(super) retry_after: Option<Duration>,
}

impl IntrospectionSourceFailure {
    /// This token alone could not be introspected. Its requests get 503 for as long as those of a refused token are
    /// [refused](crate::Introspection::inactive_cache) without a call; calls about other tokens go on.
    #[must_use]
    pub fn of_token(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), is_of_token: true, retry_after: None }
    }

    /// The issuer did not answer, which any other error says, too.
    #[must_use]
    pub fn of_issuer(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), is_of_token: false, retry_after: None }
    }

    /// The issuer asks for this long a pause of all calls, as with `Retry-After`: 30 seconds count at most. It has no
    /// effect on a failure [of a token](Self::of_token). Default: no pause before the fifth failure in a row.
    #[must_use]
    pub const fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// The failure in an error or among its causes.
    pub(super) fn find(error: &IntrospectionSourceError) -> Option<&Self> {
        let error: &(dyn Error + 'static) = &**error;
        let mut causes =
            std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source()).take(MAX_CAUSES);
        causes.find_map(|cause| cause.downcast_ref())
    }
}

impl fmt::Display for IntrospectionSourceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for IntrospectionSourceFailure {}
