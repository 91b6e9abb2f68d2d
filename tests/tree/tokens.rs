//! Splits Rust source into tokens, well enough to read names, paths and attributes without comments and literals.

/// The words that items begin with; anything else is a statement, field, variant or arm.
const ITEM_KEYWORDS: [&str; 16] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro_rules",
    "mod",
    "pub",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "unsafe",
    "use",
];

/// A word, `::`, another single character, or `"` in place of a string or character literal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// The tokens of a file. Comments and lifetimes are left out; `r#type` is the word `type`.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, text) = if let Some(length) = comment_length(rest) {
            (length, None)
        } else if let Some(length) = literal_length(rest) {
            (length, Some("\""))
        } else if first == '\'' {
            (1 + word_length(&rest[1..]), None)
        } else if rest.starts_with("r#") {
            (2, None)
        } else if is_of_word(first) {
            let length = word_length(rest);
            (length, Some(&rest[..length]))
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            (length, (!first.is_whitespace()).then(|| &rest[..length]))
        };
        found.extend(text.map(|text| Token { text, line }));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// The tokens that are compiled outside of tests: all but the items under `#[cfg(test)]`.
pub(crate) fn outside_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        // `#![cfg(test)]` applies to the whole file.
        if starts_with(rest, &["#", "!"]) && is_for_tests(&rest[2..]) {
            break;
        }
        if first.text == "#" && is_for_tests(&rest[1..]) {
            rest = &rest[1 + group_length(&rest[1..])..];
            rest = &rest[item_length(rest)..];
        } else {
            kept.push(*first);
            rest = &rest[1..];
        }
    }
    kept
}

pub(crate) fn starts_with(tokens: &[Token<'_>], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

/// The number of tokens from an opening bracket up to and including the one that closes it.
pub(crate) fn group_length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|character| !is_of_word(character)).unwrap_or(text.len())
}

fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let mut rest = text.strip_prefix("/*")?;
    let mut depth = 1;
    while depth > 0 && !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, after);
        } else if let Some(after) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, after);
        } else {
            rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
        }
    }
    Some(text.len() - rest.len())
}

/// The length of a string literal of any kind, or of a character literal; none for a lifetime.
fn literal_length(text: &str) -> Option<usize> {
    let unprefixed = text.trim_start_matches(['b', 'c']);
    if text.len() - unprefixed.len() > 1 {
        return None;
    }
    let rest = if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let content = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", &raw[..hashes]);
        content.find(&end).map_or("", |at| &content[at + end.len()..])
    } else if let Some(content) = unprefixed.strip_prefix('"') {
        after_closing(content, '"')
    } else {
        let content = unprefixed.strip_prefix('\'')?;
        let first = content.chars().next()?;
        if first != '\\' && !content[first.len_utf8()..].starts_with('\'') {
            return None;
        }
        after_closing(content, '\'')
    };
    Some(text.len() - rest.len())
}

fn after_closing(content: &str, quote: char) -> &str {
    let mut characters = content.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            break;
        }
    }
    characters.as_str()
}

