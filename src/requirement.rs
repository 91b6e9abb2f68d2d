//! What a route asks of a good token.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::claim_path::ClaimPath;
use crate::config_error::ConfigError;
use crate::error::TokenError;
use crate::refusal::Refusal;
use crate::scope::{Quantity, ScopeRequirement};
use crate::token::ValidatedToken;

/// One requirement: scopes, roles, a maximum age, or anything that a closure decides.
#[derive(Clone)]
pub(crate) enum Requirement {
    Scopes(ScopeRequirement),
    Roles { path: Arc<[Box<str>]>, roles: Arc<[Box<str>]>, quantity: Quantity },
    MaxAge(Duration),
    Predicate { name: Cow<'static, str>, predicate: Arc<dyn Fn(&ValidatedToken) -> bool + Send + Sync> },
}

impl Requirement {
    pub(crate) fn roles(path: &ClaimPath, roles: Vec<String>, quantity: Quantity) -> Result<Self, ConfigError> {
        if path.is_incomplete() {
            return Err(ConfigError::new("roles", "the claim path or a name in it is empty; name the claim"));
        }
        if roles.is_empty() || roles.iter().any(String::is_empty) {
            return Err(ConfigError::new("roles", "the list or a role in it is empty; name at least one role"));
        }
        let roles = roles.into_iter().map(String::into_boxed_str).collect();
        Ok(Self::Roles { path: Arc::clone(path.names()), roles, quantity })
    }

    pub(crate) fn check(&self, token: &ValidatedToken) -> Result<(), TokenError> {
        match self {
            Self::Scopes(requirement) if requirement.is_met_by(token.scope()) => Ok(()),
            Self::Scopes(requirement) => Err(TokenError::InsufficientScope(requirement.clone())),
            Self::Roles { path, roles, quantity } => {
                let granted = token.claim(path);
                let has = |role: &str| granted.as_ref().is_some_and(|granted| names_role(granted, role));
                if quantity.holds(roles, has) { Ok(()) } else { Err(TokenError::InsufficientRole) }
            }
            Self::MaxAge(max_age) => {
                let now = token.server().now()?;
                token.trusted_issuer().rules.check_age(token.times(), *max_age, now)
            }
            Self::Predicate { predicate, .. } if predicate(token) => Ok(()),
            Self::Predicate { name, .. } => Err(TokenError::RequirementNotMet(name.clone())),
        }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scopes(requirement) => f.debug_tuple("Scopes").field(requirement).finish(),
            Self::Roles { path, roles, quantity } => {
                f.debug_tuple("Roles").field(path).field(quantity).field(roles).finish()
            }
            Self::MaxAge(max_age) => f.debug_tuple("MaxAge").field(max_age).finish(),
            Self::Predicate { name, .. } => f.debug_tuple("Predicate").field(name).finish(),
        }
    }
}

impl ValidatedToken {
    /// Asks for a scope within a handler; the error is the same 403 as that of the route layer.
    ///
    /// # Errors
    ///
    /// When the token lacks the scope, or the text is not one scope (RFC 6749 §3.3).
    pub fn require(&self, scope: &str) -> Result<(), Refusal> {
        let requirement = ScopeRequirement::try_all([scope]).map(Requirement::Scopes);
        // No token can have such a scope.
        let requirement = requirement.map_err(|_| TokenError::RequirementNotMet("a text that is not one scope".into()));
        requirement.and_then(|requirement| requirement.check(self)).map_err(|error| self.refuse(error))
    }
}

/// A claim of roles is an array of strings, or one string that is one role.
fn names_role(granted: &Value, role: &str) -> bool {
    match granted {
        Value::String(granted) => granted == role,
        Value::Array(granted) => granted.iter().any(|granted| granted.as_str() == Some(role)),
        _ => false,
    }
}
