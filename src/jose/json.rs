//! JSON from a token, walked once within bounds.
//!
//! serde's derived structs skip unknown members without looking at their depth or at duplicates, and maps keep the last
//! of two members with one name. So every object of a token passes through this walk first: UTF-8, one object, nothing
//! behind it, at most [`MAX_DEPTH`] levels, a bounded number of members in each object, and no name twice in an object
//! at any level. (RFC 7515 §4 and RFC 7519 §4 speak of the top level only; two readers of one token must not disagree
//! about a nested role either.)

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::error::JsonFault;

/// How deep objects and arrays may be nested, the outermost object counted.
pub(crate) const MAX_DEPTH: usize = 32;

/// So many members are compared in another way than more.
const FEW_MEMBERS: usize = 16;

/// What a walk does with the members it knows. The rest is checked and skipped.
pub(crate) trait Members<'de> {
    /// Reads the value of a known member and returns true, or leaves it and returns false.
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Whether the value of a member that was left must be an object all the same.
    fn must_be_object(&self, _name: &str) -> bool {
        false
    }
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
pub(crate) fn walk_object<'de>(
    text: &'de [u8],
    max_members: usize,
    members: &mut impl Members<'de>,
) -> Result<(), WalkError> {
    let text = std::str::from_utf8(text).map_err(|_| WalkError::Json(JsonFault::Invalid))?;
    let mut fault = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let walk = Walk { depth: 1, max_members, fault: &mut fault };
    let walked = deserializer.deserialize_map(TopLevel { walk, members }).and_then(|()| deserializer.end());
    match (fault, walked) {
        (Some(fault), _) => Err(WalkError::Json(fault)),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.classify() == Category::Data && text.trim_start().starts_with('{') => {
            // The walk stopped at that member. A text that breaks further on is no JSON all the same.
            walk_object(text.as_bytes(), max_members, &mut NoMembers).and(Err(WalkError::WrongType))
        }
        (None, Err(_)) => Err(WalkError::Json(JsonFault::Invalid)),
    }
}

/// The bounds, and where the walk stands in them.
struct Walk<'a> {
    depth: usize,
    max_members: usize,
    /// serde's errors are text; the fault travels beside them.
    fault: &'a mut Option<JsonFault>,
}

impl Walk<'_> {
    fn deeper(&mut self) -> Walk<'_> {
        Walk { depth: self.depth + 1, max_members: self.max_members, fault: self.fault }
    }

    fn check_depth<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.depth > MAX_DEPTH { Err(self.refuse(JsonFault::TooDeep)) } else { Ok(()) }
    }

    fn refuse<E: serde::de::Error>(&mut self, fault: JsonFault) -> E {
        *self.fault = Some(fault);
        E::custom("refused")
    }

    fn walk_members<'de, A: MapAccess<'de>>(
        &mut self,
        mut map: A,
        members: &mut impl Members<'de>,
    ) -> Result<(), A::Error> {
        self.check_depth()?;
        let mut names: Vec<Cow<'de, str>> = Vec::with_capacity(FEW_MEMBERS);
        while let Some(name) = map.next_key_seed(Text)? {
            if names.len() == self.max_members {
                return Err(self.refuse(JsonFault::TooManyMembers));
            }
            if !members.read(&name, &mut map)? {
                if members.must_be_object(&name) {
                    map.next_value_seed(ObjectOnly(self.deeper()))?;
                } else {
                    map.next_value_seed(self.deeper())?;
                }
            }
            names.push(name);
        }
        if has_duplicate(&mut names) { Err(self.refuse(JsonFault::Duplicate)) } else { Ok(()) }
    }
}

/// Among few names, as most objects have, only those are compared that agree in a mark of six bits: sorting takes several
/// times as long. Among many that would let a token cost the square of their number.
fn has_duplicate(names: &mut [Cow<'_, str>]) -> bool {
    if names.len() > FEW_MEMBERS {
        names.sort_unstable();
        return names.windows(2).any(|pair| matches!(pair, [one, other] if one == other));
    }
    let mut marks = 0_u64;
    names.iter().enumerate().any(|(position, name)| {
        let mark = mark(name);
        let is_new = marks & mark == 0;
        marks |= mark;
        !is_new && names.iter().take(position).any(|earlier| earlier == name)
    })
}

/// One bit of a word, by the length of a name and its first and last letter.
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let letter = |byte: Option<&u8>| byte.copied().unwrap_or_default();
    let sum = letter(bytes.first()).wrapping_mul(5).wrapping_add(letter(bytes.last())).wrapping_mul(7);
    1 << (usize::from(sum).wrapping_add(bytes.len()) % 64)
}

struct TopLevel<'a, M> {
    walk: Walk<'a>,
    members: &'a mut M,
}

impl<'de, M: Members<'de>> Visitor<'de> for TopLevel<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        self.walk.walk_members(map, self.members)
    }
}

/// Nothing below the top level is known.
struct NoMembers;

impl<'de> Members<'de> for NoMembers {
    fn read<A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }
}

/// A value that is checked and skipped.
impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.check_depth()?;
        while seq.next_element_seed(self.deeper())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        self.walk_members(map, &mut NoMembers)
    }
}

/// An object that is checked and skipped; anything else has the wrong type.
struct ObjectOnly<'a>(Walk<'a>);

impl<'de> DeserializeSeed<'de> for ObjectOnly<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self.0)
    }
}

/// A string after unescaping, borrowed where nothing was escaped.
pub(crate) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Reads a value that must be a string, or an array of strings.
pub(crate) struct StringOrArray;

impl<'de> DeserializeSeed<'de> for StringOrArray {
    type Value = StringList<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
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

impl<'de> Visitor<'de> for StringOrArray {
    type Value = StringList<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(StringList::One(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(StringList::One(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element_seed(Text)? {
            texts.push(text);
        }
        Ok(StringList::Several(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(text: &str) -> Result<(), WalkError> {
        walk_object(text.as_bytes(), 4, &mut NoMembers)
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
        for members in [2, FEW_MEMBERS - 1, FEW_MEMBERS, FEW_MEMBERS + 1, 100] {
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
        for text in ["", "1", "[]", "null", "\"a\"", "{}{}", "{} x", "\u{feff}{}", r#"{"a":"\ud800"}"#, "{\"a\":1e999}"]
        {
            assert_eq!(walk(text), refused(JsonFault::Invalid), "{text:?}");
        }
        assert_eq!(walk_object(b"{\"a\":\"\xff\"}", 4, &mut NoMembers), refused(JsonFault::Invalid));
        assert_eq!(walk(" {\"a\": [1, -1, 1.5, true, null, {}]} "), Ok(()));
    }
}
