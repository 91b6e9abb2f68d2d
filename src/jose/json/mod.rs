//! JSON from a token, walked once within bounds.
//!
//! serde's derived structs skip unknown members without looking at their depth or at duplicates, and maps keep the last
//! of two members with one name. So every object of a token passes through this walk: UTF-8, one object, nothing behind
//! it, at most [`MAX_DEPTH`] levels, a bounded number of members in each object, and no name twice in an object at any
//! level. (RFC 7515 §4 and RFC 7519 §4 speak of the top level only; two readers of one token must not disagree about a
//! nested role either.) What is JSON and what is not is the same as for serde_json; tests compare the two.

#[cfg(test)]
#[cfg(feature = "unit-tests")]
mod comparison;
mod names;
mod places;
mod scanner;

use std::borrow::Cow;

use crate::error::JsonFault;

pub(crate) use places::MemberPlaces;
pub(crate) use scanner::Number;

use names::Names;
use scanner::Scanner;

/// How deep objects and arrays may be nested, the outermost object counted.
pub(crate) const MAX_DEPTH: usize = 32;

/// What a walk does with the members it knows. The rest is checked and skipped.
pub(crate) trait Members<'t> {
    /// Reads the value of a known member and returns true, or leaves it and returns false. It is not asked again after
    /// it found a value of the wrong type.
    fn read(&mut self, name: &str, value: &mut Value<'_, 't>) -> Result<bool, WalkError>;
}

/// Why a walk ended early.
#[derive(Debug, PartialEq)]
pub(crate) enum WalkError {
    /// The text is refused as a whole.
    Json(JsonFault),
    /// A known member has another type than it must have.
    WrongType,
}

/// Walks one JSON object of at most `max_members` members, nested ones alike.
pub(crate) fn walk_object<'t>(
    text: &'t [u8],
    max_members: usize,
    members: &mut impl Members<'t>,
) -> Result<(), WalkError> {
    let text = str::from_utf8(text).map_err(|_| JsonFault::Invalid)?;
    let mut walk = Walk { scanner: Scanner::new(text), max_members };
    let mut has_wrong_type = false;
    walk.members(1, |name, value| {
        let start = value.walk.scanner.position();
        // A wrong type is told only about a text that is JSON to its end.
        match if has_wrong_type { Ok(false) } else { members.read(name, value) } {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(WalkError::WrongType) => {
                has_wrong_type = true;
                value.walk.scanner.go_back(start);
            }
            Err(fault) => return Err(fault),
        }
        value.skip()
    })?;
    walk.scanner.end()?;
    if has_wrong_type { Err(WalkError::WrongType) } else { Ok(()) }
}

/// The bounds, and where the walk stands.
struct Walk<'t> {
    scanner: Scanner<'t>,
    max_members: usize,
}

/// The value of a member, to be read once.
pub(crate) struct Value<'w, 't> {
    walk: &'w mut Walk<'t>,
    /// How deep the object is that it stands in.
    depth: usize,
}

impl<'t> Value<'_, 't> {
    /// A string after unescaping, borrowed where nothing was escaped.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<Cow<'t, str>, WalkError> {
        if !self.walk.scanner.take(b'"') {
            return Err(WalkError::WrongType);
        }
        Ok(self.walk.scanner.rest_of_string()?)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<Number, WalkError> {
        self.must_begin_with(|byte| matches!(byte, b'-' | b'0'..=b'9'))?;
        Ok(self.walk.scanner.number()?)
    }

    /// An array of strings.
    pub(crate) fn texts(&mut self) -> Result<Vec<Cow<'t, str>>, WalkError> {
        self.must_begin_with(|byte| byte == b'[')?;
        let mut texts = Vec::new();
        self.walk.elements(self.depth + 1, |mut element| {
            texts.push(element.text()?);
            Ok(())
        })?;
        Ok(texts)
    }

    pub(crate) fn text_or_texts(&mut self) -> Result<StringList<Cow<'t, str>>, WalkError> {
        if self.walk.scanner.peek() == Some(b'[') {
            return self.texts().map(StringList::Several);
        }
        self.text().map(StringList::One)
    }

    /// Any value, checked, as raw text.
    pub(crate) fn raw(&mut self) -> Result<&'t str, WalkError> {
        self.walk.scanner.peek();
        let start = self.walk.scanner.position();
        self.skip()?;
        Ok(self.walk.scanner.since(start))
    }

    /// An object that is checked and skipped.
    pub(crate) fn skip_object(&mut self) -> Result<(), WalkError> {
        self.must_begin_with(|byte| byte == b'{')?;
        self.skip()
    }

    pub(crate) fn is_text(&mut self) -> bool {
        self.walk.scanner.peek() == Some(b'"')
    }

    fn must_begin_with(&mut self, fits: impl Fn(u8) -> bool) -> Result<(), WalkError> {
        if self.walk.scanner.peek().is_some_and(fits) { Ok(()) } else { Err(WalkError::WrongType) }
    }

    /// Any value.
    fn skip(&mut self) -> Result<(), WalkError> {
        let depth = self.depth + 1;
        match self.walk.scanner.peek() {
            Some(b'"') => self.text().map(drop)?,
            Some(b'{') => self.walk.members(depth, |_, value| value.skip())?,
            Some(b'[') => self.walk.elements(depth, |mut element| element.skip())?,
            Some(b'-' | b'0'..=b'9') => self.walk.scanner.number().map(drop)?,
            _ => self.walk.scanner.literal()?,
        }
        Ok(())
    }
}

