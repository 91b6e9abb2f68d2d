//! `tests/README.md` explains every id that a test name carries.

use std::collections::BTreeSet;

use crate::files::{Files, in_memory, rust_files};
use crate::tokens::{Token, group_length, starts_with, tokens};

const README: &str = include_str!("../README.md");

/// Words in test names that look like ids and are not.
const OTHER_NAMES: [&str; 15] =
    ["b64", "f32", "f64", "h2", "h3", "i16", "i32", "i64", "p256", "p384", "p521", "s256", "u16", "u32", "u64"];

#[test]
fn every_id_in_a_test_name_is_explained() {
    let explained = explained(README).unwrap_or_else(|problem| panic!("tests/README.md: {problem}"));
    let files = rust_files();
    let unexplained = unexplained(&files, &explained);
    let names: usize = files.values().map(|text| test_names(&tokens(text)).len()).sum();
    assert!(names > 500, "only {names} tests were found");
    assert!(unexplained.is_empty(), "not in tests/README.md:\n{}", unexplained.join("\n"));
}

/// The tests whose names carry ids that are not among these.
fn unexplained(files: &Files, explained: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for name in test_names(&tokens(text)) {
            let unknown = ids(name.text, explained).filter(|id| !explained.contains(*id));
            found.extend(unknown.map(|id| format!("{path}:{}: `{id}` in {}", name.line, name.text)));
        }
    }
    found
}

/// The names of functions with an attribute such as `#[test]` or `#[tokio::test(…)]`, also inside macro calls, and the
/// names of modules, which are part of a test's full name.
fn test_names<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut found = Vec::new();
    let mut is_test = false;
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        let length = if starts_with(rest, &["#", "["]) {
            let length = 1 + group_length(&rest[1..]);
            is_test |= is_test_attribute(&rest[2..length - 1]);
            length
        } else {
            match (first.text, rest.get(1)) {
                ("fn", Some(name)) if std::mem::take(&mut is_test) => found.push(*name),
                ("mod", Some(name)) => found.push(*name),
                // The attribute belonged to another item.
                ("{" | "}" | ";", _) => is_test = false,
                _ => {}
            }
            1
        };
        rest = &rest[length..];
    }
    found
}

fn is_test_attribute(attribute: &[Token<'_>]) -> bool {
    let names_test = |tokens: &[Token<'_>]| {
        let path = tokens.iter().take_while(|token| !matches!(token.text, "(" | "=" | "," | ")"));
        path.last().is_some_and(|last| last.text.ends_with("test"))
    };
    if starts_with(attribute, &["cfg_attr", "("]) {
        return attribute.split(|token| token.text == ",").skip(1).any(names_test);
    }
    names_test(attribute)
}

/// The words of a name that are or resemble ids: one letter and two digits anywhere; at the beginning, where ids belong,
/// also a known prefix with any number of digits.
fn ids<'a>(name: &'a str, explained: &BTreeSet<String>) -> impl Iterator<Item = &'a str> {
    let mut only_ids_so_far = true;
    name.split('_').filter(move |word| {
        let is_of_known_prefix = || explained.iter().any(|id| id[..1] == word[..1]);
        let is_id = !OTHER_NAMES.contains(word)
            && digits(word).is_some_and(|digits| digits.len() == 2 || only_ids_so_far && is_of_known_prefix());
        only_ids_so_far &= is_id;
        is_id
    })
}

