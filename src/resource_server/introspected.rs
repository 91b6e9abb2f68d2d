//! Introspected tokens: opaque ones, encrypted ones, JWTs of an issuer without keys, and JWTs that may have been
//! revoked.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::ResourceServer;
use super::door::Stop;
use super::observer::Observer;
use super::proof_rules::refuse_foreign;
use super::waits::{Pending, Waited};
use crate::credentials::{Credentials, Scheme};
use crate::error::{MalformedFault, TokenError};
use crate::evidence::{Evidence, Introspected, ProvenPayload};
use crate::introspection::{ActiveAnswer, Asked, Introspector, Outcome, Reply};
use crate::jose::{CompactJws, TokenForm, TokenType};
use crate::presentation::Presentation;
use crate::status_policy::RefusalKind;
use crate::token::ValidatedToken;
use crate::token_claims::TokenClaims;
use crate::trust::{Table, TrustedIssuer};
use crate::validator::{Check, Found, NoListener, Rule, StepListener, check};

/// The claims in which an answer about a JWT must not differ.
const NAMES_OF_A_TOKEN: [&str; 4] = ["iss", "sub", "client_id", "jti"];

/// A token that only its issuer can read.
pub(super) struct Unreadable<'t> {
    token: &'t [u8],
    is_encrypted: bool,
}

/// At most this many bytes, of UTF-8: no issuer could read anything else.
struct Size<'t> {
    token: &'t [u8],
    max_bytes: usize,
}

/// One issuer claims a token that names none.
struct Claimant<'a, 't> {
    table: &'t Table,
    token: &'a str,
    is_encrypted: bool,
    found: Option<&'t str>,
}

/// RFC 7662 §2.2: the issuer says that the token is active.
struct Active<'a> {
    issuer: &'a Arc<TrustedIssuer>,
    introspector: &'a Introspector,
    token: &'a str,
    waited: Waited<'a>,
    found: Option<bool>,
}

