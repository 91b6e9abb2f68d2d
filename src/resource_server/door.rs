//! The single entry point for tokens. The layer, `validate`, `validate_presentation` and `revalidate` all call
//! [`ResourceServer::decide`], for cached, new and held tokens and again after a wait, so no path can skip a check.

use super::ResourceServer;
use super::observer::Observer;
use super::waits::{Pending, Waited, Waits};
use crate::credentials::Credentials;
use crate::error::TokenError;
use crate::evidence::Usage;
use crate::presentation::Presentation;
use crate::time::UnixTime;
use crate::token::ValidatedToken;
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

impl ResourceServer {
    /// Decides without waiting.
    #[inline(always)]
    pub(crate) fn decide<O: Observer>(
        &self,
        subject: Subject<'_>,
        waited: Waited<'_>,
        observer: &mut O,
    ) -> Result<ValidatedToken, Stop> {
        let presented = match subject {
            Subject::Held(token) => return self.check_held(token, waited, observer).map(|()| token.clone()),
            Subject::Presented(presented) => presented,
        };
        if O::USES_CACHE
            && waited.is_nothing()
            && let Some((token, now)) = self.find_cached(&presented, waited, observer)?
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
        match self.decide(Subject::Presented(presented), Waited::NOTHING, observer) {
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
        let mut waits = Waits::default();
        loop {
            self.wait(pending, presented, O::USES_CACHE, &mut waits).await;
            match self.decide_again(presented, &waits, observer) {
                Ok(token) => return Ok(token),
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Pending(another)) => pending = another,
            }
        }
    }

    /// Decides after a wait.
    fn decide_again<O: Observer>(
        &self,
        presented: Presentation<'_>,
        waits: &Waits,
        observer: &mut O,
    ) -> Result<ValidatedToken, Stop> {
        // Its signature was verified before the wait; only what may have changed since is checked again.
        if let Some(token) = waits.new_token() {
            return self.accept(presented.read()?, token, Usage::New, waits.waited(), observer).map(|()| token.clone());
        }
        // The call that was waited for may have cached the token.
        if O::USES_CACHE
            && waits.is_cached()
            && let Some(text) = presented.unread()
            && let Some(token) = self.find_again(text, waits.waited(), observer)?
        {
            return Ok(token);
        }
        self.decide(Subject::Presented(presented), waits.waited(), observer)
    }

    /// Waits for what may decide whether a held token is still valid.
    pub(super) async fn wait_for_evidence(&self, token: &ValidatedToken) {
        let issuer = token.trusted_issuer();
        // An issuer that was evicted does not come back: a new one takes its place, with keys of its own.
        if self.0.issuers.table().check_updated(issuer).is_ok()
            && let Some(keys) = issuer.proof.keys()
        {
            keys.wait_for_refresh().await;
        }
    }

    fn check_held<O: Observer>(
        &self,
        token: &ValidatedToken,
        waited: Waited<'_>,
        observer: &mut O,
    ) -> Result<(), Stop> {
        if token.server().id() != self.0.context.id() {
            return Err(TokenError::OtherResourceServer.into());
        }
        let checked = self.check_use(token, Usage::Again, waited, observer).map(drop);
        match token.evidence().introspected() {
            None => checked,
            Some(introspected) => checked.or_else(|stop| self.check_newer(introspected, stop, waited, observer)),
        }
    }

    /// Out of line, so that the path of a cached token stays short.
    #[inline(never)]
    fn decide_uncached<O: Observer>(
        &self,
        presented: Presentation<'_>,
        waited: Waited<'_>,
        observer: &mut O,
    ) -> Result<ValidatedToken, Stop> {
        observer.begins(&*self.0.clock);
        let credentials = presented.read()?;
        let token = match self.prove(credentials, waited, observer) {
            Ok(token) => token,
            Err(stop) => return self.after_failure(credentials, stop, waited, observer),
        };
        self.accept(credentials, &token, Usage::New, waited, observer)?;
        Ok(token)
    }

    /// Checks the use of a proven token. Keeps a new one, and counts one with old evidence.
    fn accept<O: Observer>(
        &self,
        credentials: Credentials<'_>,
        token: &ValidatedToken,
        usage: Usage,
        waited: Waited<'_>,
        observer: &mut O,
    ) -> Result<(), Stop> {
        self.check_use(token, usage, waited, observer)?;
        match usage {
            // The call that brought an answer has cached the token. This request may be late, and a newer answer known.
            Usage::New if token.evidence().introspected().is_none() => self.cache(credentials, token),
            Usage::New | Usage::Again => {}
            Usage::Stale => token.trusted_issuer().proof.introspector().into_iter().for_each(|it| it.note_stale()),
        }
        Ok(())
    }

    #[cold]
    fn after_failure<O: Observer>(
        &self,
        credentials: Credentials<'_>,
        stop: Stop,
        waited: Waited<'_>,
        observer: &mut O,
    ) -> Result<ValidatedToken, Stop> {
        match stop {
            Stop::Refused(TokenError::IssuerMismatch) => self.0.issuers.warn_of_unused(),
            Stop::Refused(TokenError::IntrospectionUnavailable { .. }) => {
                if let Some(token) = self.find_stale(credentials, waited) {
                    match self.accept(credentials, &token, Usage::Stale, waited, observer) {
                        Err(other) if !other.is_about_revocation() => {}
                        decided => return decided.map(|()| token),
                    }
                }
            }
            _ => {}
        }
        Err(stop)
    }

    /// Checks everything that can change after a token was accepted. Runs on every use: of new, cached and held tokens.
    /// Returns the time that it used.
    #[inline(always)]
    pub(super) fn check_use<O: Observer>(
        &self,
        token: &ValidatedToken,
        usage: Usage,
        waited: Waited<'_>,
        observer: &mut O,
    ) -> Result<UnixTime, Stop> {
        let now = self.check_evidence(token, usage)?;
        // Last, because the verdict may take time.
        if let Some(revocations) = &self.0.revocations {
            revocations.check_use(token, usage, waited, observer)?;
        }
        Ok(now)
    }

    /// The part of [`check_use`](Self::check_use) that never has to wait: whether what proves the token still counts.
    #[inline(always)]
    pub(super) fn check_evidence(&self, token: &ValidatedToken, usage: Usage) -> Result<UnixTime, TokenError> {
        let server = &*self.0;
        let issuer = token.trusted_issuer();
        issuer.check_enabled()?;
        server.issuers.table().check_updated(issuer)?;
        if let Some(key) = token.evidence().key() {
            // An issuer without keys proves nothing by a signature.
            let Some(keys) = issuer.proof.keys() else { return Err(TokenError::NoMatchingKey) };
            keys.check_in_force(key)?;
        }
        let Some(now) = server.clock.now() else { return Err(TokenError::ClockUnavailable) };
        issuer.rules.check_times(token.times(), now)?;
        if let Some(answer) = token.evidence().introspected() {
            answer.check(usage, token.times().expires_at, now, server.clock.monotonic_coarse())?;
        }
        issuer.note_verified(&*server.clock);
        Ok(now)
    }
}

impl Stop {
    /// Whether it is final whatever else is known about the token: it is revoked, or that is to be found out.
    pub(super) const fn is_about_revocation(&self) -> bool {
        matches!(
            self,
            Self::Pending(Pending::Revocation(_))
                | Self::Refused(TokenError::Revoked(_) | TokenError::RevocationUnavailable { .. })
        )
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
