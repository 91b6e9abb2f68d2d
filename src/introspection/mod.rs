//! Asking an issuer about a token (RFC 7662): for opaque tokens, and for JWTs that may have been revoked.
//!
//! One call at a time for each token, within the bounds of `policy.rs`. Calls are those of
//! [`single_flight`](crate::single_flight). A request waits until the call for its token has ended, or first for its
//! token's turn. The resource server that started a call puts the result into its token cache before it wakes any
//! waiter, so a request that arrives a moment later finds it there. The answers themselves are kept nowhere else.

mod answer;
mod asking;
mod calls;
#[cfg(feature = "remote-keys")]
mod client_authentication;
#[cfg(feature = "remote-keys")]
mod client_secret;
#[cfg(test)]
#[cfg(feature = "unit-tests")]
mod exploration;
mod failure;
mod landing;
mod memory;
mod method;
mod outcome;
mod policy;
mod question;
#[cfg(feature = "remote-keys")]
mod remote;
mod report;
mod settings;
mod shape;
#[cfg(feature = "remote-keys")]
mod signed;
mod source;
mod status;
mod step;
mod turns;
mod wakeups;

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

#[cfg(feature = "remote-keys")]
pub use client_authentication::{
    ClientAuthentication, ClientAuthenticationError, ClientAuthenticationFuture, ClientCertificate, ClientRequest,
    ClientSecretBasic, ClientSecretPost,
};
#[cfg(feature = "remote-keys")]
pub use client_secret::ClientSecret;
pub use settings::Introspection;
pub use source::{
    IntrospectionSource, IntrospectionSourceError, IntrospectionSourceFailure, IntrospectionSourceFuture,
};
pub use status::{IntrospectionFailure, IntrospectionState, IntrospectionStatus};

pub(crate) use answer::ActiveAnswer;
pub(crate) use method::Method;
pub(crate) use outcome::Outcome;
pub(crate) use policy::Freshness;
pub(crate) use question::{Asked, Reply};
#[cfg(feature = "remote-keys")]
pub(crate) use remote::{EndpointLocation, RemoteEndpoint};
pub(crate) use settings::Place as IntrospectionPlace;
pub(crate) use shape::Shapes;
#[cfg(feature = "remote-keys")]
pub(crate) use signed::SignedAnswers;

use self::calls::Calls;
use self::memory::Memory;
use self::policy::{Class, Limit, Limits};
use self::report::Reports;
use self::settings::Settings;
use self::wakeups::Wakeups;
use crate::digest::Digester;
use crate::error::TokenError;
use crate::keys::jitter;
use crate::sync::{Mutex, MutexGuard};
use crate::telemetry::IntrospectionMeter;
use crate::time::Clock;

/// A token keeps its turn for this part of the time that a call may take: many may wait for a turn that nobody takes,
/// such as requests on a runtime that is not driven any more.
const TURNS_IN_A_CALL: u32 = 4;

/// Introspects the tokens of one issuer. See the module's documentation.
pub(crate) struct Introspector {
    issuer: Arc<str>,
    method: Method,
    shapes: Shapes,
    settings: Settings,
    clock: Arc<dyn Clock>,
    digester: Digester,
    memory: Memory,
    calls: Mutex<Calls>,
    reports: Reports,
    meter: IntrospectionMeter,
}

impl Introspector {
    /// `None` if the machine provides no random numbers.
    pub(crate) fn new(
        issuer: Arc<str>,
        method: Method,
        introspection: &Introspection,
        clock: Arc<dyn Clock>,
        meter: IntrospectionMeter,
    ) -> Option<Self> {
        let settings = introspection.settings;
        let limits = Limits {
            calls: Limit(settings.max_calls),
            waiting: Limit(settings.max_waiting_requests),
            // A little more than the request may take, so that its own error is the one that is seen.
            call: settings.timeout.saturating_add(settings.timeout / 10),
            turn: settings.timeout / TURNS_IN_A_CALL,
        };
        Some(Self {
            calls: Mutex::new(Calls::new(limits, method.is_found())),
            memory: Memory::new(settings.inactive_cache),
            shapes: introspection.shapes.clone(),
            digester: Digester::new()?,
            reports: Reports::default(),
            issuer,
            method,
            settings,
            clock,
            meter,
        })
    }

    /// What the issuer's tokens look like.
    pub(crate) const fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    /// Until when an answer requested at this moment is valid, about an opaque token or about a JWT whose signature was
    /// verified.
    pub(crate) fn freshness(&self, asked_at: Duration, is_confirmation: bool) -> Freshness {
        let lifetime =
            if is_confirmation { self.settings.confirm_jwts.unwrap_or_default() } else { self.settings.cache };
        let wait = self.settings.timeout.saturating_add(self.settings.request_wait);
        Freshness::since(asked_at, lifetime, self.settings.stale, wait, jitter())
    }

    /// For how long an answer about an opaque token counts.
    pub(crate) const fn cache_time(&self) -> Duration {
        self.settings.cache
    }

    /// Whether JWTs are introspected, too, once their signature was verified.
    pub(crate) const fn confirms_jwts(&self) -> bool {
        self.settings.confirm_jwts.is_some()
    }

    /// Whether this token may be used while the endpoint is down: it was seen active, nothing else was said about it
    /// since, and what is wrong is not this token's own answer. `outcome` is that of the wait, if there was one.
    pub(crate) fn may_serve_stale(&self, token: &[u8], outcome: Option<&Outcome>) -> bool {
        let is_down = match outcome {
            None => self.calls().health(Class::Seen).is_failing(),
            Some(Outcome::Unknown { is_down, .. }) => *is_down,
            Some(Outcome::Active(_) | Outcome::Refused(_)) => false,
        };
        let token = self.digester.digest(token);
        is_down
            && self.settings.stale.is_some()
            && self.memory.class(&token) == Class::Seen
            && self.memory.refusal(&token, self.clock.monotonic()).is_none()
    }

    /// Why the token was refused after it was asked about at this time.
    pub(crate) fn refused_since(&self, token: &[u8], asked_at: Duration) -> Option<TokenError> {
        self.memory.refused_since(&self.digester.digest(token), asked_at)
    }

    pub(crate) fn note_stale(&self) {
        self.meter.served_stale();
    }

    /// Ends all calls: the issuer is not trusted any more.
    pub(crate) fn close(&self) {
        let mut wakeups = Wakeups::default();
        self.calls().close(&mut wakeups);
        wakeups.wake();
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
