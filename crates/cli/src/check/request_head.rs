//! The head of a request, as `curl -v` or a log shows it.

use http::Uri;

use super::presented::{Presented, strip_ignoring_case};

/// How many fields are read. No server accepts more.
const MAX_FIELDS: usize = 500;

/// The head of one request while its lines are read.
#[derive(Debug)]
pub(super) struct RequestHead {
    uri: Uri,
    authorization: Vec<Vec<u8>>,
    other_fields: Vec<String>,
}

impl RequestHead {
    /// Begins with a request line (RFC 9112 §3), which `curl -v` marks with `>`.
    pub(super) fn begin(line: &[u8]) -> Option<Self> {
        let mut words = unmarked(line).split(|byte| *byte == b' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let is_method = !method.is_empty() && method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
        if !is_method || !version.starts_with(b"HTTP/") || words.next().is_some() {
            return None;
        }
        let uri = Uri::try_from(target).unwrap_or_default();
        Some(Self { uri, authorization: Vec::new(), other_fields: Vec::new() })
    }

    /// Takes the next line. False at the end of the head.
    pub(super) fn take(&mut self, line: &[u8]) -> bool {
        let line = unmarked(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        if self.authorization.len() + self.other_fields.len() == MAX_FIELDS {
            return false;
        }
        match strip_ignoring_case(line, b"authorization:") {
            Some(value) => self.authorization.push(value.trim_ascii().to_vec()),
            None => {
                let name = String::from_utf8_lossy(line.get(..colon).unwrap_or_default()).into_owned();
                self.other_fields.push(name);
            }
        }
        true
    }

    pub(super) fn end(self) -> Presented {
        Presented { uri: self.uri, other_fields: Some(self.other_fields), ..Presented::of_fields(self.authorization) }
    }
}

fn unmarked(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    line.strip_prefix(b">").map_or(line, <[u8]>::trim_ascii_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_begins_a_head_and_a_token_does_not() {
        for line in ["GET /leads HTTP/1.1", "> POST /a?b=c HTTP/2", "M-SEARCH * HTTP/1.0"] {
            assert!(RequestHead::begin(line.as_bytes()).is_some(), "{line}");
        }
        for line in ["", "a.b.c", "GET /leads", "get / HTTP/1.1", "HTTP/1.1 401 Unauthorized", "Bearer a HTTP/1.1"] {
            assert!(RequestHead::begin(line.as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn fields_are_read_up_to_the_blank_line() {
        let mut head = RequestHead::begin(b"> GET /a?access_token=x HTTP/1.1\r").unwrap();
        for line in ["> Host: api", "> AUTHORIZATION:  Basic YTpi ", "> authorization: Bearer a", "> X-A: b: c"] {
            assert!(head.take(line.as_bytes()), "{line}");
        }
        assert!(!head.take(b">"));
        let presented = head.end();
        assert_eq!(presented.authorization, [b"Basic YTpi".to_vec(), b"Bearer a".to_vec()]);
        assert_eq!(presented.other_fields, Some(vec!["Host".into(), "X-A".into()]));
        assert_eq!(presented.uri.query(), Some("access_token=x"));
    }
}
