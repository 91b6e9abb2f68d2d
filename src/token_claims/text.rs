//! A claim's text, where it stands in the payload.

use std::borrow::Cow;
use std::ops::Range;

/// A text that a payload has: usually a part of it, and a copy only where something in it was escaped. So a token needs
/// no memory for what its payload says already.
pub(super) enum ClaimText {
    Part(Range<usize>),
    Unescaped(Box<str>),
}

impl ClaimText {
    /// Takes a text that was read from this payload.
    pub(super) fn new(text: Cow<'_, str>, payload: &[u8]) -> Self {
        let text = match text {
            Cow::Owned(text) => return Self::Unescaped(text.into()),
            Cow::Borrowed(text) => text,
        };
        let start = text.as_ptr().addr().checked_sub(payload.as_ptr().addr());
        let part = start.map(|start| start..start + text.len());
        match part.filter(|part| payload.get(part.clone()).is_some_and(|found| found.as_ptr() == text.as_ptr())) {
            Some(part) => Self::Part(part),
            None => Self::Unescaped(text.into()),
        }
    }

    /// The text. The payload must be the one that it was taken from.
    pub(super) fn of<'p>(&'p self, payload: &'p [u8]) -> &'p str {
        match self {
            Self::Part(part) => {
                payload.get(part.clone()).and_then(|part| str::from_utf8(part).ok()).unwrap_or_default()
            }
            Self::Unescaped(text) => text,
        }
    }

    /// How much memory it takes beside the payload.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Part(_) => 0,
            Self::Unescaped(text) => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_wherever_it_stands() {
        let payload = "{\"sub\":\"alice\"}";
        let part = ClaimText::new(Cow::Borrowed(&payload[8..13]), payload.as_bytes());
        assert!(matches!(&part, ClaimText::Part(part) if *part == (8..13)));
        assert_eq!((part.of(payload.as_bytes()), part.memory_bytes()), ("alice", 0));

        for elsewhere in [Cow::Borrowed("alice"), Cow::Owned(String::from("alice"))] {
            let copy = ClaimText::new(elsewhere, payload.as_bytes());
            assert_eq!((copy.of(payload.as_bytes()), copy.memory_bytes()), ("alice", 5));
        }
        assert_eq!(part.of(b"{}"), "", "another payload");
    }
}
