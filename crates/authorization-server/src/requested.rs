//! What a client asks for, if it may have all of it. A part of it is not granted: a client that gets less than it asked
//! for fails later, and further from the cause.

use std::collections::HashSet;

use super::oauth_error::OAuthError;
use super::parameters::Parameters;
use super::registration::RegisteredClient;
use super::scope;

/// The scopes of the request (RFC 6749 §3.3), or all of the client's own when it names none.
pub(super) fn scopes(client: &RegisteredClient, parameters: &Parameters) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = parameters.value("scope") else {
        return Ok(client.scopes.clone());
    };
    let asked = scope::parse(asked).ok_or(OAuthError::InvalidScope)?;
    among(&client.scopes, &asked).ok_or(OAuthError::InvalidScope)
}

/// The resources of the request (RFC 8707 §2), or all audiences of the client when it names none.
pub(super) fn audiences(client: &RegisteredClient, parameters: &Parameters) -> Result<Vec<String>, OAuthError> {
    among(&client.audiences, &resources(parameters)).ok_or(OAuthError::InvalidTarget)
}

/// Each resource that the request names, once.
pub(super) fn resources(parameters: &Parameters) -> Vec<&str> {
    let mut seen = HashSet::new();
    parameters.values("resource").filter(|resource| seen.insert(*resource)).collect()
}

/// Those that are asked for, or all when none are; `None` when one of them is not allowed.
pub(super) fn among(allowed: &[String], asked: &[&str]) -> Option<Vec<String>> {
    if asked.is_empty() {
        return Some(allowed.to_vec());
    }
    let is_allowed = |asked: &&str| allowed.iter().any(|allowed| allowed == asked);
    asked.iter().all(is_allowed).then(|| asked.iter().map(|asked| (*asked).to_owned()).collect())
}
