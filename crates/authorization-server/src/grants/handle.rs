//! Secrets that stand for something on the server.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::oauth_error::OAuthError;

/// 256 random bits in base64url: a code, a device code, a refresh token, an opaque access token, a session, a
/// pushed request. The server keeps the digest.
pub(crate) struct Handle(String);

/// What a handle is found by: the time that takes tells nothing about the handle.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct HandleDigest([u8; 32]);

impl Handle {
    pub(crate) fn random() -> Result<Self, OAuthError> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| OAuthError::NoRandomness)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub(crate) fn digest(&self) -> HandleDigest {
        HandleDigest::of(&self.0)
    }

    /// The secret, for the one whom it is made for.
    pub(crate) fn into_secret(self) -> String {
        self.0
    }
}

impl HandleDigest {
    pub(crate) fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }
}
