//! The decision about one token: all its steps, and what it waits for.

use std::sync::Arc;

use super::shown::{Choice, LogExpectation, Urls};
use super::{Inner, ResourceServer};
use crate::claims::untrusted_iss;
use crate::error::{ClaimFault, TokenError};
use crate::jose::{Algorithm, CompactJws};
use crate::keys::{Arrival, Lookup};
use crate::token::{Signer, TokenClaims, ValidatedToken};
use crate::trust::{Table, TrustedIssuer};
use crate::validator::{Check, Shown, StepListener, TokenRules, report};

/// Why validation did not finish: the token was refused, or we have to wait.
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
#[derive(Clone, Copy)]
pub(super) enum Waited {
    Nothing,
    Issuer,
    /// Since this arrival.
    Key(Arrival),
}

impl ResourceServer {
    /// Decides without waiting.
    pub(crate) fn decide_now(&self, token: &[u8]) -> Result<ValidatedToken, Stop> {
        self.judge(token, Waited::Nothing, &mut LogExpectation)
    }

    /// Waits, then decides.
    pub(crate) async fn decide_after(&self, token: Vec<u8>, pending: Pending) -> Result<ValidatedToken, TokenError> {
        let waited = self.wait(&pending).await;
        self.judge_to_the_end(&token, waited, &mut LogExpectation).await
    }

    /// Validates the token, and waits wherever it has to.
    pub(super) async fn judge_to_the_end<L: StepListener + Send>(
        &self,
        token: &[u8],
        mut waited: Waited,
        listener: &mut L,
    ) -> Result<ValidatedToken, TokenError> {
        loop {
            match self.judge(token, waited, listener) {
                Ok(token) => return Ok(token),
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Pending(pending)) => waited = self.wait(&pending).await,
            }
        }
    }

    async fn wait(&self, pending: &Pending) -> Waited {
        match pending {
            Pending::Issuer(url) => {
                self.0.issuers.resolve(url).await;
                Waited::Issuer
            }
            Pending::Key(issuer, key_id, arrival) => {
                issuer.keys.wait(key_id.as_deref(), *arrival).await;
                Waited::Key(*arrival)
            }
        }
    }

    /// All checks of a token, in the order of RFC 9068 §4: the signature before the claims.
    fn judge<L: StepListener>(&self, token: &[u8], waited: Waited, listener: &mut L) -> Result<ValidatedToken, Stop> {
        let server = &*self.0;
        let jws = CompactJws::parse(token, server.max_token_bytes);
        let (expected, found) = (format_args!("at most {} bytes", server.max_token_bytes), token.len());
        let jws = report(listener, Check::Structure, jws, expected, format_args!("{found} bytes"))?;

        let table = server.issuers.table();
        let chosen = match server.choose_issuer(&table, &jws, waited) {
            Err(pending @ Stop::Pending(_)) => return Err(pending),
            Err(Stop::Refused(error)) => Err(error),
            Ok(issuer) => Ok(issuer),
        };
        let chosen_url = chosen.as_ref().ok().map(|issuer| &*issuer.rules.issuer);
        let (expected, found) = (Urls(&table), Choice { chosen: chosen_url, payload: jws.untrusted_payload() });
        let expected = format_args!("one of {expected:?}");
        let issuer = report(listener, Check::IssuerChoice, chosen, expected, format_args!("{found}"))?;
        let TrustedIssuer { rules, keys, .. } = &**issuer;

        let header = jws.header();
        let algorithm = rules.check_algorithm(header.algorithm);
        if algorithm.is_err() {
            server.check_unproven_issuer(rules, &jws, listener)?;
        }
        let expected = format_args!("one of {:?}", rules.algorithms);
        let found = header.algorithm.map_or("an unknown one", Algorithm::name);
        let algorithm = report(listener, Check::Algorithm, algorithm, expected, format_args!("{found}"))?;

        let key_id = header.key_id.as_deref();
        let looked_up = match keys.known(key_id, algorithm) {
            Some(keys) => Lookup::Found(keys),
            None => {
                // For a token of another issuer there is no key to look for.
                server.check_unproven_issuer(rules, &jws, listener)?;
                keys.look_further(key_id, algorithm, waited.for_key_since())
            }
        };
        let found = match looked_up {
            Lookup::Found(keys) => Ok(keys),
            Lookup::Refused(error) => Err(Stop::Refused(error)),
            // Nothing is decided yet, so nothing is reported.
            Lookup::Wait(arrival) => {
                return Err(Stop::Pending(Pending::Key(Arc::clone(issuer), key_id.map(Box::from), arrival)));
            }
        };
        let expected = format_args!("a key of {} for {algorithm}", rules.issuer);
        let found = report(listener, Check::Key, found, expected, format_args!("kid {}", Shown(&key_id)))?;

        let verified = match jws.verify(found.iter()) {
            Ok(verified) => Ok(verified),
            Err(jws) => {
                // Claims without an issuer that can be read do not say whose the token is.
                if matches!(untrusted_iss(jws.untrusted_payload()), Ok(Some(_))) {
                    server.check_unproven_issuer(rules, &jws, listener)?;
                }
                Err(TokenError::BadSignature)
            }
        };
        let expected = format_args!("a signature by the key");
        let found = format_args!("a signature for {algorithm}");
        let (payload, key) = report(listener, Check::Signature, verified, expected, found)?;
        issuer.note_verified(&*server.clock);

        let now = server.clock.now().ok_or(TokenError::ClockUnavailable)?;
        let checked = rules.check_claims(&payload, now, listener);
        if matches!(checked, Err(TokenError::IssuerMismatch)) {
            server.issuers.warn_of_unused();
        }
        let (claims, expires_at) = checked?;
        issuer.note_accepted();
        let signer = Signer { issuer: Arc::clone(issuer), key: Arc::clone(key) };
        let context = Arc::clone(&server.context);
        let claims = TokenClaims::new(claims, &payload);
        let validated = ValidatedToken::new(claims, expires_at, payload, context, signer);
        self.remember(token, &validated);
        Ok(validated)
    }
}

