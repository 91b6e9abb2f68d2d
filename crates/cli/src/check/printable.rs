//! Text from tokens on its way to a terminal: nothing that moves the cursor, changes colours or turns the direction.

use std::fmt::Write as _;

/// One line of text, in which characters that do not print are written as JSON writes them, `\u001b`.
///
/// Control characters, line breaks among them, and those that only format, such as marks of direction.
pub(super) fn line(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if is_printable(character) {
            printable.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(printable, "\\u{unit:04x}");
            }
        }
    }
    printable
}

/// The same, of at most so many characters.
pub(super) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What Rust's own `Debug` of a string prints as it is.
fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~') || (!character.is_ascii() && character.escape_debug().len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_attacks_a_terminal_is_escaped() {
        let hostile = "a\u{1b}[31m\r\n\u{7f}\u{9b}2J\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\"\\é漢😀";
        assert_eq!(
            line(hostile),
            r#"a\u001b[31m\u000d\u000a\u007f\u009b2J\u202e\u2066\u200b\ufeff\udb40\udc41"\é漢😀"#
        );
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let value = serde_json::Value::from("\u{202e}\u{e0041}\u{9b}\n");
        let escaped = line(&value.to_string());
        assert!(escaped.is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("ééé", 3), "ééé");
        assert_eq!(cut("éééé", 3), "ééé…");
    }
}