impl<'t> Walk<'t> {
    fn members(
        &mut self,
        depth: usize,
        mut read: impl FnMut(&str, &mut Value<'_, 't>) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        self.scanner.expect(b'{')?;
        check_depth(depth)?;
        let mut names = Names::new();
        let mut more = !self.scanner.take(b'}');
        while more {
            self.scanner.expect(b'"')?;
            let name = self.scanner.rest_of_string()?;
            self.scanner.expect(b':')?;
            if names.len() == self.max_members {
                return Err(JsonFault::TooManyMembers.into());
            }
            read(&name, &mut Value { walk: self, depth })?;
            names.add(name);
            more = self.scanner.another(b'}')?;
        }
        if names.has_duplicate() { Err(JsonFault::Duplicate.into()) } else { Ok(()) }
    }

    fn elements(
        &mut self,
        depth: usize,
        mut read: impl FnMut(Value<'_, 't>) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        self.scanner.expect(b'[')?;
        check_depth(depth)?;
        let mut more = !self.scanner.take(b']');
        while more {
            read(Value { walk: self, depth })?;
            more = self.scanner.another(b']')?;
        }
        Ok(())
    }
}

fn check_depth(depth: usize) -> Result<(), JsonFault> {
    if depth > MAX_DEPTH { Err(JsonFault::TooDeep) } else { Ok(()) }
}

impl From<JsonFault> for WalkError {
    fn from(fault: JsonFault) -> Self {
        Self::Json(fault)
    }
}