/// Whether an attribute, from its `[` on, restricts its item to tests: `cfg(test)`, or `cfg(all(…))` with `test`.
fn is_for_tests(attribute: &[Token<'_>]) -> bool {
    fn requires_test(predicate: &[Token<'_>]) -> bool {
        if !starts_with(predicate, &["all", "("]) {
            return predicate.len() == 1 && starts_with(predicate, &["test"]);
        }
        let mut rest = &predicate[2..];
        while !rest.is_empty() {
            let length = rest.iter().position(|token| matches!(token.text, "," | "(" | ")")).unwrap_or(rest.len());
            let has_group = rest.get(length).is_some_and(|token| token.text == "(");
            let end = if has_group { length + group_length(&rest[length..]) } else { length };
            if requires_test(&rest[..end]) {
                return true;
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        false
    }
    starts_with(attribute, &["[", "cfg", "("]) && {
        let length = group_length(&attribute[2..]);
        requires_test(&attribute[3..1 + length])
    }
}

/// The number of tokens of an item, statement, field or variant, its further attributes included.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let mut at = 0;
    while starts_with(&tokens[at..], &["#"]) {
        at += 1 + group_length(&tokens[at + 1..]);
    }
    let is_item = tokens.get(at).is_some_and(|token| ITEM_KEYWORDS.contains(&token.text));
    if starts_with(&tokens[at..], &["pub"]) {
        at += 1;
        if starts_with(&tokens[at..], &["("]) {
            at += group_length(&tokens[at..]);
        }
    }
    let is_function = tokens.get(at + 1).is_some_and(|next| matches!(next.text, "fn" | "unsafe" | "async" | "extern"));
    let ends_at_semicolon = match tokens.get(at).map(|token| token.text) {
        Some("let" | "static" | "type" | "use") => true,
        Some("const") => !is_function,
        _ => false,
    };
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" => return at + 1,
            "," if !is_item => return at + 1,
            ")" | "]" | "}" => return at,
            "(" | "[" | "{" => {
                at += group_length(&tokens[at..]);
                if token.text == "{" && !ends_at_semicolon {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn words(source: &str) -> String {
    texts(&tokens(source))
}

fn shipped(source: &str) -> String {
    texts(&outside_tests(&tokens(source)))
}

fn texts(tokens: &[Token<'_>]) -> String {
    tokens.iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
}

#[test]
fn comments_and_literals_have_no_words() {
    for (source, expected) in [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ d */ e", "a e"),
        ("//! crate::x\n/// [`y`]\nfn z", "fn z"),
        (r#"x("// a \" b", y)"#, r#"x ( " , y )"#),
        (r##"x(r#"a " b"#, br"\", c"d", b"e\"f", y)"##, r#"x ( " , " , " , " , y )"#),
        (r"x('a', '\'', b'\\', '{', '\u{7b}', y)", r#"x ( " , " , " , " , " , y )"#),
        ("fn f<'a>(x: &'a str) { 'b: loop {} }", "fn f < > ( x : & str ) { : loop { } }"),
        ("r#type::r#fn", "type :: fn"),
        ("crate::a::B", "crate :: a :: B"),
        ("bracket(c, br, r)", "bracket ( c , br , r )"),
        ("unfinished \"a b", "unfinished \""),
        ("unfinished /* a b", "unfinished"),
    ] {
        assert_eq!(words(source), expected, "{source}");
    }
}

#[test]
fn lines_are_counted_through_literals_and_comments() {
    let lines: Vec<_> =
        tokens("a\n/* \n */ b \"\n\n\" c\n// d\ne").iter().map(|token| (token.text, token.line)).collect();
    assert_eq!(lines, [("a", 1), ("b", 3), ("\"", 3), ("c", 5), ("e", 7)]);
}

#[test]
fn items_for_tests_only_are_left_out() {
    for (source, expected) in [
        ("a #[cfg(test)] mod tests { use x::{y, z}; fn f() {} } b", "a b"),
        ("a #[cfg(test)] mod tests; b", "a b"),
        ("a #[cfg(test)] #[allow(dead_code)] pub(crate) fn f<A, B>(a: A) -> B { c } b", "a b"),
        ("a #[cfg(test)] use x::{y, z}; b", "a b"),
        ("a #[cfg(test)] const X: Y = Y { z: 1 }; b", "a b"),
        ("a #[cfg(test)] const fn x() { z } b", "a b"),
        ("a #[cfg(test)] struct X(Y); b", "a b"),
        ("a { #[cfg(test)] field: X, other: Y }", "a { other : Y }"),
        ("a { #[cfg(test)] field: X }", "a { }"),
        ("a { #[cfg(test)] let x = Y { z }; b }", "a { b }"),
        ("a #[cfg(all(unix, test))] fn f() {} b", "a b"),
        ("a #[cfg(all(any(x, y), all(test)))] fn f() {} b", "a b"),
        ("a #![cfg(test)] b", "a"),
    ] {
        assert_eq!(shipped(source), expected, "{source}");
    }
    for kept in ["#[cfg(not(test))] fn f() {}", "#[cfg(any(test, x))] use y;", "#[cfg(all(not(test), x))] use y;"] {
        assert_eq!(shipped(kept), words(kept));
    }
    assert_eq!(shipped("#[test] fn f() {}"), words("#[test] fn f() {}"));
}
