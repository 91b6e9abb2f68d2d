//! Scope text (RFC 6749 §3.3).

use std::collections::HashSet;

use crate::scope::is_scope_token;

/// With this scope, the client wants to know who the user is (OpenID Connect Core 1.0 §3.1.2.1).
pub(super) const OPENID: &str = "openid";

/// The scope tokens of a request, in its order and each once; `None` when the text is not
/// `scope-token *( SP scope-token )`.
pub(super) fn parse(text: &str) -> Option<Vec<&str>> {
    let (mut scopes, mut seen) = (Vec::new(), HashSet::new());
    for token in text.split(' ') {
        if !is_scope_token(token) {
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
