//! TOML and JSON, read the same way: what is wrong has a place in the text and a field.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Json,
    Toml,
}

/// A place in the text, the field there, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) field: String,
    pub(super) reason: String,
}

/// One step from the document to a field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum PathSegment {
    Key(&'static str),
    Index(usize),
}

impl Format {
    pub(super) fn read<T: DeserializeOwned>(self, text: &str) -> Result<T, Fault> {
        match self {
            Self::Toml => {
                let toml = toml::Deserializer::parse(text).map_err(|error| toml_fault(text, &error, String::new()))?;
                serde_path_to_error::deserialize(toml).map_err(|error| toml_fault(text, error.inner(), field(&error)))
            }
            Self::Json => {
                let mut json = serde_json::Deserializer::from_str(text);
                let value = serde_path_to_error::deserialize(&mut json)
                    .map_err(|error| json_fault(text, error.inner(), field(&error)))?;
                json.end().map_err(|error| json_fault(text, &error, String::new()))?;
                Ok(value)
            }
        }
    }

    /// The fault that the field at `path` is wrong. Where the document lacks it, the place is that of what should have
    /// it.
    pub(super) fn fault_at(self, text: &str, path: &[PathSegment], reason: String) -> Fault {
        let field = path.iter().fold(String::new(), |field, step| match step {
            PathSegment::Key(key) if field.is_empty() => (*key).to_owned(),
            PathSegment::Key(key) => format!("{field}.{key}"),
            PathSegment::Index(index) => format!("{field}[{index}]"),
        });
        let (line, column) = match self {
            Self::Toml => toml::Deserializer::parse(text)
                .and_then(|toml| Walk(path).deserialize(toml))
                .map_or_else(|error| toml_place(text, &error), |()| (1, 1)),
            Self::Json => Walk(path)
                .deserialize(&mut serde_json::Deserializer::from_str(text))
                .map_or_else(|error| json_place(text, &error), |()| (1, 1)),
        };
        Fault { line, column, field, reason }
    }
}

/// `.` is what the whole document is called there, and `?` what has no name yet.
fn field<E>(error: &serde_path_to_error::Error<E>) -> String {
    error.path().to_string().trim_end_matches(['.', '?']).to_owned()
}

fn toml_fault(text: &str, error: &toml::de::Error, field: String) -> Fault {
    let (line, column) = toml_place(text, error);
    // Its `Display` would show the line, which may have a secret in it.
    Fault { line, column, field, reason: error.message().to_owned() }
}

fn toml_place(text: &str, error: &toml::de::Error) -> (usize, usize) {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

fn json_fault(text: &str, error: &serde_json::Error, field: String) -> Fault {
    let reason = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = reason.strip_suffix(&place).unwrap_or(&reason).to_owned();
    let (line, column) = json_place(text, error);
    Fault { line, column, field, reason }
}

/// serde_json counts bytes, up to the last one read.
fn json_place(text: &str, error: &serde_json::Error) -> (usize, usize) {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let read = line.get(..error.column().min(line.len())).unwrap_or(line);
    (error.line().max(1), read.chars().count().max(1))
}

/// Goes to the field at a path and fails there, as the format then says where that is.
#[derive(Clone, Copy)]
struct Walk<'a>(&'a [PathSegment]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    // Every value that this does not visit is where the path ends.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the field that is wrong")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Some((PathSegment::Key(wanted), rest)) = self.0.split_first() {
            while let Some(key) = map.next_key::<String>()? {
                if key == *wanted {
                    return map.next_value_seed(Walk(rest));
                }
                map.next_value::<IgnoredAny>()?;
            }
        }
        Err(A::Error::custom("here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if let Some((PathSegment::Index(wanted), rest)) = self.0.split_first() {
            for _ in 0..*wanted {
                seq.next_element::<IgnoredAny>()?;
            }
            if seq.next_element_seed(Walk(rest))?.is_some() {
                return Ok(());
            }
        }
        Err(A::Error::custom("here"))
    }
}
