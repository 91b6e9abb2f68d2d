//! How the claims of a token were proven. Only what is made here is ever taken for claims.

use std::sync::Arc;

use crate::jose::{TokenType, VerifiedPayload, VerifyingKey};

/// What proves the claims of a token. It stays with the token, because it can lose its force: a key can be withdrawn.
pub(crate) enum Evidence {
    /// A signature by a key of the issuer.
    Signature { key: Arc<VerifyingKey> },
}

/// The claims of a token as they stand in it, with what proves them.
pub(crate) struct ProvenPayload {
    bytes: Vec<u8>,
    typ: TokenType,
    evidence: Evidence,
}

impl ProvenPayload {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) const fn typ(&self) -> TokenType {
        self.typ
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, Evidence) {
        (self.bytes, self.evidence)
    }
}

impl From<VerifiedPayload> for ProvenPayload {
    fn from(payload: VerifiedPayload) -> Self {
        let (bytes, typ, key) = payload.into_parts();
        Self { bytes, typ, evidence: Evidence::Signature { key } }
    }
}
