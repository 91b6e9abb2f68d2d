//! Why claims do not fit a struct of the application's own, without any of the token's content: the messages of
//! `serde_json` repeat values.

use std::fmt::{self, Display};

use serde::de::value::{MapAccessDeserializer, SeqDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, map};

/// Where the claims do not fit the application's struct, and why. It contains no value from the token, and no name that
/// is not a field of the application's struct.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// From the outermost field to the innermost, such as `address.city`; empty for the struct as a whole.
    pub(crate) field: String,
    pub(crate) problem: String,
}

impl Misfit {
    /// Deserializes once more, with an error type that keeps the field.
    pub(super) fn find<T: DeserializeOwned>(payload: &[u8]) -> Self {
        let claims = serde_json::from_slice(payload).unwrap_or(Value::Null);
        T::deserialize(Claim(&claims)).err().unwrap_or_else(|| Self::because("a value does not fit"))
    }

    fn because(problem: impl Into<String>) -> Self {
        Self { field: String::new(), problem: problem.into() }
    }

    fn within(self, field: &str) -> Self {
        let field = if self.field.is_empty() { field.to_owned() } else { format!("{field}.{}", self.field) };
        Self { field, ..self }
    }
}

impl Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Misfit {}

/// The texts come from the program: names of fields, kinds of values, and what a type says that it expects, which no
/// known one makes from the value.
impl de::Error for Misfit {
    /// The message is the application's own, and may repeat a value.
    fn custom<T: Display>(_: T) -> Self {
        Self::because("the type's own check rejects the value")
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::because(format!("{} instead of {expected}", kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::because(format!("{} that is not {expected}", kind(found)))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::because(format!("the wrong length for {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::because(format!("a string that is none of: {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::because(format!("a member that is none of: {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::because("missing").within(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::because("given twice").within(field)
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        _ => "another value",
    }
}

/// A claim that serde reads like JSON.
#[derive(Clone, Copy)]
struct Claim<'a>(&'a Value);

impl<'de> Deserializer<'de> for Claim<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), ..) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (.., value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(values) => {
                let mut values = SeqDeserializer::new(values.iter().map(Claim));
                let sequence = visitor.visit_seq(&mut values)?;
                values.end().map(|()| sequence)
            }
            Value::Object(members) => visitor.visit_map(Members::new(members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Object(members) => visitor.visit_enum(MapAccessDeserializer::new(Members::new(members))),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Misfit> for Claim<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The members of an object.
struct Members<'a> {
    rest: map::Iter<'a>,
    value: Option<(&'a str, &'a Value)>,
    /// Whether the last name was compared with the fields of a struct, rather than kept as the key of a map. A value can
    /// only fail to fit if the name was one of them.
    is_field: bool,
}

impl<'a> Members<'a> {
    fn new(members: &'a Map<String, Value>) -> Self {
        Self { rest: members.iter(), value: None, is_field: false }
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.value = self.rest.next().map(|(name, value)| (name.as_str(), value));
        self.is_field = false;
        self.value.map(|(name, _)| seed.deserialize(Name { name, is_field: &mut self.is_field })).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let (name, value) = self.value.take().unwrap_or(("", &Value::Null));
        let field = if self.is_field { name } else { "*" };
        seed.deserialize(Claim(value)).map_err(|misfit| misfit.within(field))
    }
}

/// The name of a member. As the key of a map it may be a number or a boolean, which JSON writes as a string.
struct Name<'a> {
    name: &'a str,
    is_field: &'a mut bool,
}

macro_rules! parsed_keys {
    ($($deserialize:ident $visit:ident)*) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            match self.name.parse() {
                Ok(key) => visitor.$visit(key),
                Err(_) => visitor.visit_str(self.name),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Name<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_str(self.name)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        *self.is_field = true;
        visitor.visit_str(self.name)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(self.name.into_deserializer())
    }

    parsed_keys! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_f32 visit_f32 deserialize_f64 visit_f64 deserialize_i128 visit_i128 deserialize_u128 visit_u128
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct ignored_any
    }
}
