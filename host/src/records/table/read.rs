//! Rows as values of an app's own types, read where they stand, without the JSON
//! that they could be written as.
//!
//! What is read must be what the JSON would give. So whatever is not certain to
//! fit is an error here that says nothing, and the caller reads the JSON instead,
//! whose errors name the place.

use csv_skim::Span;
use serde::de::value::{BorrowedStrDeserializer, Error};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, MapAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::shape::{Edited, Member, Object, Value};
use super::{Table, is_empty, is_plain};

impl Table {
    /// All records; `None` if one may not fit.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<Vec<T>> {
        let record = self.shape.objects.first()?;
        let mut all = Vec::with_capacity(self.len());
        for row in self.rows() {
            let place = Place { table: self, row };
            all.push(T::deserialize(Json::Object(place, record)).ok()?);
        }
        Some(all)
    }
}

/// A row of a table.
#[derive(Clone, Copy)]
struct Place<'a> {
    table: &'a Table,
    row: &'a [Span],
}

impl<'a> Place<'a> {
    /// A value of the row.
    fn value(self, value: &'a Value) -> Json<'a> {
        let text = |column: usize| self.table.text_of(self.row, column);
        match value {
            Value::Constant(text) => Json::Text(&text.plain),
            Value::Object(within) => match self.table.shape.objects.get(*within) {
                Some(object) if !self.is_missing(object) => Json::Object(self, object),
                _ => Json::Null,
            },
            Value::Text(column) if is_empty(self.row, *column) => Json::Null,
            Value::Text(column) if is_plain(self.row, *column) => Json::Text(text(*column)),
            Value::Text(column) => Json::Quoted(text(*column)),
            Value::Edited(edited) if is_empty(self.row, edited.column) => Json::Null,
            Value::Edited(edited) => Json::Edited(text(edited.column), edited),
            Value::Number(column) | Value::Boolean(column) => match text(*column) {
                "" => Json::Null,
                "true" => Json::Boolean(true),
                "false" => Json::Boolean(false),
                number => Json::Number(number),
            },
        }
    }

    fn is_missing(self, object: &Object) -> bool {
        object
            .present
            .is_some_and(|column| is_empty(self.row, column))
    }
}

/// A value as JSON knows it. Nothing is made of it before it is wanted.
enum Json<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    Text(&'a str),
    /// A text whose quotes may be doubled.
    Quoted(&'a str),
    /// The same in another form.
    Edited(&'a str, &'a Edited),
    Object(Place<'a>, &'a Object),
}

impl<'de> Deserializer<'de> for Json<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Boolean(flag) => visitor.visit_bool(flag),
            Self::Number(text) => {
                let mut number = serde_json::Deserializer::from_str(text);
                number.deserialize_any(visitor).map_err(Error::custom)
            }
            Self::Text(text) => visitor.visit_borrowed_str(text),
            Self::Quoted(text) => visitor.visit_string(unquoted(text)),
            Self::Edited(text, edited) => {
                let (kept, ending) = edited.cut(text);
                let ending = ending.map_or("", |text| &text.plain);
                visitor.visit_string([&edited.prefix.plain, &*unquoted(kept), ending].concat())
            }
            Self::Object(place, object) => visitor.visit_map(Members {
                place,
                rest: object.members.iter(),
                value: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(Error::custom("no name")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

/// A text without the quotes that CSV doubles.
fn unquoted(text: &str) -> String {
    text.replace("\"\"", "\"")
}

/// The members of an object, one after the other.
struct Members<'a> {
    place: Place<'a>,
    rest: std::slice::Iter<'a, Member>,
    value: Option<&'a Value>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(member) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(&member.value);
        seed.deserialize(BorrowedStrDeserializer::new(&member.name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.value.take();
        let value = value.ok_or_else(|| Error::custom("no key"))?;
        seed.deserialize(self.place.value(value))
    }
}
