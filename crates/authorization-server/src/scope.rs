//! Scopes: their text (RFC 6749 §3.3), and what those of OpenID Connect mean.

use std::collections::HashSet;

use tower_bearer::Scope;

/// With this scope, the client wants to know who the user is (OpenID Connect Core 1.0 §3.1.2.1).
pub(super) const OPENID: &str = "openid";

/// What the scopes of OpenID Connect mean for the user (Core 1.0 §5.4), said to go on from "It asks to".
pub(super) fn standard_description(scope: &str) -> Option<&'static str> {
    match scope {
        OPENID => Some("Know who you are"),
        "profile" => Some("See your name and your profile"),
        "email" => Some("See your email address"),
        "address" => Some("See your postal address"),
        "phone" => Some("See your phone number"),
        _ => None,
    }
}

/// The scope tokens of a request, in its order and each once; `None` when the text is not
/// `scope-token *( SP scope-token )`.
pub(super) fn parse(text: &str) -> Option<Vec<&str>> {
    let (mut scopes, mut seen) = (Vec::new(), HashSet::new());
    for token in text.split(' ') {
        if !Scope::is_token(token) {
            return None;
        }
        if seen.insert(token) {
            scopes.push(token);
        }
    }
    Some(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_single_spaces_and_no_repetition() {
        assert_eq!(parse("a b a"), Some(vec!["a", "b"]));
        for bad in ["", " ", "a  b", " a", "a ", "a\tb"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
