//! What is said of a user.

use std::fmt;

use serde_json::{Map, Value};

/// A person who can log in at the authorization server, with a password that is meant for tests.
///
/// `Debug` leaves the password and the claims out.
///
/// ```
/// use tower_bearer_authorization_server::User;
///
/// let alice = User::new("alice", "wonderland").subject("user-1").claim("email", "alice@example.com");
/// assert!(!format!("{alice:?}").contains("wonderland"));
/// ```
#[derive(Clone)]
pub struct User {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) subject: Option<String>,
    pub(super) claims: Map<String, Value>,
}

impl User {
    /// A user with the name and password to log in with.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into(), subject: None, claims: Map::new() }
    }

    /// What tokens call the user, `sub`; the name by default.
    #[must_use]
    pub fn subject(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// Adds what the userinfo endpoint says of the user, such as `name` or `email`
    /// (OpenID Connect Core 1.0 §5.1).
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("username", &self.username).field("subject", &self.subject).finish_non_exhaustive()
    }
}
