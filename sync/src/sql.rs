//! What a database must do for a sync: run statements in transactions, and say
//! what differs in its SQL.
//!
//! All rules of a sync are written once, above this trait, for nearly all of its
//! SQL is the same everywhere. A backend holds what is not: types, triggers, and
//! how changes of ours are told from those of other programs.

use crate::error::DatabaseError;
use crate::kind::Kind;
use crate::plan::ObjectPlan;
use crate::value::Value;

/// What stands in one place of a row, as the database gives and takes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Row(pub(crate) Vec<Cell>);

impl Row {
    pub(crate) fn cell(&self, at: usize) -> Result<&Cell, DatabaseError> {
        let missing = || DatabaseError::damaged(format!("an answer has no column {at}"));
        self.0.get(at).ok_or_else(missing)
    }

    pub(crate) fn text(&self, at: usize) -> Result<String, DatabaseError> {
        self.maybe_text(at)?
            .ok_or_else(|| DatabaseError::damaged(format!("no text in column {at} of an answer")))
    }

    pub(crate) fn maybe_text(&self, at: usize) -> Result<Option<String>, DatabaseError> {
        match self.cell(at)? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text.clone())),
            Cell::Int(number) => Ok(Some(number.to_string())),
            Cell::Real(_) => Err(DatabaseError::damaged("a fraction in the place of a text")),
        }
    }

    pub(crate) fn int(&self, at: usize) -> Result<i64, DatabaseError> {
        self.maybe_int(at)?
            .ok_or_else(|| DatabaseError::damaged(format!("no number in column {at} of an answer")))
    }

    pub(crate) fn maybe_int(&self, at: usize) -> Result<Option<i64>, DatabaseError> {
        match self.cell(at)? {
            Cell::Null => Ok(None),
            Cell::Int(number) => Ok(Some(*number)),
            other => Err(DatabaseError::damaged(format!(
                "{other:?} in the place of a number"
            ))),
        }
    }
}

/// A column as it is in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    /// Its type, in the words of [`Sql::column_type`].
    pub(crate) column_type: String,
    /// A row cannot be inserted without a value for it.
    pub(crate) is_required: bool,
}

/// A connection to a database. Blocks.
///
/// Statements name their values `?1`, `?2` and so on, and the sync's own tables `~rows`
/// and so on; see `own.rs`. Outside of `begin` and `commit` nothing is written.
pub(crate) trait Sql: Send {
    /// Begins to write. From here to the end, what is written to the users' tables
    /// is not captured; what other programs write is.
    fn begin(&mut self) -> Result<(), DatabaseError>;

    fn commit(&mut self) -> Result<(), DatabaseError>;

    /// Undoes what was written since `begin`. A connection that cannot is no longer
    /// used.
    fn rollback(&mut self);

    /// Has constraints that are checked at the end checked with each statement of this
    /// transaction instead, so that it is known which row breaks one.
    fn check_at_once(&mut self) -> Result<(), DatabaseError>;

    /// Runs a statement and gives the number of rows that it changed.
    fn run(&mut self, sql: &str, values: &[Cell]) -> Result<u64, DatabaseError>;

    /// Runs a query, or a statement with `RETURNING`.
    fn rows(&mut self, sql: &str, values: &[Cell]) -> Result<Vec<Row>, DatabaseError>;

    /// Runs statements that change tables.
    fn define(&mut self, sql: &str) -> Result<(), DatabaseError>;

    /// The prefixes of the own tables of the other syncs in this database.
    fn other_syncs(&mut self) -> Result<Vec<String>, DatabaseError>;

    /// The columns of a table, none if there is no such table.
    fn found_columns(&mut self, table: &str) -> Result<Vec<FoundColumn>, DatabaseError>;

    /// The type of a number that counts up by itself and is a primary key.
    fn serial(&self) -> &'static str;

    /// The definition of the column of a row's own key, up to its default.
    fn key_definition(&self) -> &'static str;

    /// The type of a column; texts with their length, if they have one.
    fn column_type(&self, kind: Kind, max_length: u32) -> String;

    /// How a column is read so that [`value`] understands it.
    fn read(&self, column: &str, kind: Kind) -> String;

    /// A value as it is written to a column.
    fn cell(&self, kind: Kind, value: &Value) -> Cell;

    /// What follows a query whose rows nobody else may change until the commit.
    fn for_update(&self) -> &'static str;

    /// A text in the order of its bytes, whatever the database's own order is.
    fn by_bytes(&self, column: &str) -> String;

    /// The statement that makes a column take another type, if no value can suffer
    /// from it; empty if nothing needs to be done, `None` if it cannot be.
    fn widen(
        &self,
        table: &str,
        column: &str,
        from: (Kind, u32),
        to: (Kind, u32),
    ) -> Option<String>;

    /// Statements that let the database watch over a table: what other programs do
    /// to it is checked and captured.
    fn watch(&self, object: &ObjectPlan) -> String;

    /// Statements that end that; they may find nothing.
    fn unwatch(&self, table: &str) -> String;

    /// Documents a column, where the database has a place for it.
    fn document(&mut self, table: &str, column: &str, text: &str) -> Result<(), DatabaseError>;

    /// Takes the sync for one engine, until this connection ends: waits a while for
    /// another that has it, then gives [`DatabaseError::Taken`].
    fn claim(&mut self) -> Result<(), DatabaseError>;

    /// Whether it can be used; tried before each job.
    fn revive(&mut self) -> Result<(), DatabaseError>;
}

/// Digits that a float gives back as they came.
const EXACT_DIGITS: usize = 14;

/// What a column says, in the form of its kind.
pub(crate) fn value(kind: Kind, cell: &Cell) -> Value {
    let value = match cell {
        Cell::Null => Value::Null,
        Cell::Int(number) => Value::int(*number),
        Cell::Text(text) => Value::text(text),
        // Fifteen digits in all: what a program has reckoned with floats is not
        // meant to the last bit.
        Cell::Real(number) => {
            let text = format!("{number:.EXACT_DIGITS$e}");
            crate::value::decimal(&text).map_or(Value::Text(text), Value::Number)
        }
    };
    kind.canonical(value)
}