/// One string, or several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum StringList<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> StringList<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }

    pub(crate) fn map<U>(self, change: impl Fn(T) -> U) -> StringList<U> {
        match self {
            Self::One(text) => StringList::One(change(text)),
            Self::Several(texts) => StringList::Several(texts.into_iter().map(change).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(text: &str) -> Result<(), WalkError> {
        walk_object(text.as_bytes(), 4, &mut NoMembers)
    }

    /// Nothing is known.
    struct NoMembers;

    impl<'t> Members<'t> for NoMembers {
        fn read(&mut self, _: &str, _: &mut Value<'_, 't>) -> Result<bool, WalkError> {
            Ok(false)
        }
    }

    fn refused(fault: JsonFault) -> Result<(), WalkError> {
        Err(WalkError::Json(fault))
    }

    #[test]
    fn r35_duplicates_are_found_after_unescaping_at_any_level() {
        assert_eq!(walk(r#"{"alg":1,"\u0061lg":2}"#), refused(JsonFault::Duplicate));
        assert_eq!(walk(r#"{"a":{"b":1,"b":2}}"#), refused(JsonFault::Duplicate));
        assert_eq!(walk(r#"{"a":[{"b":1,"b":2}]}"#), refused(JsonFault::Duplicate));
        assert_eq!(walk(r#"{"a":{"b":1},"b":2}"#), Ok(()));
    }

    #[test]
    fn r35_duplicates_are_found_among_few_and_many_wherever_they_stand() {
        for members in [2, names::FEW - 1, names::FEW, names::FEW + 1, 100] {
            for (one, other) in [(0, members - 1), (0, 1), (members - 2, members - 1)] {
                let name = |n: usize| if n == other { one } else { n };
                let text: Vec<_> = (0..members).map(|n| format!("\"claim{}\":1", name(n))).collect();
                let walked = walk_object(format!("{{{}}}", text.join(",")).as_bytes(), 1_000, &mut NoMembers);
                assert_eq!(walked, refused(JsonFault::Duplicate), "{one} and {other} of {members}");
            }
            let text: Vec<_> = (0..members).map(|n| format!("\"claim{n}\":1")).collect();
            assert_eq!(walk_object(format!("{{{}}}", text.join(",")).as_bytes(), 1_000, &mut NoMembers), Ok(()));
        }
    }

    #[test]
    fn c08_depth_is_bounded_at_its_limit() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert_eq!(walk(&nested(MAX_DEPTH - 1)), Ok(()));
        assert_eq!(walk(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(walk(&nested(MAX_DEPTH + 1)), refused(JsonFault::TooDeep));
    }

    #[test]
    fn c12_the_number_of_members_is_bounded_at_its_limit() {
        assert_eq!(walk(r#"{"a":1,"b":1,"c":1,"d":1}"#), Ok(()));
        assert_eq!(walk(r#"{"a":1,"b":1,"c":1,"d":1,"e":1}"#), refused(JsonFault::TooManyMembers));
        assert_eq!(walk(r#"{"n":{"a":1,"b":1,"c":1,"d":1,"e":1}}"#), refused(JsonFault::TooManyMembers));
    }

    #[test]
    fn c07_only_one_object_in_utf8_passes() {
        for text in ["", "1", "[]", "null", "\"a\"", "{}{}", "{} x", "\u{feff}{}"] {
            assert_eq!(walk(text), refused(JsonFault::Invalid), "{text:?}");
        }
        assert_eq!(walk_object(b"{\"a\":\"\xff\"}", 4, &mut NoMembers), refused(JsonFault::Invalid));
        assert_eq!(walk(" {\"a\": [1, -1, 1.5, true, null, {}]} "), Ok(()));
    }

    #[test]
    fn c07_a_number_that_is_json_and_too_large_is_told_from_one_that_is_not_json() {
        let nines = "9".repeat(400);
        let huge =
            ["1e400", "-1e400", "1E+400", "1.5e309", "0.1e999999999", "1e0000000400", &nines, &format!("{nines}.5")];
        for number in huge {
            assert_eq!(walk(&format!("{{\"a\":{number}}}")), refused(JsonFault::NumberOutOfRange), "{number}");
            assert_eq!(
                walk(&format!("{{\"a\":[{{\"b\":{number}}}]}}")),
                refused(JsonFault::NumberOutOfRange),
                "{number}"
            );
        }
        let broken = [
            "1e400.5", "1e", "1e+", "-", "-e400", "01e400", "1.e400", ".1e400", "1ee400", "1e400e", "1e-+400",
            "--1e400",
        ];
        for number in broken {
            assert_eq!(walk(&format!("{{\"a\":{number}}}")), refused(JsonFault::Invalid), "{number}");
        }
        for number in ["1e308", "-1.7976931348623157e308", "1e-400", "0e400", "-0.0e999", &"9".repeat(300)] {
            assert_eq!(walk(&format!("{{\"a\":{number}}}")), Ok(()), "{number}");
        }
    }

    #[test]
    fn c07_a_lone_surrogate_is_told_from_a_string_that_is_not_json() {
        for string in [
            r"\ud800",
            r"\uDFFF",
            r"\udc00\ud800",
            r"\ud800\ud800",
            r"\ud800x",
            r"\ud800\n",
            r"x\udbff\u0041",
            r"\\\ud800",
            r#"\"\ud800"#,
            r"\ud83d\ude00\ud83d",
        ] {
            assert_eq!(walk(&format!("{{\"a\":\"{string}\"}}")), refused(JsonFault::LoneSurrogate), "{string}");
            assert_eq!(walk(&format!("{{\"{string}\":1}}")), refused(JsonFault::LoneSurrogate), "{string}");
        }
        for string in [r"\ud80", r"\ud800\x", r"\u", r"\uxxxx", "\\ud800\n", r"\ud800\u12", r"\U0041", "\\\u{e9}"] {
            assert_eq!(walk(&format!("{{\"a\":\"{string}\"}}")), refused(JsonFault::Invalid), "{string}");
        }
        for string in [r"\ud83d\ude00", r"\uD83D\uDE00", r"\ue000\ud7ff", r"\u0000", r"\\ud800"] {
            assert_eq!(walk(&format!("{{\"a\":\"{string}\"}}")), Ok(()), "{string}");
        }
    }
}
