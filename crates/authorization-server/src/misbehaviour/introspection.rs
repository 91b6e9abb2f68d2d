//! What can be wrong with an introspection response (RFC 7662 §2.2).

use serde_json::{Map, Value};
use tower_bearer_test::Defect;

use super::{Fault, set_members};

impl Fault {
    /// Changes the members of a response as this fault says.
    pub(crate) fn spoil_introspection(&self, response: &mut Map<String, Value>) {
        match self {
            Self::Members(members) => set_members(response, members),
            Self::ActiveAsText => {
                if let Some(active) = response.get_mut("active") {
                    *active = Value::from(active.to_string());
                }
            }
            Self::WithoutActive => drop(response.remove("active")),
            Self::WithoutAudience => drop(response.remove("aud")),
            Self::WithoutExpiry => drop(response.remove("exp")),
            Self::WrongIssuer { issuer } => {
                if let Some(iss) = response.get_mut("iss") {
                    *iss = Value::from(issuer.as_str());
                }
            }
            Self::WrongTypes => *response = Map::from_iter([("active".to_owned(), Value::from("yes"))]),
            _ => {}
        }
    }

    /// What is wrong with the signed response, if that is the fault.
    pub(crate) const fn of_signed_introspection(&self) -> Option<Defect> {
        match self {
            Self::SignedDefect(defect) => Some(*defect),
            _ => None,
        }
    }

    /// With what members a refresh token is said to be active, if that is the fault.
    pub(crate) const fn of_active_refresh_token(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::RefreshTokensActive(members) => Some(members),
            _ => None,
        }
    }
}
