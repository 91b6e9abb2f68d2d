//! Revocation: what a resource server asks about every use of a token, cached or new, and the built-in list.

mod entry;
mod error;
mod health;
mod list;
mod signal;
mod status;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use entry::Revocation;
pub use error::RevocationError;
pub use health::RevocationHealth;
pub use list::{RevocationList, RevocationListBuilder};
pub use signal::RevocationSignal;
pub use status::{RevocationState, RevocationStatus};

use crate::revocation_kind::RevocationKind;
use crate::token::ValidatedToken;

/// Says whether a token was revoked. A [`ResourceServer`](crate::ResourceServer) asks at every use of every token: when
/// it is new, when it comes from the cache, after a wait, and while a connection holds it.
///
/// [`RevocationList`] is the built-in one. An implementation of your own can [ask another service](RevocationAnswer),
/// or combine others.
///
/// ```
/// use std::time::Duration;
///
/// use tower_bearer::{
///     RevocationAnswer, RevocationCheck, RevocationKind, RevocationList, RevocationSignal, RevocationStatus,
///     RevocationVerdict, ValidatedToken,
/// };
///
/// /// A list, and an office that is closed.
/// #[derive(Debug)]
/// struct ListAndOffice(RevocationList);
///
/// impl RevocationCheck for ListAndOffice {
///     fn check(&self, token: &ValidatedToken) -> RevocationAnswer {
///         if token.client_id().is_some_and(|client| client.starts_with("office-")) {
///             return RevocationVerdict::Revoked(RevocationKind::Client).into();
///         }
///         self.0.check(token)
///     }
///
///     fn max_token_lifetime(&self) -> Option<Duration> {
///         self.0.max_token_lifetime()
///     }
///
///     fn max_leeway(&self) -> Option<Duration> {
///         self.0.max_leeway()
///     }
///
///     fn changes(&self) -> Option<&RevocationSignal> {
///         self.0.changes()
///     }
///
///     fn status(&self) -> RevocationStatus {
///         self.0.status()
///     }
/// }
/// # let _ = ListAndOffice(RevocationList::new(Duration::from_secs(600))?);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
pub trait RevocationCheck: fmt::Debug + Send + Sync + 'static {
    /// Whether this token is revoked now. Every request with a good token calls it, so it must not block: an answer
    /// that takes time is a future.
    fn check(&self, token: &ValidatedToken) -> RevocationAnswer;

    /// How long after its `iat` a token may be used, if what this check knows about tokens ends some time. The resource
    /// server then requires `iat` and refuses older tokens, as with
    /// [`max_token_age`](crate::ResourceServerBuilder::max_token_age), of which the stricter holds. A check that forgets
    /// revoked tokens and returns `None` accepts them again.
    fn max_token_lifetime(&self) -> Option<Duration>;

    /// The largest [leeway](crate::ResourceServerBuilder::leeway) for which what this check knows lasts long enough; a
    /// larger one is a [`ConfigError`](crate::ConfigError). `None` for any.
    fn max_leeway(&self) -> Option<Duration>;

    /// What reports that tokens were revoked, so that connections that hold one are closed at once. By default there is
    /// nothing, and [`until_refused`](crate::ResourceServer::until_refused) asks every 5 seconds.
    fn changes(&self) -> Option<&RevocationSignal> {
        None
    }

    /// The state of this check, for readiness and health. It must not block.
    fn status(&self) -> RevocationStatus;
}

/// What a [`RevocationCheck`] answers.
#[non_exhaustive]
pub enum RevocationAnswer {
    /// The verdict.
    Now(RevocationVerdict),
    /// The verdict takes time.
    Later(RevocationFuture),
}

/// A verdict that takes time. It is dropped when no request waits for it any more.
pub type RevocationFuture = Pin<Box<dyn Future<Output = RevocationVerdict> + Send + 'static>>;

/// Whether a token is revoked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum RevocationVerdict {
    /// It is not.
    NotRevoked,
    /// It is, by this of its names.
    Revoked(RevocationKind),
    /// That is unknown at the moment: the request gets 503.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

impl<C: RevocationCheck + ?Sized> RevocationCheck for Arc<C> {
    fn check(&self, token: &ValidatedToken) -> RevocationAnswer {
        (**self).check(token)
    }

    fn max_token_lifetime(&self) -> Option<Duration> {
        (**self).max_token_lifetime()
    }

    fn max_leeway(&self) -> Option<Duration> {
        (**self).max_leeway()
    }

    fn changes(&self) -> Option<&RevocationSignal> {
        (**self).changes()
    }

    fn status(&self) -> RevocationStatus {
        (**self).status()
    }
}

impl From<RevocationVerdict> for RevocationAnswer {
    fn from(verdict: RevocationVerdict) -> Self {
        Self::Now(verdict)
    }
}

impl fmt::Debug for RevocationAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(verdict) => f.debug_tuple("Now").field(verdict).finish(),
            Self::Later(_) => f.write_str("Later(..)"),
        }
    }
}
