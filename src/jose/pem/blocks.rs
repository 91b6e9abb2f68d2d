//! The blocks of a PEM text (RFC 7468 §2), parsed even more leniently than its §3 suggests: text that has been through
//! an environment variable, a Kubernetes secret or a web form has often lost its line breaks, or has them as `\n`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One block: its label, and its content or why that cannot be read.
pub(super) struct Block<'t> {
    pub(super) label: &'t str,
    pub(super) content: Result<Vec<u8>, &'static str>,
}

/// The blocks in order. Text before, between and after them is ignored (RFC 7468 §2).
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (block, after) = block(after);
        blocks.push(block);
        rest = after;
    }
    blocks
}

/// Parses the text after `-----BEGIN `. Returns the block and the rest of the text.
fn block(text: &str) -> (Block<'_>, &str) {
    let broken = |label, problem, rest| (Block { label, content: Err(problem) }, rest);
    let label_and_body = text.split_once(DASHES).filter(|(label, _)| !label.contains(['\n', '\r']));
    let Some((label, body)) = label_and_body else {
        return broken("", "its BEGIN line does not end in `-----`", text);
    };
    let Some((base64, _)) = body.split_once(DASHES) else {
        return broken(label, "it has no END line", body);
    };
    let end = body.get(base64.len()..).unwrap_or_default();
    let Some(end) = end.strip_prefix(END) else {
        return broken(label, "it has no END line", end);
    };
    match end.strip_prefix(label).and_then(|end| end.strip_prefix(DASHES)) {
        Some(rest) => (Block { label, content: decode(base64) }, rest),
        None => broken(label, "its END line differs from its BEGIN line", end),
    }
}

fn decode(body: &str) -> Result<Vec<u8>, &'static str> {
    let mut base64 = Vec::with_capacity(body.len());
    let mut bytes = body.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t'..=b'\r' => {}
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => base64.push(byte),
            // A line break that a shell, JSON or YAML would have unescaped, once or more often.
            b'\\' => {
                while bytes.next_if_eq(&b'\\').is_some() {}
                if bytes.next_if(|byte| matches!(byte, b'n' | b'r' | b't' | b' ' | b'\n' | b'\r')).is_none() {
                    return Err("it has characters that are not base64");
                }
            }
            b':' => return Err("it has header lines (RFC 1421), which keys do not have (RFC 7468 §2)"),
            _ => return Err("it has characters that are not base64"),
        }
    }
    STANDARD.decode(base64).map_err(|_| "its base64 is cut off or damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(&str, Result<Vec<u8>, &'static str>)> {
        blocks(text).into_iter().map(|block| (block.label, block.content)).collect()
    }

    #[test]
    fn a_block_reads_the_same_however_its_lines_end() {
        let lines = ["-----BEGIN A KEY-----", "AAEC", "AwQF", "-----END A KEY-----", ""];
        for separator in
            ["\n", "\r\n", "\r", "\n\n", "  \n\t", "\\n", "\\r\\n", "\\\\n", "\\\\\\n", " ", "", "\\\n", "\x0b"]
        {
            let text = lines.join(separator);
            assert_eq!(read(&text), [("A KEY", Ok(vec![0, 1, 2, 3, 4, 5]))], "{separator:?}");
            let surrounded = format!("\u{feff}# A comment - with dashes ---\n\"{text}\"\nand more\n{text}\u{e9}");
            assert_eq!(read(&surrounded).len(), 2, "{separator:?}");
        }
    }

    #[test]
    fn a_broken_block_says_what_is_wrong_and_the_next_one_is_read() {
        let good = "-----BEGIN B-----\nAAEC\n-----END B-----\n";
        for (broken, label, problem) in [
            ("-----BEGIN A\nAAEC\n-----END A-----\n", "", "its BEGIN line does not end in `-----`"),
            ("-----BEGIN A-----\nAAEC\n", "A", "it has no END line"),
            ("-----BEGIN A-----\nAAEC\n-----END C-----\n", "A", "its END line differs from its BEGIN line"),
            ("-----BEGIN A-----\nAAEC\n-----END A----\n", "A", "its END line differs from its BEGIN line"),
            ("-----BEGIN A-----\nAAE\n-----END A-----\n", "A", "its base64 is cut off or damaged"),
            ("-----BEGIN A-----\nAA==EC==\n-----END A-----\n", "A", "its base64 is cut off or damaged"),
            ("-----BEGIN A-----\nAAE_\n-----END A-----\n", "A", "it has characters that are not base64"),
            ("-----BEGIN A-----\nAA\\xEC\n-----END A-----\n", "A", "it has characters that are not base64"),
            ("-----BEGIN A-----\nA\u{200b}AEC\n-----END A-----\n", "A", "it has characters that are not base64"),
            (
                "-----BEGIN A-----\nComment: a\n\nAAEC\n-----END A-----\n",
                "A",
                "it has header lines (RFC 1421), which keys do not have (RFC 7468 §2)",
            ),
        ] {
            let expected = [(label, Err(problem)), ("B", Ok(vec![0, 1, 2]))];
            assert_eq!(read(&format!("{broken}{good}")), expected, "{broken}");
            assert_eq!(read(broken), expected[..1], "{broken}");
        }
        assert_eq!(read("no block, -----END A-----"), []);
    }
}
