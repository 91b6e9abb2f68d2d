//! Whom a token speaks for: a client on its own behalf, or a user (RFC 9700 §4.15).
//!
//! RFC 9068 §2.2 makes `sub` the client's id when no user is involved, and many providers do something else: a service
//! gets its own `sub`, which looks like any user's. So there are three values, and a token speaks for a user only if it
//! says so.

use serde_json::Value;

use crate::claim_path::ClaimPath;
use crate::claims::ClaimNames;
use crate::config_error::ConfigError;
use crate::token_claims::TokenClaims;

/// Markers that providers put into the tokens of clients: Microsoft Entra; Auth0, FusionAuth and Kinde; Cloud Foundry
/// UAA and SAP XSUAA; WSO2.
const CLIENT_MARKERS: [(&str, &str); 5] = [
    ("idtyp", "app"),
    ("gty", "client-credentials"),
    ("gty", "client_credentials"),
    ("grant_type", "client_credentials"),
    ("aut", "APPLICATION"),
];

/// What Auth0 appends to the client's id to make a `sub`.
const CLIENT_SUFFIX: &str = "@clients";

/// Claims that any token may have, whomever it speaks for.
const IN_EVERY_TOKEN: [&str; 8] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "token_use"];

/// Whom a token speaks for, as far as its claims prove it: [`ValidatedToken::speaks_for`] has the rules.
///
/// Compare with the value that you need, `== SpeaksFor::User` or `== SpeaksFor::Client`. `!= SpeaksFor::Client` also
/// admits services that cannot be told apart from users.
///
/// [`ValidatedToken::speaks_for`]: crate::ValidatedToken::speaks_for
#[expect(clippy::exhaustive_enums, reason = "a fourth answer would have to be a different question")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SpeaksFor {
    /// A client on its own behalf: a service, a job, a machine.
    Client,
    /// A user, on whose behalf a client acts.
    User,
    /// The claims prove neither.
    Unknown,
}

/// A claim that marks the tokens of users, or those of clients: for [`Issuer::user_marker`] and
/// [`Issuer::client_marker`].
///
/// ```
/// use tower_bearer::ClaimMarker;
///
/// let entra = ClaimMarker::equals("idtyp", "user");
/// let okta = ClaimMarker::present("uid");
/// let nested = ClaimMarker::equals(["https://example.com/login", "kind"], "person");
/// # let _ = (entra, okta, nested);
/// ```
///
/// [`Issuer::user_marker`]: crate::Issuer::user_marker
/// [`Issuer::client_marker`]: crate::Issuer::client_marker
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimMarker {
    path: ClaimPath,
    /// `None` if any value counts.
    value: Option<Box<str>>,
}

impl ClaimMarker {
    /// The claim is this text, byte for byte, or an array of strings that contains it.
    #[must_use]
    pub fn equals(path: impl Into<ClaimPath>, value: impl Into<String>) -> Self {
        Self { path: path.into(), value: Some(value.into().into_boxed_str()) }
    }

    /// The claim is present, and neither `null`, `false`, empty, nor made of nothing but such values.
    #[must_use]
    pub fn present(path: impl Into<ClaimPath>) -> Self {
        Self { path: path.into(), value: None }
    }

    fn marking(&self, claims: &TokenClaims) -> Marking {
        let mut names = self.path.names().iter();
        let claim = names.next().and_then(|name| claims.get(name));
        let mut found = claim.as_ref();
        for name in names {
            found = match found {
                None => return Marking::Absent,
                Some(Value::Object(members)) => members.get(&**name),
                Some(_) => return Marking::Unclear,
            };
        }
        let is_marked = match (found, &self.value) {
            (None, _) => false,
            (Some(found), None) => !is_void(found),
            (Some(Value::String(found)), Some(value)) => **found == **value,
            (Some(Value::Array(found)), Some(value)) if found.iter().all(Value::is_string) => {
                found.iter().any(|found| found.as_str() == Some(&**value))
            }
            (Some(_), Some(_)) => return Marking::Unclear,
        };
        if is_marked { Marking::Present } else { Marking::Absent }
    }
}

fn is_void(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(elements) => elements.iter().all(is_void),
        Value::Object(members) => members.values().all(is_void),
    }
}

