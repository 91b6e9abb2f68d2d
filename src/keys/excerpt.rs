//! The first characters of a document that is not JSON, for errors and logs: bounded, printable, and without key
//! material.
//!
//! The document comes from the provider's server, so it may be anything: a proxy's page, or a key that was put in the
//! wrong place. JSON is never quoted. A document that only looks like JSON is quoted up to its first value, PEM up to
//! its label, and long words, such as base64, are omitted.

use std::sync::Arc;

/// How many characters are quoted.
const MAX_CHARS: usize = 60;

/// Longer words are omitted unless they are markup.
const MAX_WORD_CHARS: usize = 24;

/// A UTF-8 character has at most four bytes.
const MAX_BYTES: usize = MAX_CHARS * 4;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the document begins, worded as the end of a sentence; `None` for JSON.
pub(super) fn describe(body: &[u8]) -> Option<String> {
    if is_json(body) {
        return None;
    }
    if body.trim_ascii().is_empty() {
        return Some(String::from("is empty"));
    }
    let Some(text) = body.strip_prefix(BYTE_ORDER_MARK) else {
        return Some(format!("begins with {:?}", quotable(body)));
    };
    let mark = "begins with a byte order mark, which JSON must not have (RFC 8259 §8.1)";
    Some(if is_json(text) { mark.to_owned() } else { format!("{mark}, and then {:?}", quotable(text)) })
}

/// At most this many characters of an untrusted text.
pub(crate) fn bounded(text: &str, max_chars: usize) -> Arc<str> {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn quotable(body: &[u8]) -> Arc<str> {
    let body = body.trim_ascii_start();
    let text = String::from_utf8_lossy(body.get(..MAX_BYTES).unwrap_or(body));
    let text = match text.as_bytes() {
        [b'<', ..] => without_long_texts(&text),
        [b'{' | b'[', ..] => without_long_words(&up_to_first_value(&text)),
        _ if text.starts_with("-----BEGIN ") => without_long_words(text.lines().next().unwrap_or_default()),
        _ => without_long_words(&text),
    };
    bounded(&text, MAX_CHARS)
}

/// A value follows a colon or the beginning of an array, and is not itself an object or array.
fn up_to_first_value(text: &str) -> String {
    let mut last = ' ';
    let is_shown = |character: &char| {
        let begins_value = matches!(last, ':' | '[') && !matches!(character, '{' | '[' | ']');
        if character.is_whitespace() {
            return true;
        }
        last = *character;
        !begins_value
    };
    text.chars().take_while(is_shown).collect()
}

/// Markup, without long words outside of its tags.
fn without_long_texts(markup: &str) -> String {
    let parts = markup.split_inclusive('>').map(|part| match part.split_once('<') {
        Some((text, tag)) if text.chars().count() > MAX_WORD_CHARS => format!("{}<{tag}", without_long_words(text)),
        None if part.chars().count() > MAX_WORD_CHARS => without_long_words(part),
        _ => part.to_owned(),
    });
    parts.collect()
}

fn without_long_words(text: &str) -> String {
    let shown = |word: &str| if word.chars().count() > MAX_WORD_CHARS { "…".to_owned() } else { word.to_owned() };
    text.split_whitespace().map(shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j04_what_is_not_json_is_quoted_and_bounded() {
        for (body, expected) in [
            (&b"<!doctype html>\n<html>"[..], r#"begins with "<!doctype html>\n<html>""#),
            (b"404 page not found", r#"begins with "404 page not found""#),
            (b"", "is empty"),
            (b" \r\n", "is empty"),
            (b"\xef\xbb\xbf{}", "begins with a byte order mark, which JSON must not have (RFC 8259 §8.1)"),
            (b"\x1f\x8b\x08\x00", r#"begins with "\u{1f}�\u{8}\0""#),
            ("a\u{202e}b\nERROR forged".as_bytes(), r#"begins with "a\u{202e}b ERROR forged""#),
        ] {
            assert_eq!(describe(body).as_deref(), Some(expected));
        }
        let page = format!("<html>{}", "ä ".repeat(1_000));
        assert_eq!(describe(page.as_bytes()).unwrap().chars().count(), "begins with \"\"".len() + MAX_CHARS + 1);
    }

    #[test]
    fn h12_a_key_in_the_wrong_place_is_not_quoted() {
        let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA";
        let jwk = format!(r#"{{"kty":"oct","k":"{secret}"}}"#);
        for json in [&jwk, &format!("[{jwk}]"), &format!("\"{secret}\""), "7", "null"] {
            assert_eq!(describe(json.as_bytes()), None, "{json}");
        }
        for broken in [
            jwk.trim_end_matches('}').to_owned(),
            format!("{jwk}{jwk}"),
            format!(r#"{{"k":"{secret}"#),
            format!(r#"{{ "k" : "{secret}"#),
            format!("{{k: {secret}"),
            format!("{{'k':'{secret}'}}"),
            format!(r#"["{secret}"#),
            format!("[ {secret}"),
            format!("\u{feff}{{\"k\":\"{secret}"),
            format!("-----BEGIN PRIVATE KEY-----\n{secret}\n"),
            format!("-----BEGIN PRIVATE KEY-----\r\n{}\r\n", &secret[..20]),
            format!("k: {secret}"),
            format!("<key>{secret}</key>"),
            format!("<key>{secret}"),
            secret.to_owned(),
        ] {
            let shown = describe(broken.as_bytes()).unwrap();
            assert!(!shown.contains(&secret[..8]), "{broken}: {shown}");
        }
        assert_eq!(describe(br#"{"keys":[{"kty":"RSA"#).as_deref(), Some(r#"begins with "{\"keys\":[{\"kty\":""#));
    }
}
