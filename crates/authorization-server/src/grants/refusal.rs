//! Why a code or a token is not taken.

use super::FamilyId;
use crate::oauth_error::OAuthError;

/// What the client hears; and what ends because somebody else has a copy.
#[derive(Clone, Copy)]
pub(super) struct GrantRefusal {
    pub(super) error: OAuthError,
    /// What came of the same consent as a code or a token that was used before.
    pub(super) reused: Option<FamilyId>,
}

impl GrantRefusal {
    pub(super) const fn reused(description: &'static str, family: FamilyId) -> Self {
        Self { error: OAuthError::InvalidGrant(description), reused: Some(family) }
    }
}

impl From<OAuthError> for GrantRefusal {
    fn from(error: OAuthError) -> Self {
        Self { error, reused: None }
    }
}