/// What a marker says about a token.
#[derive(Clone, Copy, PartialEq)]
enum Marking {
    Absent,
    Present,
    /// The claim has a type that the marker cannot match.
    Unclear,
}

/// The markers of one issuer.
#[derive(Clone, Debug)]
pub(crate) struct Markers {
    client: Vec<ClaimMarker>,
    user: Vec<ClaimMarker>,
}

impl Markers {
    pub(crate) fn add_client(&mut self, marker: ClaimMarker) {
        self.client.push(marker);
    }

    pub(crate) fn add_user(&mut self, marker: ClaimMarker) {
        self.user.push(marker);
    }

    /// Refuses markers that mark nothing or everything.
    pub(crate) fn check(&self, names: &ClaimNames) -> Result<(), ConfigError> {
        for (setting, markers) in [("client_marker", &self.client), ("user_marker", &self.user)] {
            if markers.iter().any(|marker| marker.path.is_incomplete() || marker.value.as_deref() == Some("")) {
                let problem = "the claim path, a name in it or the value is empty; name the claim and its value";
                return Err(ConfigError::new(setting, problem));
            }
            let paths = markers.iter().map(|marker| &**marker.path.names());
            let is_everywhere = |name: &str| {
                IN_EVERY_TOKEN.contains(&name)
                    || *name == *names.audience
                    || names.client.iter().any(|client| **client == *name)
            };
            let everywhere = paths.filter_map(|path| if let [name] = path { Some(&**name) } else { None });
            if let Some(name) = everywhere.into_iter().find(|name| is_everywhere(name)) {
                let problem = format!(
                    "tokens of users and of clients alike have the claim {name:?}; name one that the issuer puts into \
                     the tokens of one kind only"
                );
                return Err(ConfigError::new(setting, problem));
            }
        }
        Ok(())
    }

    /// Evidence for a client outweighs any for a user, and an unreadable claim gives `Unknown`: a service that is
    /// mistaken for a user gets a user's rights.
    pub(crate) fn speaks_for(&self, claims: &TokenClaims, client: &ClientClaims<'_>) -> SpeaksFor {
        let subject = claims.subject();
        let says = |markers: &[ClaimMarker], marking| markers.iter().any(|marker| marker.marking(claims) == marking);
        if says(&self.client, Marking::Present) || subject.is_some_and(|subject| client.is_subject(subject, claims)) {
            return SpeaksFor::Client;
        }
        let is_unclear =
            client.is_unclear(claims) || says(&self.client, Marking::Unclear) || says(&self.user, Marking::Unclear);
        if subject.is_some() && !is_unclear && says(&self.user, Marking::Present) {
            SpeaksFor::User
        } else {
            SpeaksFor::Unknown
        }
    }
}

impl Default for Markers {
    fn default() -> Self {
        let client = CLIENT_MARKERS.iter().map(|(name, value)| ClaimMarker::equals(*name, *value)).collect();
        Self { client, user: Vec::new() }
    }
}

/// The claims that name the client.
pub(crate) struct ClientClaims<'a> {
    pub(crate) names: &'a [Box<str>],
    /// The value of the first of them that is present; `None` if that is not an identifier.
    pub(crate) client_id: Option<&'a str>,
}

impl ClientClaims<'_> {
    /// Whether `sub` is the client's id from any of the claims, plain or as Auth0 writes it.
    fn is_subject(&self, subject: &str, claims: &TokenClaims) -> bool {
        let without_suffix = subject.strip_suffix(CLIENT_SUFFIX);
        let is_client = |id: &str| id == subject || Some(id) == without_suffix;
        self.names.iter().any(|name| claims.get(name).is_some_and(|id| id.as_str().is_some_and(is_client)))
    }

    /// Whether the first of the claims is no identifier, or one of them is a list that has `sub` in it.
    fn is_unclear(&self, claims: &TokenClaims) -> bool {
        let subject = claims.subject();
        let mut present = self.names.iter().filter_map(|name| claims.get(name)).peekable();
        let is_unusable = self.client_id.is_none() && present.peek().is_some();
        let has_subject = |ids: &Vec<Value>| ids.iter().any(|id| id.as_str() == subject);
        is_unusable || present.any(|value| value.as_array().is_some_and(has_subject))
    }
}
