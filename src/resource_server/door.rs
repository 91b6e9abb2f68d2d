//! The one door. The layer, `validate`, `validate_presentation` and `revalidate` go through [`ResourceServer::decide`],
//! for a token that was accepted before, for a new one, and again after a wait: so no check can be forgotten on one of
//! these ways.

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

/// What is decided about.
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
    /// We have to wait for this.
    Pending(Pending),
}

/// What a decision waits for.
pub(crate) enum Pending {
    /// The resolver's response about an issuer.
    Issuer(Box<str>),
    /// A fetch of the issuer's keys, for this `kid`, since the request arrived.
    Key(Arc<TrustedIssuer>, Option<Box<str>>, Arrival),
}

/// What a decision has waited for already: each at most once, the issuer first.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Waited {
    Nothing,
    Issuer,
    /// Since this arrival.
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
        if O::TAKES_KNOWN_TOKENS
            && waited == Waited::Nothing
            && let Some((token, now)) = self.recall(&presented)
        {
            observer.recalled(&token, now);
            return Ok(token);
        }
        self.decide_anew(presented, waited, observer)
    }

    /// Decides, and waits wherever it has to.
    #[inline]
    pub(super) async fn decide_and_wait<O: Observer + Send>(
        &self,
        presented: Presentation<'_>,
        observer: &mut O,
    ) -> Result<ValidatedToken, TokenError> {
        match self.decide(Subject::Presented(presented), Waited::Nothing, observer) {
            Ok(token) => Ok(token),
            Err(Stop::Refused(error)) => Err(error),
            // Boxed, so that the future of those who need not wait is small.
            Err(Stop::Pending(pending)) => Box::pin(self.decide_after(pending, presented, observer)).await,
        }
    }

    /// Waits, then decides, and waits wherever it has to again.
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

    /// Waits until it may be known again whether a token that is held is still good.
    pub(super) async fn wait_for_evidence(&self, token: &ValidatedToken) {
        match (token.evidence(), &token.trusted_issuer().proof) {
            (Evidence::Signature { key }, Proof::Keys(keys)) => keys.wait(key.key_id(), keys.arrival()).await,
        }
    }

    fn check_held(&self, token: &ValidatedToken) -> Result<(), TokenError> {
        if token.server().id() != self.0.context.id() {
            return Err(TokenError::OtherResourceServer);
        }
        self.check_use(token).map(drop)
    }

    /// Apart from the way of a known token, which is short.
    #[inline(never)]
    fn decide_anew<O: Observer>(
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
        self.remember(credentials, &token);
        Ok(token)
    }

    /// Everything that can change about a token that is good: asked on every use of every token, whether it is new,
    /// known or held. Also says what time it was.
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
    fn is_undecided(&self) -> bool {
        matches!(self, Self::Pending(_))
    }
}
