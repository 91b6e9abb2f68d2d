//! What the walk takes for JSON, and what it reads, compared with serde_json.

use std::cell::Cell;

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value as Json};

use super::*;

const CASES: u32 = 20_000;

/// What turns JSON into something else, or into other JSON.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\\"",
    "\\u0041",
    "\\ud834\\udd1e",
    "\\ud834",
    "\\x",
    "\u{1}",
    "\n",
    "\r",
    "\t",
    "\u{c}",
    "\u{a0}",
    "\u{7f}",
    "\u{e9}",
    "\u{1d11e}",
    "0",
    "-",
    "-0",
    "01",
    "1.",
    ".5",
    "1.5",
    "1e5",
    "1E+5",
    "1e",
    "1e999",
    "18446744073709551615",
    "18446744073709551616",
    "00000000000000000001",
    "true",
    "false",
    "null",
    "nul",
    "{}",
    "[]",
    "\"a\":1,",
    "\"\":\"\",",
    " ",
    "/",
    "'",
    "NaN",
    "",
];

#[test]
fn c07_what_is_json_for_serde_json_is_json_here_and_reads_the_same() {
    let changes = vec((any::<Index>(), any::<bool>(), select(PIECES)), 0..4);
    let (equal, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let compared = runner.run(&(any_object(), changes), |(object, changes)| {
        let mut text: Vec<char> = object.to_string().chars().collect();
        for (place, replaces, piece) in changes {
            let place = place.index(text.len() + 1);
            let end = if replaces { text.len().min(place + 1) } else { place };
            text.splice(place..end, piece.chars());
        }
        let counter = if compare(&text.into_iter().collect::<String>())? { &equal } else { &refused };
        counter.set(counter.get() + 1);
        Ok(())
    });
    compared.unwrap();
    assert!(equal.get() > CASES / 5 && refused.get() > CASES / 5, "{} and {} say little", equal.get(), refused.get());
}

/// Whether the text was an object for both.
fn compare(text: &str) -> Result<bool, TestCaseError> {
    let expected = serde_json::from_str::<Map<String, Json>>(text);
    let mut reader = Reader { expected: expected.as_ref().ok(), read: Map::new() };
    match walk_object(text.as_bytes(), 1_000, &mut reader) {
        Ok(()) => prop_assert_eq!(Some(&reader.read), reader.expected, "{:?}", text),
        Err(WalkError::Json(JsonFault::Invalid | JsonFault::NumberOutOfRange | JsonFault::LoneSurrogate)) => {
            prop_assert!(expected.is_err(), "refused: {:?}", text);
        }
        // serde_json keeps the last.
        Err(WalkError::Json(JsonFault::Duplicate)) => {}
        Err(other) => prop_assert!(false, "{:?}: {:?}", other, text),
    }
    Ok(expected.is_ok())
}

/// Reads what serde_json read, in the way that fits.
struct Reader<'a> {
    expected: Option<&'a Map<String, Json>>,
    read: Map<String, Json>,
}

impl<'t> Members<'t> for Reader<'_> {
    fn read(&mut self, name: &str, value: &mut Value<'_, 't>) -> Result<bool, WalkError> {
        let Some(expected) = self.expected.and_then(|expected| expected.get(name)) else { return Ok(false) };
        let (read, is_read) = match expected {
            Json::String(_) => (Json::from(value.text()?), true),
            Json::Number(_) => (number(value.number()?, expected), true),
            Json::Array(texts) if texts.iter().all(Json::is_string) => (Json::from(value.texts()?), true),
            skipped => (skipped.clone(), false),
        };
        self.read.insert(name.to_owned(), read);
        Ok(is_read)
    }
}

/// As the expected one, if it is that.
fn number(read: Number, expected: &Json) -> Json {
    let is_equal = match read {
        Number::Unsigned(number) => expected.as_u64() == Some(number),
        Number::Other(number) => expected.as_f64() == Some(number),
    };
    if is_equal { expected.clone() } else { Json::Null }
}

fn any_object() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[a-z\"\\\\\n]{0,20}".prop_map(Json::from),
        vec("[a-z]{0,9}", 0..4).prop_map(Json::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            hash_map("[a-z]{0,3}", inner, 0..4).prop_map(Json::from_iter),
        ]
    });
    hash_map("[a-z\"]{0,12}", value, 0..20).prop_map(Json::from_iter)
}
