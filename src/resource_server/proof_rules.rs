//! The checks that come before the claims: structure, issuer, algorithm, key and signature.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::door::Stop;
use super::waits::{Pending, Waited};
use crate::claims::untrusted_iss;
use crate::error::{ClaimFault, TokenError};
use crate::jose::{Algorithm, CompactJws, VerifiedPayload};
use crate::keys::{Keys, KeysToTry, Lookup};
use crate::trust::{Table, TrustedIssuer, TrustedIssuers};
use crate::validator::{Check, Found, NoListener, Rule, StepListener, TokenIssuer, TokenRules, check_early};

/// RFC 7515 §5.2: three parts in base64url, and a header that can be read.
pub(super) struct Structure<'t> {
    pub(super) token: &'t [u8],
    pub(super) max_bytes: usize,
}

/// With one issuer there is nothing to choose, and `iss` is checked after the signature. With several, the unverified
/// `iss` selects one of the trusted issuers, and an `iss` that is not trusted starts no fetch of keys.
pub(super) struct IssuerChoice<'a, 't> {
    issuers: &'a TrustedIssuers,
    table: &'t Table,
    jws: &'a CompactJws<'t>,
    waited: Waited<'a>,
    /// The issuer that was chosen, or else the one that the token names.
    found: Option<Cow<'a, str>>,
}

/// RFC 8725 §3.1: the configuration says which algorithms are allowed, never the token.
pub(super) struct AllowedAlgorithm<'a, 't> {
    pub(super) rules: &'a TokenRules,
    pub(super) jws: &'a CompactJws<'t>,
}

/// RFC 7515 §4.1.4: `kid` says which key of the issuer to try.
pub(super) struct IssuerKey<'a, 'i, 't> {
    pub(super) issuer: &'i Arc<TrustedIssuer>,
    pub(super) keys: &'i Keys,
    pub(super) jws: &'a CompactJws<'t>,
    pub(super) algorithm: Algorithm,
    pub(super) waited: Waited<'a>,
}

/// RFC 7515 §5.2: the signature verifies with one of the keys.
pub(super) struct Signature<'a, 'i, 't> {
    pub(super) jws: CompactJws<'t>,
    pub(super) keys: &'a KeysToTry<'i>,
    pub(super) algorithm: Algorithm,
}

impl<'t> Rule for Structure<'t> {
    const CHECK: Check = Check::Structure;
    type Passed = CompactJws<'t>;
    type Failed = TokenError;

    fn apply(&mut self) -> Result<CompactJws<'t>, TokenError> {
        CompactJws::parse(self.token, self.max_bytes)
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} bytes", self.max_bytes)
    }

    fn found(&self) -> Found<'_> {
        Found::Bytes(self.token.len())
    }
}

impl<'a, 't> IssuerChoice<'a, 't> {
    pub(super) const fn new(
        issuers: &'a TrustedIssuers,
        table: &'t Table,
        jws: &'a CompactJws<'t>,
        waited: Waited<'a>,
    ) -> Self {
        Self { issuers, table, jws, waited, found: None }
    }

    fn choose(&self) -> Result<&'t Arc<TrustedIssuer>, Stop> {
        let issuer = match self.table.only() {
            Some(only) => only,
            None => {
                let url = untrusted_iss(self.jws.untrusted_payload())?;
                let url = url.ok_or_else(|| TokenError::claim("iss", ClaimFault::Missing))?;
                match self.table.get(&url) {
                    Some(issuer) => issuer,
                    None => {
                        self.issuers.look_up_unknown(&url, self.waited.for_issuer())?;
                        return Err(Stop::Pending(Pending::Issuer(url.as_ref().into())));
                    }
                }
            }
        };
        issuer.check_enabled()?;
        Ok(issuer)
    }
}

