//! All steps from a token to accepted claims, in order.

use std::sync::Arc;

use super::ResourceServer;
use super::door::Stop;
use super::proof_rules::{
    AllowedAlgorithm, IssuerChoice, IssuerKey, Signature, Structure, refuse_foreign, refuse_if_named,
};
use super::waits::Waited;
use crate::credentials::{Credentials, Scheme};
use crate::error::TokenError;
use crate::token::ValidatedToken;
use crate::token_claims::TokenClaims;
use crate::trust::TrustedIssuer;
use crate::validator::{StepListener, check, check_or};

impl ResourceServer {
    /// RFC 9068 §4: what the token says counts only once its signature is verified.
    pub(super) fn prove<L: StepListener>(
        &self,
        credentials: Credentials<'_>,
        waited: Waited<'_>,
        listener: &mut L,
    ) -> Result<ValidatedToken, Stop> {
        if credentials.scheme == Scheme::Dpop {
            return Err(TokenError::DpopNotConfigured.into());
        }
        let server = &*self.0;
        let table = server.issuers.table();
        if table.introspects()
            && let Some(opaque) = self.unreadable(credentials.token)
        {
            return self.prove_unreadable(opaque, &table, waited, listener);
        }
        let jws = check(listener, Structure { token: credentials.token, max_bytes: server.max_token_bytes })?;
        let issuer = check(listener, IssuerChoice::new(&server.issuers, &table, &jws, waited))?;
        let TrustedIssuer { rules, proof, .. } = &**issuer;
        let Some(keys) = proof.keys() else {
            return self.prove_by_answer_alone(credentials.token, &jws, issuer, waited, listener);
        };

        let algorithm = AllowedAlgorithm { rules, jws: &jws };
        let algorithm = check_or(listener, algorithm, |_, listener| refuse_foreign(rules, &jws, listener))?;
        let key = IssuerKey { issuer, keys, jws: &jws, algorithm, waited };
        let found = check_or(listener, key, |_, listener| refuse_foreign(rules, &jws, listener))?;
        let signature = Signature { jws, keys: &found, algorithm };
        let payload = check_or(listener, signature, |rule, listener| refuse_if_named(rules, &rule.jws, listener))?;
        issuer.note_verified(&*server.clock);

        let now = server.clock.now().ok_or(TokenError::ClockUnavailable)?;
        let accepted = TokenClaims::accept(payload.into(), |payload| rules.check_claims(payload, now, listener));
        let mut accepted = accepted?;
        if proof.introspector().is_some() {
            accepted = self.confirm(credentials.token, accepted, issuer, waited, listener)?;
        }
        let (claims, evidence) = accepted;
        issuer.note_accepted();
        Ok(ValidatedToken::new(claims, Arc::clone(issuer), evidence, Arc::clone(&server.context)))
    }
}
