//! Registered users.

use std::collections::HashSet;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use serde_json::{Map, Value};

use super::User;
use crate::StartError;

/// All users.
pub(crate) struct Users {
    in_order: Vec<RegisteredUser>,
    /// What a password is compared with when there is no such user.
    stand_in: Digest,
}

/// A user whose settings make sense. The password is kept as a digest only: a fast one, for passwords of tests.
pub(crate) struct RegisteredUser {
    pub(crate) username: String,
    pub(crate) subject: String,
    /// For the userinfo endpoint.
    pub(crate) claims: Map<String, Value>,
    password_digest: Digest,
}

impl Users {
    pub(crate) fn register(users: Vec<User>) -> Result<Self, StartError> {
        let (mut names, mut subjects) = (HashSet::new(), HashSet::new());
        let mut in_order = Vec::new();
        for user in users {
            let user = RegisteredUser::register(user)?;
            let username = user.username.clone();
            if !names.insert(username.clone()) {
                return Err(StartError::DuplicateUser { username });
            }
            if !subjects.insert(user.subject.clone()) {
                return Err(StartError::DuplicateSubject { username });
            }
            in_order.push(user);
        }
        Ok(Self { in_order, stand_in: digest(&SHA256, b"") })
    }

    /// The user of this name, if `password` is right; compared as [`Clients::authenticate`](super::Clients) does.
    pub(crate) fn authenticate(&self, name: &str, password: &str) -> Option<&RegisteredUser> {
        let presented = digest(&SHA256, password.as_bytes());
        let user = self.by_name(name);
        let expected = user.map_or(&self.stand_in, |user| &user.password_digest);
        let equal = verify_slices_are_equal(presented.as_ref(), expected.as_ref()).is_ok();
        user.filter(|_| equal)
    }

    /// The user of this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<&RegisteredUser> {
        self.in_order.iter().find(|user| user.username == name)
    }

    /// The user whom tokens call this.
    pub(crate) fn by_subject(&self, subject: &str) -> Option<&RegisteredUser> {
        self.in_order.iter().find(|user| user.subject == subject)
    }

    pub(crate) fn is_empty(&self) -> bool {
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
        Ok(Self { username, subject, claims, password_digest: digest(&SHA256, password.as_bytes()) })
    }
}
