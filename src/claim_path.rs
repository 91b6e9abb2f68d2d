//! Where a claim is.

use std::sync::Arc;

/// Where a claim is: the names from the outermost member inwards.
///
/// A string is one name, whatever characters it contains (`"https://example.com/roles"`); an array is a path
/// (`["realm_access", "roles"]`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimPath(Arc<[Box<str>]>);

impl ClaimPath {
    pub(crate) const fn names(&self) -> &Arc<[Box<str>]> {
        &self.0
    }

    /// Whether the path, or a name in it, is empty.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|name| name.is_empty())
    }
}

impl From<&str> for ClaimPath {
    fn from(name: &str) -> Self {
        Self([name.into()].into())
    }
}

impl<T: AsRef<str>, const N: usize> From<[T; N]> for ClaimPath {
    fn from(names: [T; N]) -> Self {
        Self(names.iter().map(|name| name.as_ref().into()).collect())
    }
}
