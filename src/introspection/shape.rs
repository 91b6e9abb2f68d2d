//! How an issuer recognizes its own tokens before any call.

use std::sync::Arc;

/// What the tokens of one issuer look like. Without any shape, any token may be its own.
#[derive(Clone, Default)]
pub(crate) struct Shapes(Vec<Shape>);

#[derive(Clone)]
enum Shape {
    Prefix(Box<str>),
    Predicate(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Shapes {
    pub(super) fn add_prefix(&mut self, prefix: String) {
        self.0.push(Shape::Prefix(prefix.into()));
    }

    pub(super) fn add_predicate(&mut self, predicate: impl Fn(&str) -> bool + Send + Sync + 'static) {
        self.0.push(Shape::Predicate(Arc::new(predicate)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an opaque token is this issuer's.
    pub(crate) fn fit(&self, token: &str) -> bool {
        self.is_empty()
            || self.0.iter().any(|shape| match shape {
                Shape::Prefix(prefix) => token.starts_with(&**prefix),
                Shape::Predicate(is_ours) => is_ours(token),
            })
    }

    /// Whether an encrypted token (RFC 7516) is this issuer's: only a predicate can say so.
    pub(crate) fn fit_encrypted(&self, token: &str) -> bool {
        self.0.iter().any(|shape| matches!(shape, Shape::Predicate(is_ours) if is_ours(token)))
    }

    /// Whether a prefix is empty, and so fits every token.
    pub(super) fn has_empty_prefix(&self) -> bool {
        self.prefixes().any(str::is_empty)
    }

    /// A prefix of each, if the same token can begin with both.
    pub(crate) fn overlap<'a>(&'a self, others: &'a Self) -> Option<(&'a str, &'a str)> {
        let overlap = |ours: &'a str| {
            let of_others = others.prefixes().find(|theirs| ours.starts_with(theirs) || theirs.starts_with(ours));
            of_others.map(|theirs| (ours, theirs))
        };
        self.prefixes().find_map(overlap)
    }

    fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|shape| match shape {
            Shape::Prefix(prefix) => Some(&**prefix),
            Shape::Predicate(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(prefixes: &[&str]) -> Shapes {
        let mut shapes = Shapes::default();
        prefixes.iter().for_each(|prefix| shapes.add_prefix(prefix.to_string()));
        shapes
    }

    #[test]
    fn n07_prefixes_overlap_when_one_begins_with_the_other() {
        for (ours, theirs, overlap) in [
            (&["ory_at_"][..], &["gho_"][..], false),
            (&["ory_at_"], &["ory_"], true),
            (&["ory_"], &["ory_at_"], true),
            (&["a", "b"], &["c", "b"], true),
            (&["a_"], &["b_"], false),
            (&[], &["a"], false),
        ] {
            assert_eq!(prefixes(ours).overlap(&prefixes(theirs)).is_some(), overlap, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn n07_an_encrypted_token_is_claimed_by_a_predicate_only() {
        let mut shapes = prefixes(&["eyJ"]);
        assert!(shapes.fit("eyJ.a.b.c.d") && !shapes.fit_encrypted("eyJ.a.b.c.d"));
        shapes.add_predicate(|token| token.ends_with(".d"));
        assert!(shapes.fit_encrypted("eyJ.a.b.c.d") && !shapes.fit_encrypted("eyJ.a.b.c.e"));
        assert!(Shapes::default().fit("x") && !Shapes::default().fit_encrypted("x"));
    }
}