impl<'t> Rule for IssuerChoice<'_, 't> {
    const CHECK: Check = Check::IssuerChoice;
    type Passed = &'t Arc<TrustedIssuer>;
    type Failed = Stop;

    fn apply(&mut self) -> Result<&'t Arc<TrustedIssuer>, Stop> {
        let chosen = self.choose();
        self.found = match &chosen {
            Ok(issuer) => Some(Cow::Borrowed(&*issuer.rules.issuer)),
            Err(_) => untrusted_iss(self.jws.untrusted_payload()).ok().flatten(),
        };
        chosen
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of ")?;
        f.debug_list().entries(self.table.iter().map(|issuer| &issuer.rules.issuer)).finish()
    }

    fn found(&self) -> Found<'_> {
        self.found.as_deref().into()
    }
}

impl Rule for AllowedAlgorithm<'_, '_> {
    const CHECK: Check = Check::Algorithm;
    type Passed = Algorithm;
    type Failed = TokenError;

    fn apply(&mut self) -> Result<Algorithm, TokenError> {
        let allowed = self.jws.header().algorithm.filter(|algorithm| self.rules.algorithms.contains(algorithm));
        allowed.ok_or(TokenError::AlgorithmNotAllowed)
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {:?}", self.rules.algorithms)
    }

    fn found(&self) -> Found<'_> {
        self.jws.header().algorithm.map_or(Found::UnknownAlgorithm, Found::Algorithm)
    }
}

impl<'i> Rule for IssuerKey<'_, 'i, '_> {
    const CHECK: Check = Check::Key;
    type Passed = KeysToTry<'i>;
    type Failed = Stop;

    fn apply(&mut self) -> Result<KeysToTry<'i>, Stop> {
        let key_id = self.jws.header().key_id.as_deref();
        if let Some(known) = self.keys.known(key_id, self.algorithm) {
            return Ok(known);
        }
        // A token of another issuer has no key here. Refuse it before anything waits for keys or starts a fetch, so
        // that it is refused during an outage too.
        refuse_foreign::<_, Stop>(&self.issuer.rules, self.jws, &mut NoListener)?;
        match self.keys.look_further(key_id, self.algorithm, self.waited.for_key_since()) {
            Lookup::Found(keys) => Ok(keys),
            Lookup::Refused(error) => Err(error.into()),
            Lookup::Wait(arrival) => {
                Err(Stop::Pending(Pending::Key(Arc::clone(self.issuer), key_id.map(Box::from), arrival)))
            }
        }
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key of {} for {}", self.issuer.rules.issuer, self.algorithm)
    }

    fn found(&self) -> Found<'_> {
        Found::KeyId(self.jws.header().key_id.as_deref())
    }
}

impl Rule for Signature<'_, '_, '_> {
    const CHECK: Check = Check::Signature;
    type Passed = VerifiedPayload;
    type Failed = TokenError;

    fn apply(&mut self) -> Result<VerifiedPayload, TokenError> {
        self.jws.verify(self.keys.iter())
    }

    fn expected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signature by the key")
    }

    fn found(&self) -> Found<'_> {
        Found::Signature(self.algorithm)
    }
}

/// Refuses a token of another issuer with that reason, whatever else is wrong with it (RFC 9068 §4, "iss").
#[cold]
pub(super) fn refuse_foreign<L: StepListener, E: From<TokenError>>(
    rules: &TokenRules,
    jws: &CompactJws<'_>,
    listener: &mut L,
) -> Result<(), E> {
    let named = untrusted_iss(jws.untrusted_payload())?;
    Ok(check_early(listener, TokenIssuer { rules, named: named.as_deref() })?)
}

/// As [`refuse_foreign`], but lets claims without a readable `iss` pass.
#[cold]
pub(super) fn refuse_if_named<L: StepListener>(
    rules: &TokenRules,
    jws: &CompactJws<'_>,
    listener: &mut L,
) -> Result<(), TokenError> {
    if matches!(untrusted_iss(jws.untrusted_payload()), Ok(Some(_))) {
        refuse_foreign::<_, TokenError>(rules, jws, listener)?;
    }
    Ok(())
}
