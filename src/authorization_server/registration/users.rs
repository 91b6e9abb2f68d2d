//! Registered users.

use std::collections::HashSet;

use super::User;
use crate::authorization_server::StartError;

/// All users.
pub(in crate::authorization_server) struct Users {
    in_order: Vec<RegisteredUser>,
}

/// A user whose settings make sense.
struct RegisteredUser {
    subject: String,
}

impl Users {
    pub(in crate::authorization_server) fn register(users: Vec<User>) -> Result<Self, StartError> {
        let (mut names, mut subjects) = (HashSet::new(), HashSet::new());
        let mut in_order = Vec::new();
        for user in users {
            let username = user.username.clone();
            if !names.insert(username.clone()) {
                return Err(StartError::DuplicateUser { username });
            }
            let user = RegisteredUser::register(user)?;
            if !subjects.insert(user.subject.clone()) {
                return Err(StartError::DuplicateSubject { username });
            }
            in_order.push(user);
        }
        Ok(Self { in_order })
    }

    pub(in crate::authorization_server) fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }
}

/// What tokens and the server say of themselves (RFC 7519 §4.1, OpenID Connect Core 1.0 §2).
const RESERVED: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "sid",
];

impl RegisteredUser {
    fn register(user: User) -> Result<Self, StartError> {
        let User { username, password, subject, claims } = user;
        if username.is_empty() {
            return Err(StartError::EmptyUsername);
        }
        if password.is_empty() {
            return Err(StartError::EmptyPassword { username });
        }
        let subject = subject.unwrap_or_else(|| username.clone());
        if subject.is_empty() {
            return Err(StartError::EmptySubject { username });
        }
        if let Some(claim) = RESERVED.into_iter().find(|claim| claims.contains_key(*claim)) {
            return Err(StartError::ReservedClaim { username, claim: claim.to_owned() });
        }
        Ok(Self { subject })
    }
}
