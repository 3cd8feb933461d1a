//! A record being written: the values to be, what the body gave, and what was
//! there before.

use crate::schema::Object;
use crate::table::Row;
use crate::value::Value;

/// A record being written.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) object: &'a Object,
    pub(super) values: Vec<Value>,
    given: Vec<bool>,
    before: Option<Vec<Value>>,
}

impl<'a> Draft<'a> {
    /// A new record.
    pub(super) fn new(object: &'a Object) -> Self {
        let columns = object.fields.len();
        Self {
            object,
            values: vec![Value::Null; columns],
            given: vec![false; columns],
            before: None,
        }
    }

    /// A change of a record that is there.
    pub(super) fn of(object: &'a Object, row: &Row) -> Self {
        let values = row.to_values(object.fields.len());
        Self {
            object,
            given: vec![false; values.len()],
            before: Some(values.clone()),
            values,
        }
    }

    /// Whether the record is new.
    pub(super) fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// Sets a column because the body says so.
    pub(super) fn give(&mut self, column: usize, value: Value) {
        if let Some(given) = self.given.get_mut(column) {
            *given = true;
        }
        self.put(column, value);
    }

    /// Sets a column.
    pub(super) fn put(&mut self, column: usize, value: Value) {
        if let Some(slot) = self.values.get_mut(column) {
            *slot = value;
        }
    }

    /// Sets a field, where the object has it.
    pub(super) fn set(&mut self, field: &str, value: Value) {
        if let Some(column) = self.object.column(field) {
            self.put(column, value);
        }
    }

    /// The value of a column to be.
    pub(super) fn at(&self, column: usize) -> &Value {
        self.values.get(column).unwrap_or(&Value::Null)
    }

    /// The value of a field to be.
    pub(super) fn get(&self, field: &str) -> &Value {
        self.object
            .column(field)
            .map_or(&Value::Null, |column| self.at(column))
    }

    /// The text of a field to be; empty without one.
    pub(super) fn text(&self, field: &str) -> &str {
        self.get(field).as_str().unwrap_or_default()
    }

    /// The value of a field before, `Null` for a new record.
    pub(super) fn before(&self, field: &str) -> &Value {
        self.object
            .column(field)
            .map_or(&Value::Null, |column| self.before_at(column))
    }

    /// The value of a column before.
    pub(super) fn before_at(&self, column: usize) -> &Value {
        self.before
            .as_ref()
            .and_then(|values| values.get(column))
            .unwrap_or(&Value::Null)
    }

    /// Whether the body gave a field.
    pub(super) fn is_given(&self, field: &str) -> bool {
        self.object
            .column(field)
            .is_some_and(|column| self.is_given_at(column))
    }

    /// Whether the body gave a column.
    pub(super) fn is_given_at(&self, column: usize) -> bool {
        self.given.get(column).copied().unwrap_or(false)
    }

    /// Whether a field differs from before.
    pub(super) fn is_changed(&self, field: &str) -> bool {
        self.get(field) != self.before(field)
    }
}
