//! Tokens as they come: one a line, however long the line is.

use std::io::{self, BufRead};

/// How much of one line is kept. Tokens that are larger than any server accepts are refused by what is kept.
const MAX_LINE_BYTES: usize = 2 * 1024 * 1024;

/// One line with a token.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from one; none for a token from the command line.
    pub(super) number: Option<u64>,
    /// What stands for the token, without the scheme.
    pub(super) token: Vec<u8>,
    /// What was taken off, or other things worth saying about the line.
    pub(super) note: Option<String>,
}

impl Line {
    pub(super) fn of_argument(token: &str) -> Self {
        Self::new(None, token.as_bytes(), false)
    }

    fn new(number: Option<u64>, line: &[u8], is_cut: bool) -> Self {
        let trimmed = line.trim_ascii();
        let rest = strip_ignoring_case(trimmed, b"authorization:").map_or(trimmed, <[u8]>::trim_ascii_start);
        let (token, has_scheme) = match strip_ignoring_case(rest, b"bearer") {
            Some(token) if token.is_empty() || token.starts_with(b" ") => (token.trim_ascii_start(), true),
            _ => (rest, false),
        };
        let note = if is_cut {
            Some(format!("only the first {MAX_LINE_BYTES} bytes of the line were read"))
        } else {
            has_scheme.then(|| "`Bearer` in front of the token was left out".to_owned())
        };
        Self { number, token: token.to_vec(), note }
    }
}

/// The lines of a reader that are not blank. Memory is bounded, whatever comes.
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, number: 0 }
    }

    /// The next line, up to the cap; none at the end.
    fn read(&mut self) -> io::Result<Option<(Vec<u8>, bool)>> {
        let (mut line, mut is_cut, mut has_read) = (Vec::new(), false, false);
        loop {
            let buffer = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                return Ok(has_read.then_some((line, is_cut)));
            }
            has_read = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            let kept = part.get(..part.len().min(MAX_LINE_BYTES - line.len())).unwrap_or_default();
            is_cut |= kept.len() < part.len();
            line.extend_from_slice(kept);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some((line, is_cut)));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, is_cut) = match self.read() {
                Ok(line) => line?,
                Err(error) => return Some(Err(error)),
            };
            self.number += 1;
            if !line.trim_ascii().is_empty() {
                return Some(Ok(Line::new(Some(self.number), &line, is_cut)));
            }
        }
    }
}

fn strip_ignoring_case<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: &[u8]) -> Vec<(u64, String, bool)> {
        let read = |line: io::Result<Line>| {
            let line = line.unwrap();
            (line.number.unwrap(), String::from_utf8(line.token).unwrap(), line.note.is_some())
        };
        Lines::new(input).map(read).collect()
    }

    #[test]
    fn lines_are_counted_and_blank_ones_left_out() {
        let expected = [(1, "a.b.c".to_owned(), false), (4, "d e".to_owned(), false)];
        assert_eq!(tokens(b"a.b.c\r\n\n \t \n  d e \n\n"), expected);
        assert_eq!(tokens(b""), []);
    }

    #[test]
    fn the_scheme_is_left_out_with_a_note() {
        for line in ["Bearer a.b.c", "bearer  a.b.c", "Authorization: Bearer a.b.c", "authorization:bearer a.b.c"] {
            assert_eq!(tokens(line.as_bytes()), [(1, "a.b.c".to_owned(), true)], "{line}");
        }
        assert_eq!(tokens(b"Bearer"), [(1, String::new(), true)]);
        assert_eq!(tokens(b"bearera.b.c"), [(1, "bearera.b.c".to_owned(), false)]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        for (length, is_cut) in [(MAX_LINE_BYTES, false), (MAX_LINE_BYTES + 1, true)] {
            let mut input = vec![b'a'; length];
            input.extend_from_slice(b"\nb");
            let read = tokens(&input);
            assert_eq!(
                read.iter().map(|line| (line.1.len(), line.2)).collect::<Vec<_>>(),
                [(MAX_LINE_BYTES, is_cut), (1, false)]
            );
        }
    }
}