impl Inner {
    /// A token of another issuer is refused as such, whatever the state of our issuer's keys: it waits for no key,
    /// starts no fetch, and an outage does not matter (RFC 9068 §4, "iss"). Nor is a signature by another issuer's key
    /// called a bad one.
    #[cold]
    fn check_unproven_issuer<L: StepListener>(
        &self,
        rules: &TokenRules,
        jws: &CompactJws<'_>,
        listener: &mut L,
    ) -> Result<(), TokenError> {
        let found = untrusted_iss(jws.untrusted_payload())?;
        let Err(error) = rules.check_issuer(found.as_deref()) else { return Ok(()) };
        if error == TokenError::IssuerMismatch {
            self.issuers.warn_of_unused();
        }
        let expected = format_args!("{:?}", rules.issuer);
        report(listener, Check::Issuer, Err(error), expected, format_args!("{}", Shown(&found)))
    }

    /// With one issuer there is nothing to choose; its `iss` is checked after the signature. With several, the unproven
    /// `iss` chooses among the trusted ones, and an `iss` that is not ours costs no request.
    fn choose_issuer<'t>(
        &self,
        table: &'t Table,
        jws: &CompactJws<'_>,
        waited: Waited,
    ) -> Result<&'t Arc<TrustedIssuer>, Stop> {
        let issuer = match table.only() {
            Some(only) => only,
            None => {
                let url = untrusted_iss(jws.untrusted_payload())?;
                let url = url.ok_or_else(|| TokenError::claim("iss", ClaimFault::Missing))?;
                match table.get(&url) {
                    Some(issuer) => issuer,
                    None => {
                        let unknown = self.issuers.look_up_unknown(&url, waited.for_issuer());
                        if unknown == Err(TokenError::IssuerMismatch) {
                            self.issuers.warn_of_unused();
                        }
                        unknown?;
                        return Err(Stop::Pending(Pending::Issuer(url.as_ref().into())));
                    }
                }
            }
        };
        if issuer.is_enabled() { Ok(issuer) } else { Err(TokenError::IssuerDisabled.into()) }
    }
}

impl Waited {
    const fn for_issuer(self) -> bool {
        !matches!(self, Self::Nothing)
    }

    const fn for_key_since(self) -> Option<Arrival> {
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
