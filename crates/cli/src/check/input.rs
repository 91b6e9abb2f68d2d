//! Tokens and requests as they come: one a line, however long the line is, and what belongs together over several lines.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::presented::Presented;
use super::request_head::RequestHead;
use super::signature;

/// How much of one line is kept. Tokens that are larger than any server accepts are refused by what is kept.
const MAX_LINE_BYTES: usize = 2 * 1024 * 1024;

/// Over how many lines a token or a JSON object may go.
const MAX_LINES: usize = 500;

/// One token, or one request.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from one; none for a token from the command line.
    pub(super) number: Option<u64>,
    pub(super) presented: Presented,
    pub(super) notes: Vec<String>,
}

impl Line {
    pub(super) fn of_argument(token: &str) -> Self {
        Self { number: None, presented: Presented::of_line(token.as_bytes()), notes: Vec::new() }
    }
}

/// The lines of a reader that are not blank. Memory is bounded, whatever comes.
pub(super) struct Lines<R> {
    reader: R,
    read: u64,
    /// Lines that were read ahead.
    ahead: VecDeque<Raw>,
    /// After a request, only further requests count: what else `curl -v` prints is no token.
    has_request: bool,
}

struct Raw {
    number: u64,
    bytes: Vec<u8>,
    is_cut: bool,
    /// It was not the continuation of a line before it, nor will it be the first of several.
    is_alone: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, read: 0, ahead: VecDeque::new(), has_request: false }
    }

    fn next_raw(&mut self) -> io::Result<Option<Raw>> {
        match self.ahead.pop_front() {
            Some(raw) => Ok(Some(raw)),
            None => self.read(),
        }
    }

    /// The next line of the reader, up to the cap; none at the end.
    fn read(&mut self) -> io::Result<Option<Raw>> {
        let (mut bytes, mut is_cut, mut has_read) = (Vec::new(), false, false);
        loop {
            let buffer = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() && !has_read {
                return Ok(None);
            }
            has_read = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            let kept = part.get(..part.len().min(MAX_LINE_BYTES - bytes.len())).unwrap_or_default();
            is_cut |= kept.len() < part.len();
            bytes.extend_from_slice(kept);
            let (used, is_end) = (part.len() + usize::from(end.is_some()), end.is_some() || buffer.is_empty());
            self.reader.consume(used);
            if is_end {
                self.read += 1;
                return Ok(Some(Raw { number: self.read, bytes, is_cut, is_alone: false }));
            }
        }
    }

    fn line(&mut self, first: Raw) -> io::Result<Option<Line>> {
        let number = Some(first.number);
        if let Some(mut head) = RequestHead::begin(&first.bytes) {
            self.has_request = true;
            while let Some(raw) = self.next_raw()? {
                if !head.take(&raw.bytes) {
                    break;
                }
            }
            return Ok(Some(Line { number, presented: head.end(), notes: Vec::new() }));
        }
        // What `curl -v` says of the connection.
        let is_of_curl = first.bytes.starts_with(b"* ") && !contains(&first.bytes, b"eyJ");
        if self.has_request || is_of_curl {
            return Ok(None);
        }
        let (joined, is_cut) = match first.bytes.trim_ascii() {
            _ if first.is_alone => (None, first.is_cut),
            text if text.starts_with(b"{") => (self.join(&first, |text, _| is_json(text))?, first.is_cut),
            text if is_incomplete(text) => (self.join(&first, is_token)?, first.is_cut),
            _ => (None, first.is_cut),
        };
        let mut notes = Vec::new();
        if is_cut {
            notes.push(format!("only the first {MAX_LINE_BYTES} bytes of the line were read"));
        }
        let Some((text, last)) = joined else {
            return Ok(Some(Line { number, presented: Presented::of_line(&first.bytes), notes }));
        };
        if !text.starts_with(b"{") {
            notes.push(format!(
                "The token was wrapped over lines {} to {last} and is checked here as one. A field cannot have a line \
                 break: if the client reads it like this from a file, join the lines there (`tr -d '\\n'`).",
                first.number
            ));
        }
        Ok(Some(Line { number, presented: Presented::of_line(&text), notes }))
    }

    /// Joins the line with those that follow, as long as `is_whole` cannot tell. If they do not belong together, they
    /// are as if they were not read yet; but those that could have been a continuation are not joined again, so that
    /// each line is read ahead once.
    fn join(
        &mut self,
        first: &Raw,
        is_whole: impl Fn(&[u8], &[usize]) -> Option<bool>,
    ) -> io::Result<Option<(Vec<u8>, u64)>> {
        let (first_text, mut read) = (first.bytes.trim_ascii(), first.bytes.len());
        let (mut joined, mut lengths, mut taken) = (first_text.to_vec(), vec![first_text.len()], Vec::new());
        let stopped_by_last = loop {
            match is_whole(&joined, &lengths) {
                Some(true) if taken.is_empty() => return Ok(None),
                Some(true) => return Ok(taken.last().map(|last: &Raw| (joined, last.number))),
                None if taken.len() < MAX_LINES && read < MAX_LINE_BYTES => {}
                refused => break refused.is_some(),
            }
            let Some(raw) = self.next_raw()? else { break false };
            read += raw.bytes.len();
            joined.extend_from_slice(raw.bytes.trim_ascii());
            lengths.push(raw.bytes.trim_ascii().len());
            taken.push(raw);
        };
        for (place, raw) in taken.into_iter().rev().enumerate() {
            self.ahead.push_front(Raw { is_alone: raw.is_alone || place > 0 || !stopped_by_last, ..raw });
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let raw = match self.next_raw() {
                Ok(raw) => raw?,
                Err(error) => return Some(Err(error)),
            };
            if raw.bytes.trim_ascii().is_empty() {
                continue;
            }
            match self.line(raw).transpose() {
                Some(line) => return Some(line),
                None => continue,
            }
        }
    }
}

