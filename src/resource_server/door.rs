//! The single entry point for tokens. The layer, `validate`, `validate_presentation` and `revalidate` all call
//! [`ResourceServer::decide`], for cached, new and held tokens and again after a wait, so no path can skip a check.

use std::sync::Arc;

use super::ResourceServer;
use super::observer::Observer;
use crate::error::TokenError;
use crate::evidence::Evidence;
use crate::keys::Arrival;
use crate::presentation::Presentation;
use crate::time::UnixTime;
use crate::token::ValidatedToken;
use crate::trust::{Proof, TrustedIssuer};
use crate::validator::Failure;

/// The token to decide about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A token that a client presents.
    Presented(Presentation<'a>),
    /// A token that was accepted before and is still held.
    Held(&'a ValidatedToken),
}

/// Why a decision did not end in acceptance: the token was refused, or we have to wait.
pub(crate) enum Stop {
    Refused(TokenError),
    Pending(Pending),
}

/// What a decision waits for.
pub(crate) enum Pending {
    /// The resolver's result for this issuer.
    Issuer(Box<str>),
    /// A fetch of the issuer's keys, for this `kid`, since the request arrived.
    Key(Arc<TrustedIssuer>, Option<Box<str>>, Arrival),
}

/// What a decision has already waited for. It waits at most once for each, for the issuer first.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Waited {
    Nothing,
    Issuer,
    /// For a key, on behalf of a request that arrived then.
    Key(Arrival),
}

impl ResourceServer {
    /// Decides without waiting.
    #[inline(always)]
    pub(crate) fn decide<O: Observer>(
        &self,
        subject: Subject<'_>,
        waited: Waited,
        observer: &mut O,
    ) -> Result<ValidatedToken, Stop> {
        let presented = match subject {
            Subject::Held(token) => return Ok(self.check_held(token).map(|()| token.clone())?),
            Subject::Presented(presented) => presented,
        };
        if O::USES_CACHE
            && waited == Waited::Nothing
            && let Some((token, now)) = self.find_cached(&presented)
        {
            observer.cache_hit(&token, now);
            return Ok(token);
        }
        self.decide_uncached(presented, waited, observer)
    }

    /// Decides, waiting as often as necessary.
    #[inline]
    pub(super) async fn decide_and_wait<O: Observer + Send>(
        &self,
        presented: Presentation<'_>,
        observer: &mut O,
    ) -> Result<ValidatedToken, TokenError> {
        match self.decide(Subject::Presented(presented), Waited::Nothing, observer) {
            Ok(token) => Ok(token),
            Err(Stop::Refused(error)) => Err(error),
            // Boxed to keep the future small for callers that need not wait.
            Err(Stop::Pending(pending)) => Box::pin(self.decide_after(pending, presented, observer)).await,
        }
    }

    /// Waits, decides, and repeats until the decision is final.
    pub(crate) async fn decide_after<O: Observer + Send>(
        &self,
        mut pending: Pending,
        presented: Presentation<'_>,
        observer: &mut O,
    ) -> Result<ValidatedToken, TokenError> {
        loop {
            let waited = self.wait(&pending).await;
            match self.decide(Subject::Presented(presented), waited, observer) {
                Ok(token) => return Ok(token),
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Pending(another)) => pending = another,
            }
        }
    }

    /// Waits for what may decide whether a held token is still valid.
    pub(super) async fn wait_for_evidence(&self, token: &ValidatedToken) {
        let issuer = token.trusted_issuer();
        // An issuer that was evicted does not come back: a new one takes its place, with keys of its own.
        if self.0.issuers.table().check_updated(issuer).is_ok() {
            let Proof::Keys(keys) = &issuer.proof;
            keys.wait_for_refresh().await;
        }
    }

    fn check_held(&self, token: &ValidatedToken) -> Result<(), TokenError> {
        if token.server().id() != self.0.context.id() {
            return Err(TokenError::OtherResourceServer);
        }
        self.check_use(token).map(drop)
    }

    /// Out of line, so that the path of a cached token stays short.
    #[inline(never)]
    fn decide_uncached<O: Observer>(
        &self,
        presented: Presentation<'_>,
        waited: Waited,
        observer: &mut O,
    ) -> Result<ValidatedToken, Stop> {
        observer.begins(&*self.0.clock);
        let credentials = presented.read()?;
        let token = self.prove(credentials, waited, observer).inspect_err(|stop| {
            if matches!(stop, Stop::Refused(TokenError::IssuerMismatch)) {
                self.0.issuers.warn_of_unused();
            }
        })?;
        self.check_use(&token)?;
        self.cache(credentials, &token);
        Ok(token)
    }

    /// Checks everything that can change after a token was accepted. Runs on every use: of new, cached and held tokens.
    /// Returns the time that it used.
    #[inline(always)]
    pub(super) fn check_use(&self, token: &ValidatedToken) -> Result<UnixTime, TokenError> {
        let server = &*self.0;
        let issuer = token.trusted_issuer();
        issuer.check_enabled()?;
        server.issuers.table().check_updated(issuer)?;
        match (token.evidence(), &issuer.proof) {
            (Evidence::Signature { key }, Proof::Keys(keys)) => keys.check_in_force(key)?,
        }
        let now = server.clock.now().ok_or(TokenError::ClockUnavailable)?;
        issuer.rules.check_times(token.times(), now)?;
        issuer.note_verified(&*server.clock);
        Ok(now)
    }

    async fn wait(&self, pending: &Pending) -> Waited {
        match pending {
            Pending::Issuer(url) => {
                self.0.issuers.resolve(url).await;
                Waited::Issuer
            }
            Pending::Key(issuer, key_id, arrival) => {
                let Proof::Keys(keys) = &issuer.proof;
                keys.wait(key_id.as_deref(), *arrival).await;
                Waited::Key(*arrival)
            }
        }
    }
}

impl Waited {
    pub(super) const fn for_issuer(self) -> bool {
        !matches!(self, Self::Nothing)
    }

    pub(super) const fn for_key_since(self) -> Option<Arrival> {
        match self {
            Self::Nothing | Self::Issuer => None,
            Self::Key(arrival) => Some(arrival),
        }
    }
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Self {
        Self::Refused(error)
    }
}

impl Failure for Stop {
    fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }
}
