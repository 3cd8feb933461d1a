//! An operand of a bound query: how to get from a row to a field of the row or
//! of one of its parents.

use std::borrow::Cow;
use std::sync::Arc;

use super::date_function::DateFunction;
use super::view::View;
use crate::schema::FieldKind;
use crate::table::Row;
use crate::value::Value;

/// One step from a row to a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The reference field's column.
    pub(crate) column: usize,
    /// The parent's object; `None` if the id decides.
    pub(crate) object: Option<usize>,
}

/// Where the value is, once at the right row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Leaf {
    /// In a column.
    Column(usize),
    /// In a column that depends on the object, by the object's place.
    ByObject(Vec<Option<usize>>),
    /// `Owner.Type`: the object's name, by the object's place.
    Type(Vec<Value>),
}

/// A field that a condition, an order or a group names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operand {
    /// The steps to the row.
    pub(crate) steps: Vec<Step>,
    /// The place in the row.
    pub(crate) leaf: Leaf,
    /// The function applied to it.
    pub(crate) function: Option<DateFunction>,
    /// The kind of the values, after the function.
    pub(crate) kind: FieldKind,
    /// A picklist's values in lower case, in the order of setup, which is the
    /// order that they sort in.
    pub(crate) picklist: Arc<[String]>,
}

static NULL: Value = Value::Null;

/// Follows one step.
pub(crate) fn follow<'a>(view: &View<'a>, row: &'a Row, step: Step) -> Option<(usize, &'a Row)> {
    let id = row.get(step.column).as_str()?;
    match step.object {
        Some(object) => Some((object, view.table(object)?.get(id)?)),
        None => view.record(id),
    }
}

impl Operand {
    /// The column, if the value is the row's own and unchanged.
    pub(crate) fn own_column(&self) -> Option<usize> {
        match (&self.leaf, self.steps.is_empty(), self.function) {
            (Leaf::Column(column), true, None) => Some(*column),
            _ => None,
        }
    }

    /// The value for a row; null if a parent is missing on the way.
    pub(crate) fn value<'a>(&'a self, view: &View<'a>, row: &'a Row) -> Cow<'a, Value> {
        let value = self.stored(view, row).unwrap_or(&NULL);
        match self.function {
            Some(function) => Cow::Owned(function.of(value)),
            None => Cow::Borrowed(value),
        }
    }

    fn stored<'a>(&'a self, view: &View<'a>, row: &'a Row) -> Option<&'a Value> {
        let (mut object, mut row) = (None, row);
        for step in &self.steps {
            let (index, parent) = follow(view, row, *step)?;
            (object, row) = (Some(index), parent);
        }
        match &self.leaf {
            Leaf::Column(column) => Some(row.get(*column)),
            Leaf::ByObject(columns) => Some(row.get((*columns.get(object?)?)?)),
            Leaf::Type(names) => names.get(object?),
        }
    }
}