impl ResourceServer {
    /// Whether a token names its issuer, by its form alone. One that is too large is left to the
    /// check of its structure, which refuses it.
    pub(super) fn unreadable<'t>(&self, token: &'t [u8]) -> Option<Unreadable<'t>> {
        if token.len() > self.0.max_token_bytes {
            return None;
        }
        match TokenForm::of(token) {
            TokenForm::Opaque => Some(Unreadable { token, is_encrypted: false }),
            TokenForm::Encrypted => Some(Unreadable { token, is_encrypted: true }),
            TokenForm::Signed => None,
        }
    }

    pub(super) fn prove_unreadable<L: StepListener>(
        &self,
        Unreadable { token, is_encrypted }: Unreadable<'_>,
        table: &Table,
        waited: Waited<'_>,
        listener: &mut L,
    ) -> Result<ValidatedToken, Stop> {
        let token = check(listener, Size { token, max_bytes: self.0.max_token_bytes })?;
        let issuer = check(listener, Claimant { table, token, is_encrypted, found: None })?;
        self.prove_by_answer(token, TokenType::Absent, issuer, waited, listener)
    }

    /// A JWT of an issuer without keys. It is sent to that issuer only if it names it.
    #[cold]
    pub(super) fn prove_by_answer_alone<L: StepListener>(
        &self,
        token: &[u8],
        jws: &CompactJws<'_>,
        issuer: &Arc<TrustedIssuer>,
        waited: Waited<'_>,
        listener: &mut L,
    ) -> Result<ValidatedToken, Stop> {
        refuse_foreign::<_, Stop>(&issuer.rules, jws, listener)?;
        let token = str::from_utf8(token).map_err(|_| TokenError::Malformed(MalformedFault::Base64))?;
        self.prove_by_answer(token, jws.header().typ, issuer, waited, listener)
    }

    fn prove_by_answer<L: StepListener>(
        &self,
        token: &str,
        typ: TokenType,
        issuer: &Arc<TrustedIssuer>,
        waited: Waited<'_>,
        listener: &mut L,
    ) -> Result<ValidatedToken, Stop> {
        let server = &*self.0;
        let Some(introspector) = issuer.proof.introspector() else { return Err(TokenError::NoMatchingKey.into()) };
        issuer.check_enabled()?;
        let answer = check(listener, Active { issuer, introspector, token, waited, found: None })?;
        issuer.note_verified(&*server.clock);

        let now = server.clock.now().ok_or(TokenError::ClockUnavailable)?;
        let freshness = introspector.freshness(answer.asked_at().monotonic, false);
        let payload = ProvenPayload::of_answer(&answer, typ, token, freshness);
        let accepted = TokenClaims::accept(payload, |payload| issuer.rules.check_claims(payload, now, listener));
        let (claims, evidence) = accepted?;
        issuer.note_accepted();
        Ok(ValidatedToken::new(claims, Arc::clone(issuer), evidence, Arc::clone(&server.context)))
    }

    /// Whether the issuer says that a JWT whose signature and claims have passed is still active.
    #[cold]
    pub(super) fn confirm<L: StepListener>(
        &self,
        token: &[u8],
        (claims, evidence): (TokenClaims, Evidence),
        issuer: &Arc<TrustedIssuer>,
        waited: Waited<'_>,
        listener: &mut L,
    ) -> Result<(TokenClaims, Evidence), Stop> {
        let Some(introspector) = issuer.proof.introspector().filter(|it| it.confirms_jwts()) else {
            return Ok((claims, evidence));
        };
        let token = str::from_utf8(token).map_err(|_| TokenError::Malformed(MalformedFault::Base64))?;
        let answer = check(listener, Active { issuer, introspector, token, waited, found: None })?;
        if let Some(name) = NAMES_OF_A_TOKEN.into_iter().find(|name| answer.contradicts(name, claims.get(name))) {
            return Err(TokenError::AnswerMismatch(name).into());
        }
        let now = self.0.clock.now().ok_or(TokenError::ClockUnavailable)?;
        let freshness = introspector.freshness(answer.asked_at().monotonic, true);
        let confirmation = ProvenPayload::of_answer(&answer, TokenType::Absent, token, freshness);
        let ends = issuer.rules.check_confirmation(&confirmation, now, listener)?;
        let evidence = evidence.confirmed_by(confirmation, ends).ok_or(TokenError::NoMatchingKey)?;
        Ok((claims, evidence))
    }

    /// Waits for what this issuer says about a token. `None` if the token is in the cache by now.
    pub(super) async fn ask(
        &self,
        issuer: &Arc<TrustedIssuer>,
        presented: Presentation<'_>,
        uses_cache: bool,
    ) -> Option<Outcome> {
        let introspector = issuer.proof.introspector()?;
        let token = str::from_utf8(presented.read().ok()?.token).ok()?;
        let is_known = || uses_cache && self.find_current(token.as_bytes()).is_some();
        introspector.wait(token.as_bytes(), is_known, || self.question(issuer, token)).await
    }

    /// Asks again about a token in use, before its answer is too old.
    #[cold]
    pub(super) fn ask_ahead(&self, issuer: &Arc<TrustedIssuer>, introspected: &Introspected) {
        if let Some(introspector) = issuer.proof.introspector() {
            let token = introspected.token();
            introspector.ask_ahead(token.as_bytes(), || self.question(issuer, token));
        }
    }

    /// Whether there is a newer answer about a held token than the one that it came with.
    pub(super) fn check_newer<O: Observer>(
        &self,
        introspected: &Introspected,
        stop: Stop,
        waited: Waited<'_>,
        observer: &mut O,
    ) -> Result<(), Stop> {
        if !matches!(stop, Stop::Refused(TokenError::IntrospectionUnavailable { .. })) {
            return Err(stop);
        }
        self.find_again(introspected.token().as_bytes(), waited, observer)?.map(drop).ok_or(stop)
    }

    /// A token that was accepted before, if its issuer's answers may be used for longer while the issuer does not
    /// respond. How much longer, [`check_use`](Self::check_use) checks.
    pub(super) fn find_stale(&self, credentials: Credentials<'_>, waited: Waited<'_>) -> Option<ValidatedToken> {
        let token = self.0.token_cache.as_ref()?.find(credentials.token)?;
        let issuer = token.trusted_issuer();
        let outcome = waited.outcome_of(issuer);
        let may_serve = issuer.proof.introspector()?.may_serve_stale(credentials.token, outcome);
        may_serve.then_some(token)
    }

    /// Asks, and keeps the answer if it is good.
    fn question(
        &self,
        issuer: &Arc<TrustedIssuer>,
        token: &str,
    ) -> Pin<Box<dyn Future<Output = Asked> + Send + 'static>> {
        let (server, issuer, token) = (self.clone(), Arc::clone(issuer), Box::<str>::from(token));
        Box::pin(async move {
            let reply = match issuer.proof.introspector() {
                Some(introspector) => introspector.ask(&token, issuer.proof.keys()).await,
                None => Reply::Undecided(TokenError::NoMatchingKey),
            };
            let refusal = match &reply {
                Reply::Active(answer) => server.keep(&issuer, &token, answer),
                Reply::Refused(_) => server.forget(&token),
                Reply::Failed(_) | Reply::Undecided(_) => None,
            };
            Asked::new(reply, refusal)
        })
    }

    /// Puts a token into the cache, if this answer makes it good; else returns why it is refused.
    fn keep(&self, issuer: &Arc<TrustedIssuer>, token: &str, answer: &Arc<ActiveAnswer>) -> Option<TokenError> {
        let outcome = Outcome::Active(Arc::clone(answer));
        let credentials = Credentials { scheme: Scheme::Bearer, token: token.as_bytes() };
        let proven = self.prove(credentials, Waited::for_answer(issuer, &outcome), &mut NoListener);
        let error = match proven {
            Ok(token) => {
                self.cache(credentials, &token);
                return None;
            }
            Err(Stop::Refused(error)) => error,
            Err(Stop::Pending(_)) => return None,
        };
        if let TokenError::AnswerMismatch(claim) = error {
            tracing::warn!(issuer = %issuer.rules.issuer, claim, "an introspection answer is about another token");
        }
        // That our side cannot decide says nothing about the token, and a disabled issuer can be enabled again.
        let is_of_the_token = match RefusalKind::from(&error) {
            RefusalKind::Invalid | RefusalKind::Malformed => error != TokenError::IssuerDisabled,
            _ => matches!(error, TokenError::AnswerMismatch(_)),
        };
        is_of_the_token.then(|| {
            self.forget(token);
            error
        })
    }

    fn forget(&self, token: &str) -> Option<TokenError> {
        if let Some(cache) = &self.0.token_cache {
            cache.remove(&cache.digest(token.as_bytes()));
        }
        None
    }
}

