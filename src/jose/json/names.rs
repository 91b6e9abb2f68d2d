//! The names of an object's members, to find two that are the same.

use std::borrow::Cow;

/// So many names are compared in another way than more.
pub(super) const FEW: usize = 16;

/// Among few names, as most objects have, only those are compared that agree in a mark of six bits: sorting takes
/// several times as long. Among many that would let a token cost the square of their number.
pub(super) struct Names<'t> {
    names: Vec<Cow<'t, str>>,
    /// Those of the first names.
    marks: u64,
    has_duplicate: bool,
}

impl<'t> Names<'t> {
    pub(super) fn new() -> Self {
        Self { names: Vec::with_capacity(FEW), marks: 0, has_duplicate: false }
    }

    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    #[inline]
    pub(super) fn add(&mut self, name: Cow<'t, str>) {
        if self.names.len() < FEW {
            let mark = mark(&name);
            self.has_duplicate |= self.marks & mark != 0 && self.names.contains(&name);
            self.marks |= mark;
        }
        self.names.push(name);
    }

    pub(super) fn has_duplicate(mut self) -> bool {
        if self.names.len() > FEW {
            self.names.sort_unstable();
            return self.names.windows(2).any(|pair| matches!(pair, [one, other] if one == other));
        }
        self.has_duplicate
    }
}

/// One bit of a word, by the length of a name and its first and last letter. With these factors no two claims of the
/// tokens of seven well-known providers agree in it.
fn mark(name: &str) -> u64 {
    let (Some(first), Some(last)) = (name.as_bytes().first(), name.as_bytes().last()) else { return 1 };
    let sum = usize::from(*first) + usize::from(*last) * 7 + name.len() * 51;
    1 << (sum % 64)
}