/// `None` as long as the text breaks off.
fn is_json(text: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        Ok(_) => Some(true),
        Err(error) => (!error.is_eof()).then_some(false),
    }
}

/// The beginning of a JWT that goes on in the next line.
fn is_incomplete(line: &[u8]) -> bool {
    let Some(text) = jwt_text(line) else { return false };
    text.bytes().filter(|byte| *byte == b'.').count() < 2 || signature::shortage(text).is_some()
}

/// Whether lines of these lengths are one token. All but the last are equally long, since a program broke them.
fn is_token(joined: &[u8], lengths: &[usize]) -> Option<bool> {
    let (last, others) = lengths.split_last()?;
    let width = *lengths.first()?;
    let is_even = others.iter().all(|length| *length == width) && *last > 0 && *last <= width;
    // Another token begins in that line, unless a part of this one does. Without this check, many cut tokens of the same
    // length would each be joined with all that follow.
    let (before, line) = joined.split_at_checked(joined.len() - last)?;
    let is_next = line.starts_with(b"eyJ") && !before.is_empty() && !before.ends_with(b".");
    let Some(text) = jwt_text(joined).filter(|_| is_even && !is_next) else { return Some(false) };
    match text.bytes().filter(|byte| *byte == b'.').count() {
        2 if signature::shortage(text).is_none() => Some(true),
        0..=2 => (*last < width).then_some(false),
        _ => Some(false),
    }
}

