//! Where each member of an object is, so that one of them can be read without the others.

use super::scanner::Scanner;
use super::{Value, Walk};
use crate::error::JsonFault;

/// The places of the members of one object that [`walk_object`](super::walk_object) accepted before.
pub(crate) struct MemberPlaces(Box<[Place]>);

/// Where the name and the value begin.
struct Place {
    name: u32,
    value: u32,
}

impl MemberPlaces {
    /// How much memory each member takes.
    pub(crate) const BYTES_EACH: usize = size_of::<Place>();

    pub(crate) fn of(object: &[u8]) -> Self {
        let places = str::from_utf8(object).ok().and_then(|text| find(text).ok());
        Self(places.unwrap_or_default().into())
    }

    /// The rest of the object, from this member's value on.
    pub(crate) fn value_of<'t>(&self, object: &'t [u8], name: &str) -> Option<&'t [u8]> {
        let text = str::from_utf8(object).ok()?;
        let is_named = |place: &&Place| {
            let mut scanner = Scanner::new(text);
            scanner.go_back(usize::try_from(place.name).unwrap_or(text.len()));
            scanner.take(b'"') && scanner.rest_of_string().is_ok_and(|found| found == name)
        };
        let place = self.0.iter().find(is_named)?;
        object.get(usize::try_from(place.value).ok()?..)
    }
}

fn find(text: &str) -> Result<Vec<Place>, JsonFault> {
    let mut walk = Walk { scanner: Scanner::new(text), max_members: usize::MAX };
    let mut places = Vec::new();
    walk.scanner.expect(b'{')?;
    let mut more = !walk.scanner.take(b'}');
    while more {
        let name = walk.position_of_next();
        walk.scanner.expect(b'"')?;
        walk.scanner.rest_of_string()?;
        walk.scanner.expect(b':')?;
        let value = walk.position_of_next();
        Value { walk: &mut walk, depth: 1 }.skip().map_err(|_| JsonFault::Invalid)?;
        places.push(Place { name: name?, value: value? });
        more = walk.scanner.another(b'}')?;
    }
    Ok(places)
}

impl Walk<'_> {
    fn position_of_next(&mut self) -> Result<u32, JsonFault> {
        self.scanner.peek();
        u32::try_from(self.scanner.position()).map_err(|_| JsonFault::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_is_found_by_its_unescaped_name() {
        let object = r#" { "a" : 1 , "":[2, {"a":9}], "\u0062\"\\":"three" ,"é": {"b":4},"last":null}"#.as_bytes();
        let places = MemberPlaces::of(object);
        let value = |name| {
            let rest = places.value_of(object, name)?;
            serde_json::Deserializer::from_slice(rest).into_iter::<serde_json::Value>().next()?.ok()
        };
        let expected = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(object).unwrap();
        for (name, expected) in &expected {
            assert_eq!(value(name).as_ref(), Some(expected), "{name:?}");
        }
        for absent in ["b", "a ", "\\u0062", "las", "lastly", "null"] {
            assert_eq!(value(absent), None, "{absent:?}");
        }
        assert_eq!(places.0.len(), expected.len());
        assert!(MemberPlaces::of(b"{}").value_of(b"{}", "").is_none());
    }
}