/// The digits of a word that is one letter and digits.
fn digits(word: &str) -> Option<&str> {
    let digits = word.strip_prefix(|first: char| first.is_ascii_alphabetic())?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// The ids in the tables of the document, or what is wrong with them.
fn explained(document: &str) -> Result<BTreeSet<String>, String> {
    let mut prefixes = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    let mut heading = String::new();
    let mut table = "";
    for line in document.lines() {
        let Some(row) = line.strip_prefix('|').and_then(|row| row.strip_suffix('|')) else {
            heading = line.strip_prefix("## ").map_or(heading, str::to_owned);
            table = "";
            continue;
        };
        let cells: Vec<_> = row.split(" | ").map(str::trim).collect();
        if table.is_empty() {
            table = cells[0];
            continue;
        }
        if cells.iter().all(|cell| cell.trim_matches(['-', '|']).is_empty()) {
            continue;
        }
        let name = cells[0].strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
        let Some(name) = name.filter(|_| cells.len() == 3 && !cells.contains(&"")) else {
            return Err(format!("a row has a name in backticks, a meaning and a section: {line}"));
        };
        if table == "prefix" {
            prefixes.push(name.to_owned());
            continue;
        }
        if !name.starts_with(|first: char| first.is_ascii_lowercase())
            || digits(name).is_none_or(|digits| digits.len() != 2)
        {
            return Err(format!("`{name}` is not a small letter and two digits"));
        }
        if heading.split(':').next() != Some(&name[..1]) {
            return Err(format!("`{name}` is under the heading \"{heading}\""));
        }
        if let Some(last) = ids.last().filter(|last| last[..1] == name[..1] && last.as_str() >= name) {
            return Err(format!("`{name}` comes after `{last}`"));
        }
        ids.push(name.to_owned());
    }
    let mut used: Vec<_> = ids.iter().map(|id| id[..1].to_owned()).collect();
    used.dedup();
    if used != prefixes {
        return Err(format!("the prefixes are {prefixes:?}, but the tables are about {used:?}"));
    }
    Ok(ids.into_iter().collect())
}

#[test]
fn an_id_that_is_not_explained_is_found_in_every_kind_of_test() {
    let explained = BTreeSet::from(["r24".to_owned(), "f02".to_owned()]);
    for test in [
        "#[test] fn r99_x() {}",
        "#[test]\n#[should_panic(expected = \"y\")]\nfn r99_x() {}",
        "#[should_panic] #[test] fn r99() {}",
        "#[tokio::test] async fn r99_x() {}",
        "#[tokio::test(flavor = \"multi_thread\")] pub(crate) async fn r99_x() {}",
        "#[cfg_attr(unix, tokio::test)] async fn r99_x() {}",
        "#[rstest] fn r99_x() {}",
        "proptest! { #[test] fn r99_x(a in any::<u8>()) {} }",
        "mod tests { #[test] fn r24_r99_x() {} }",
        "#[test] fn x_of_r99() {}",
        "mod r99 { #[test] fn x() {} }",
        "#[test] fn r24_x() { #[test] fn r99_x() {} }",
    ] {
        let found = unexplained(&in_memory(&[("a.rs", test)]), &explained);
        assert_eq!(found.len(), 1, "{test}: {found:?}");
        assert!(found[0].starts_with("a.rs:") && found[0].contains("`r99`"), "{found:?}");
    }
    for name in ["r2_x", "r024_x", "r240_x", "f16_x", "r24_f2_x", "q01_x", "r24_q01_x", "x_q01"] {
        assert_eq!(
            unexplained(&in_memory(&[("a.rs", &format!("#[test] fn {name}() {{}}"))]), &explained).len(),
            1,
            "{name}"
        );
    }
}

#[test]
fn names_without_unexplained_ids_pass() {
    let explained = BTreeSet::from(["r24".to_owned(), "f02".to_owned()]);
    for source in [
        "#[test] fn r24_x() {}",
        "#[test] fn r24_f02_x() {}",
        "#[test] fn r24() {}",
        "#[test] fn h2_and_p256_and_u64() {}",
        "#[test] fn f02_b64_x25519_h2_of_v2() {}",
        "#[test] fn x_r240_f2() {}",
        "#[test] fn es256_sha256_ed25519_2_r_x() {}",
        "fn r99_x() {}",
        "#[inline] fn r99_x() {}",
        "#[cfg(test)] fn r99_x() {}",
        "#[test] fn r24_x() { fn r99_x() {} }",
        "#[test] const X: u8 = 1; fn r99_x() {}",
        "// #[test] fn r99_x() {}",
        "const X: &str = \"#[test] fn r99_x() {}\";",
        "#[test] fn r24_x() { let r99 = q01; }",
    ] {
        assert_eq!(unexplained(&in_memory(&[("a.rs", source)]), &explained), [""; 0], "{source}");
    }
}

#[test]
fn the_tables_are_read_whole_and_in_order() {
    let document = |rows: &str| {
        format!(
            "# X\n\n| prefix | a | b |\n|---|---|---|\n| `f` | c | d |\n\n## f: y\n\n| id | a | b |\n|---|---|---|\n{rows}\n"
        )
    };
    let ids = explained(&document("| `f01` | x | y |\n| `f03` | x | `|z` |")).unwrap();
    assert_eq!(ids, BTreeSet::from(["f01".to_owned(), "f03".to_owned()]));
    for (rows, problem) in [
        ("| `f01` | x | y |\n| `f01` | x | y |", "`f01` comes after `f01`"),
        ("| `f02` | x | y |\n| `f01` | x | y |", "`f01` comes after `f02`"),
        ("| `f02` | x | y |\n\n### z\n\n| id | a | b |\n|---|---|---|\n| `f01` | x | y |", "`f01` comes after `f02`"),
        ("| `f1` | x | y |", "`f1` is not"),
        ("| `F01` | x | y |", "`F01` is not"),
        ("| `fo1` | x | y |", "`fo1` is not"),
        ("| f01 | x | y |", "a row has"),
        ("| `f01` | x |", "a row has"),
        ("| `f01` | x | |", "a row has"),
        ("| `f01` |  | y |", "a row has"),
        ("| `r01` | x | y |", "under the heading"),
        ("", "the prefixes are"),
        ("| `f01` | x | y |\n\n## r: z\n\n| id | a | b |\n|---|---|---|\n| `r01` | x | y |", "the prefixes are"),
    ] {
        let found = explained(&document(rows)).unwrap_err();
        assert!(found.contains(problem), "{rows}: {found}");
    }
}