/// The text without `Bearer`, if it begins like a JWT and has only its characters.
fn jwt_text(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.get(text.find("eyJ")?..)?;
    let prefix = line.get(..line.len() - text.len())?;
    let is_bearer = prefix.is_empty() || prefix.to_ascii_lowercase().ends_with(b"bearer ");
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    (is_bearer && is_plain).then_some(text)
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// The number and the token of each line, and whether there is a note.
    fn tokens(input: &[u8]) -> Vec<(u64, String, bool)> {
        let read = |line: io::Result<Line>| {
            let line = line.unwrap();
            (line.number.unwrap(), String::from_utf8(line.presented.token).unwrap(), !line.notes.is_empty())
        };
        Lines::new(input).map(read).collect()
    }

    fn jwt() -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(r#"{"alg":"ES256"}"#), part(&r#"{"sub":"a"}"#.repeat(5)), part(&"s".repeat(64)))
    }

    /// As `fold -w` breaks it.
    fn wrapped(text: &str, width: usize) -> String {
        let lines: Vec<_> = text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        lines.join("\r\n") + "\n"
    }

    #[test]
    fn lines_are_counted_and_blank_ones_left_out() {
        let expected = [(1, "a.b.c".to_owned(), false), (4, "d e".to_owned(), false)];
        assert_eq!(tokens(b"a.b.c\r\n\n \t \n  d e \n\n"), expected);
        assert_eq!(tokens(b""), []);
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

    #[test]
    fn a_wrapped_token_is_one() {
        let token = jwt();
        for width in [20, 21, 22, 60, 64, 76, token.len() - 1] {
            for prefix in ["", "Bearer ", "Authorization: Bearer "] {
                let wrapped = wrapped(&format!("{prefix}{token}"), width.max(prefix.len() + 3));
                let read = tokens(format!("{wrapped}opaque\n").as_bytes());
                let expected = [token.clone(), "opaque".to_owned()];
                assert_eq!(read.iter().map(|it| it.1.clone()).collect::<Vec<_>>(), expected, "{width} {prefix}");
                assert!(read[0].2, "a note says so");
            }
        }
    }

    #[test]
    fn tokens_of_one_line_each_are_not_joined() {
        let (token, cut) = (jwt(), jwt()[..60].to_owned());
        for lines in [
            vec![token.clone(), "opaque".into(), token.clone()],
            vec![cut.clone(), token.clone()],
            vec![cut.clone(), cut.clone()],
            vec![cut.clone(), "a b".into(), String::from("{"), token.clone()],
            vec![String::from("{"), token.clone(), token],
        ] {
            let read: Vec<_> = tokens(lines.join("\n").as_bytes()).into_iter().map(|it| it.1).collect();
            assert_eq!(read, lines);
        }
    }

    /// Lines that go on and on as one token or object would: each is read ahead once, or this takes minutes.
    #[test]
    fn no_line_is_read_ahead_again_and_again() {
        let cut = jwt()[..60].to_owned();
        for line in [&*cut, "{", "{\"a\":", "{\"a", &format!("{{\"{}", "a".repeat(1_000))] {
            let count = 20_000;
            let input = format!("{line}\n").repeat(count);
            let mut lines = Lines::new(input.as_bytes());
            let mut read = 0;
            while let Some(line) = lines.next().transpose().unwrap() {
                read += 1;
                assert_eq!(line.number, Some(read));
                assert!(lines.ahead.len() <= MAX_LINES, "{}", lines.ahead.len());
            }
            assert_eq!(usize::try_from(read).unwrap(), count);
        }
    }

    #[test]
    fn a_json_object_over_several_lines_is_one() {
        let read = tokens(b"{\n  \"access_token\": \"a\",\n  \"expires_in\": 1\n}\nb\n");
        assert_eq!(read[0].1, r#"{"access_token": "a","expires_in": 1}"#);
        assert_eq!((read.len(), read[1].0, read[1].1.as_str()), (2, 5, "b"));
    }

    #[test]
    fn what_curl_prints_besides_requests_is_no_token() {
        let read = tokens(
            b"* Connected to api\n> GET / HTTP/1.1\r\n> Host: api\r\n> Authorization: Bearer a.b.c\r\n>\r\n\
              * Request completely sent off\n< HTTP/1.1 401 Unauthorized\n<\n{\"error\":1}\n\
              > GET /again HTTP/1.1\n> Host: api\n",
        );
        assert_eq!(read, [(2, "a.b.c".to_owned(), false), (10, String::new(), false)]);
    }
}
