//! How the claims of a token were verified. Claims are only ever read from a [`ProvenPayload`], which this file makes.

use std::sync::Arc;

use crate::jose::{TokenType, VerifiedPayload, VerifyingKey};

/// What proves the claims of a token. Kept with the token, because a key can be withdrawn later.
pub(crate) enum Evidence {
    /// A signature by a key of the issuer.
    Signature { key: Arc<VerifyingKey> },
}

/// The raw claims of a token, with what proves them.
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
