//! Scopes: what a token permits (RFC 6749 §3.3).

use std::collections::HashSet;
use std::fmt;

use memchr::memchr_iter;

use crate::config_error::ConfigError;

/// From this many scopes on, a lookup goes through a hash set instead of a scan.
const INDEX_FROM: usize = 32;

/// The scopes of a token.
///
/// Scopes are compared whole and case-sensitively: `read` is neither `Read` nor a part of `read:leads`.
#[derive(Clone, Default)]
pub struct Scope {
    text: Box<str>,
    index: Option<HashSet<Box<str>>>,
}

impl Scope {
    /// Reads a space-separated list. Surplus spaces are skipped.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::new(text.split(' ').collect::<Vec<_>>().as_slice())
    }

    /// As [`parse`](Self::parse). A short list without surplus spaces, as nearly all are, is kept as it is.
    pub(crate) fn from_text(text: &str) -> Self {
        // One pass over the text: this is on the path of every token.
        let (mut scopes, mut start, mut is_plain) = (1, 0, true);
        for space in memchr_iter(b' ', text.as_bytes()) {
            is_plain &= space != start;
            scopes += 1;
            start = space + 1;
        }
        is_plain &= start != text.len() && scopes < INDEX_FROM;
        if is_plain { Self { text: text.into(), index: None } } else { Self::parse(text) }
    }

    /// Takes scopes one by one. An entry with a space in it, or an empty one, is no scope and is left out: it must not
    /// turn into two.
    pub(crate) fn new<T: AsRef<str>>(tokens: &[T]) -> Self {
        let scopes = || tokens.iter().map(AsRef::as_ref).filter(|token| !token.is_empty() && !token.contains(' '));
        let mut text = String::with_capacity(scopes().map(|scope| scope.len() + 1).sum());
        for scope in scopes() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(scope);
        }
        let index = (scopes().count() >= INDEX_FROM).then(|| scopes().map(Box::from).collect());
        Self { text: text.into_boxed_str(), index }
    }

    /// Whether a text is one scope: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )` (RFC 6749 §3.3).
    #[must_use]
    pub fn is_token(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    }

    /// Whether this very scope was granted.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        match &self.index {
            Some(index) => index.contains(scope),
            None => self.iter().any(|granted| granted == scope),
        }
    }

    /// The scopes, in the token's order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ').filter(|scope| !scope.is_empty())
    }

    /// The scopes separated by single spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Scope {
    /// How much memory the texts take, what the allocator adds aside.
    pub(crate) fn memory_bytes(&self) -> usize {
        let index = self.index.iter().flatten().map(|scope| 2 * size_of::<Box<str>>() + scope.len()).sum::<usize>();
        self.text.len() + index
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.text).finish()
    }
}

/// Which scopes a request needs: all of a list, or any one of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScopeRequirement {
    scopes: Box<[Box<str>]>,
    quantity: Quantity,
}

/// How many of a list are needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quantity {
    All,
    Any,
}

impl Quantity {
    pub(crate) fn holds(self, needed: &[Box<str>], has: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::All => needed.iter().all(|one| has(one)),
            Self::Any => needed.iter().any(|one| has(one)),
        }
    }
}

impl ScopeRequirement {
    /// Every one of these scopes.
    ///
    /// # Errors
    ///
    /// When the list is empty, or a scope has characters outside of RFC 6749 §3.3.
    pub fn try_all<T: Into<String>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        Self::new(scopes, Quantity::All)
    }

    /// At least one of these scopes.
    ///
    /// # Errors
    ///
    /// As [`try_all`](Self::try_all).
    pub fn try_any<T: Into<String>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        Self::new(scopes, Quantity::Any)
    }

    /// Whether the granted scopes are enough.
    #[must_use]
    pub fn is_met_by(&self, granted: &Scope) -> bool {
        self.quantity.holds(&self.scopes, |scope| granted.contains(scope))
    }

    fn new<T: Into<String>>(scopes: impl IntoIterator<Item = T>, quantity: Quantity) -> Result<Self, ConfigError> {
        let scopes: Box<[Box<str>]> = scopes.into_iter().map(|scope| scope.into().into_boxed_str()).collect();
        if scopes.is_empty() {
            return Err(ConfigError::new("scopes", "the list is empty; name at least one scope"));
        }
        match scopes.iter().find(|scope| !Scope::is_token(scope)) {
            Some(bad) => {
                let problem = format!("{bad:?} is not one scope (RFC 6749 §3.3); write each scope as its own text");
                Err(ConfigError::new("scopes", problem))
            }
            None => Ok(Self { scopes, quantity }),
        }
    }
}

impl fmt::Display for ScopeRequirement {
    /// The scopes as the challenge's `scope` lists them (RFC 6750 §3).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.scopes.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { " " })?;
            f.write_str(scope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_tokens_are_what_the_grammar_says() {
        for good in ["a", "!", "#", "[", "]", "~", "read:leads", "https://example.com/x"] {
            assert!(Scope::is_token(good), "{good}");
        }
        for bad in ["", " ", "a b", "\"", "\\", "\u{7f}", "\t", "\u{e9}"] {
            assert!(!Scope::is_token(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_text_that_is_kept_reads_as_one_that_is_parsed() {
        let long = vec!["scope"; INDEX_FROM].join(" ");
        for text in ["", " ", "read", "read write", " read", "read ", "read  write", &long] {
            let (kept, parsed) = (Scope::from_text(text), Scope::parse(text));
            assert_eq!(kept.as_str(), parsed.as_str(), "{text:?}");
            assert_eq!(kept.index, parsed.index, "{text:?}");
        }
    }
}