impl<'t> Rule for Size<'t> {
    const CHECK: Check = Check::Structure;
    type Passed = &'t str;
    type Failed = TokenError;

    fn apply(&mut self) -> Result<&'t str, TokenError> {
        str::from_utf8(self.token).map_err(|_| TokenError::Malformed(MalformedFault::Opaque))
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} bytes", self.max_bytes)
    }

    fn found(&self) -> Found<'_> {
        Found::Bytes(self.token.len())
    }
}

impl<'t> Rule for Claimant<'_, 't> {
    const CHECK: Check = Check::IssuerChoice;
    type Passed = &'t Arc<TrustedIssuer>;
    type Failed = TokenError;

    fn apply(&mut self) -> Result<&'t Arc<TrustedIssuer>, TokenError> {
        let claimant = self.table.claimant(self.token, self.is_encrypted)?;
        self.found = claimant.map(|issuer| &*issuer.rules.issuer);
        let fault = if self.is_encrypted { MalformedFault::Encrypted } else { MalformedFault::Opaque };
        claimant.ok_or(TokenError::Malformed(fault))
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claimed by one issuer")
    }

    fn found(&self) -> Found<'_> {
        self.found.into()
    }
}

impl Rule for Active<'_> {
    const CHECK: Check = Check::Introspection;
    type Passed = Arc<ActiveAnswer>;
    type Failed = Stop;

    fn apply(&mut self) -> Result<Arc<ActiveAnswer>, Stop> {
        let error = match self.waited.outcome_of(self.issuer) {
            Some(Outcome::Active(answer)) => {
                // This request may be late, and the answer no longer the latest.
                let asked_at = answer.asked_at().monotonic;
                match self.introspector.refused_since(self.token.as_bytes(), asked_at) {
                    Some(error) => error,
                    None => {
                        self.found = Some(true);
                        return Ok(Arc::clone(answer));
                    }
                }
            }
            Some(Outcome::Refused(error)) => error.clone(),
            Some(Outcome::Unknown { retry_after, .. }) => {
                TokenError::IntrospectionUnavailable { retry_after: *retry_after }
            }
            None => match self.introspector.look_up(self.token.as_bytes()) {
                Some(error) => error,
                None => return Err(Stop::Pending(Pending::Introspection(Arc::clone(self.issuer)))),
            },
        };
        self.found = matches!(error, TokenError::Inactive).then_some(false);
        Err(error.into())
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} says that it is active", self.issuer.rules.issuer)
    }

    fn found(&self) -> Found<'_> {
        Found::Activity(self.found)
    }
}
