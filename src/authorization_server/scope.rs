//! Scope text (RFC 6749 §3.3).

/// Whether this is a scope token: one or more of `%x21 / %x23-5B / %x5D-7E`.
pub(super) fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// The scope tokens of a request, in its order and each once; `None` when the text is not
/// `scope-token *( SP scope-token )`.
pub(super) fn parse(text: &str) -> Option<Vec<&str>> {
    let mut scopes = Vec::new();
    for token in text.split(' ') {
        if !is_scope_token(token) {
            return None;
        }
        if !scopes.contains(&token) {
            scopes.push(token);
        }
    }
    Some(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_tokens_are_what_the_grammar_says() {
        for good in ["a", "!", "#", "[", "]", "~", "read:leads", "https://example.com/x"] {
            assert!(is_scope_token(good), "{good}");
        }
        for bad in ["", " ", "a b", "\"", "\\", "\u{7f}", "\t", "\u{e9}"] {
            assert!(!is_scope_token(bad), "{bad:?}");
        }
    }

    #[test]
    fn lists_have_single_spaces_and_no_repetition() {
        assert_eq!(parse("a b a"), Some(vec!["a", "b"]));
        for bad in ["", " ", "a  b", " a", "a ", "a\tb"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
