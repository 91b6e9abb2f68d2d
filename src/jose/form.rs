//! What kind of token a text is, by its first part alone.

use super::base64url;
use super::header::MAX_HEADER_MEMBERS;
use super::json::{Members, Value, WalkError, walk_object};
use crate::error::JsonFault;

/// What kind of token a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenForm {
    /// Its first part is not a header: a JSON object with `alg` in base64url. Only its issuer can read it.
    Opaque,
    /// A header and four more parts (RFC 7516 §7.1).
    Encrypted,
    /// Anything else with a header: a signed token, well-formed or not.
    Signed,
}

impl TokenForm {
    /// What has a header that is merely refused is not opaque, such as one with a repeated parameter, or in base64 with
    /// padding: it is a token of some issuer, and not for others to see.
    pub(crate) fn of(token: &[u8]) -> Self {
        let first = token.split(|byte| *byte == b'.').next().unwrap_or_default();
        if !base64url::decode(&as_base64url(first)).is_ok_and(|json| is_header(&json)) {
            return Self::Opaque;
        }
        if token.iter().filter(|byte| **byte == b'.').count() == 4 { Self::Encrypted } else { Self::Signed }
    }
}

/// The text in the alphabet and form of base64url (RFC 4648 §5), if it is in another of base64.
fn as_base64url(text: &[u8]) -> Vec<u8> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let unpadded = text.iter().take(end);
    unpadded
        .map(|byte| {
            if *byte == b'+' {
                b'-'
            } else if *byte == b'/' {
                b'_'
            } else {
                *byte
            }
        })
        .collect()
}

fn is_header(json: &[u8]) -> bool {
    let mut algorithm = HasAlgorithm(false);
    match walk_object(json, MAX_HEADER_MEMBERS, &mut algorithm) {
        Ok(()) | Err(WalkError::Json(JsonFault::Duplicate) | WalkError::WrongType) => algorithm.0,
        Err(WalkError::Json(JsonFault::Invalid)) => false,
        // It is JSON, and was not read to its end.
        Err(WalkError::Json(_)) => true,
    }
}

struct HasAlgorithm(bool);

impl<'t> Members<'t> for HasAlgorithm {
    fn read(&mut self, name: &str, _: &mut Value<'_, 't>) -> Result<bool, WalkError> {
        self.0 |= name == "alg";
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(header: &str, rest: &str) -> TokenForm {
        TokenForm::of(format!("{}{rest}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(header)).as_bytes())
    }

    #[test]
    fn n07_a_token_is_opaque_unless_it_begins_with_a_header() {
        for header in [
            r#"{"alg":"RS256"}"#,
            r#"{"alg":1}"#,
            r#"{"alg":"none","alg":"RS256"}"#,
            r#" {"kid":"a", "\u0061lg":null} "#,
            r#"{"a":1e400}"#,
        ] {
            for rest in ["", ".", ".e30", ".e30.AA", "..", ".a.b.c.d.e"] {
                assert_eq!(with_header(header, rest), TokenForm::Signed, "{header} {rest}");
            }
            assert_eq!(with_header(header, ".a.b.c.d"), TokenForm::Encrypted, "{header}");
        }
        for header in ["{}", r#"{"typ":"JWT"}"#, r#"{"typ":"JWT","typ":"JWT"}"#, r#"["alg"]"#, "null", "alg", "{alg}"] {
            assert_eq!(with_header(header, ".e30.AA"), TokenForm::Opaque, "{header}");
        }
        for token in ["", ".", "..", "=", "ory_at_x.y", "4f1g0p", "eyJ", "eyJ0eXAiOiJKV1QifQ==.e30.AA"] {
            assert_eq!(TokenForm::of(token.as_bytes()), TokenForm::Opaque, "{token}");
        }
        let other_alphabet = base64_simd::STANDARD.encode_to_string(r#"{"alg":"RS256","kid":"?>?>"}"#);
        assert!(other_alphabet.contains(['+', '/']));
        for header in ["eyJhbGciOiJub25lIn0=", "eyJhbGciOiJub25lIn0==", &other_alphabet] {
            assert_eq!(TokenForm::of(format!("{header}.e30.AA").as_bytes()), TokenForm::Signed, "{header}");
        }
    }
}
