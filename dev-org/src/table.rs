//! One object's rows, in the order of their ids, with the indexes that joins,
//! upserts and duplicate rules need.
//!
//! A million rows must fit in memory beside everything else, so a row stores
//! only the values that are there: one bit for each column says which.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::id;
use crate::schema::{FieldKind, ID_COLUMN, Object};
use crate::value::Value;

/// Words of a row's presence bits; with 64 bits each, `MAX_FIELDS` columns.
const WORDS: usize = 4;
static NULL: Value = Value::Null;

/// One record.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Bit `c` says that column `c` has a value.
    present: [u64; WORDS],
    /// The values that are there, by column. Shared, since journals and events
    /// keep rows as they were.
    values: Arc<[Value]>,
    /// When it was deleted, in milliseconds; it is then in the recycle bin.
    pub deleted: Option<i64>,
    /// It was deleted past the recycle bin; only getDeleted still tells of it.
    pub purged: bool,
}

impl Row {
    /// A row of one value for each column.
    pub fn new(values: impl IntoIterator<Item = Value>) -> Self {
        let mut present = [0; WORDS];
        let mut kept = Vec::new();
        for (column, value) in values.into_iter().enumerate() {
            if value.is_null() {
                continue;
            }
            if let Some(word) = present.get_mut(column / 64) {
                *word |= 1 << (column % 64);
                kept.push(value);
            }
        }
        Self {
            present,
            values: kept.into(),
            deleted: None,
            purged: false,
        }
    }

    /// The value of a column; `Null` where there is none.
    pub fn get(&self, column: usize) -> &Value {
        let word = column / 64;
        let bit = 1_u64 << (column % 64);
        let Some(bits) = self.present.get(word).filter(|bits| **bits & bit != 0) else {
            return &NULL;
        };
        let before: u32 = self
            .present
            .iter()
            .take(word)
            .map(|bits| bits.count_ones())
            .sum();
        let rank = before + (bits & (bit - 1)).count_ones();
        usize::try_from(rank)
            .ok()
            .and_then(|rank| self.values.get(rank))
            .unwrap_or(&NULL)
    }

    /// The record's id.
    pub fn id(&self) -> &str {
        self.get(ID_COLUMN).as_str().unwrap_or_default()
    }

    /// The record's id, shared.
    pub fn shared_id(&self) -> Arc<str> {
        match self.get(ID_COLUMN) {
            Value::Text(id) => Arc::clone(id),
            _ => Arc::from(""),
        }
    }

    /// All columns as a list that can be changed and made a row again.
    pub fn to_values(&self, columns: usize) -> Vec<Value> {
        (0..columns)
            .map(|column| self.get(column).clone())
            .collect()
    }

    /// Whether the record is in the recycle bin.
    pub fn is_deleted(&self) -> bool {
        self.deleted.is_some()
    }
}

/// The rows that share one value, by place in the table.
#[derive(Clone, Debug)]
enum Places {
    One(u32),
    Many(Vec<u32>),
}

/// How the values of an indexed column are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    /// Ids, by their first fifteen characters.
    Id,
    /// Text without case.
    AnyCase,
    /// Values as they are.
    Exact,
}

/// An index on one column.
#[derive(Clone, Debug)]
struct Index {
    column: usize,
    how: Match,
    places: HashMap<u64, Places>,
}

/// One object's rows.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Row>,
    indexes: Vec<Index>,
    /// How every column compares, for `find` without an index.
    compare: Vec<Match>,
    /// The serial number of the first id made for this table.
    first_serial: u64,
    /// The serial number of the next id.
    next_serial: u64,
    /// The last number of each auto-number column.
    pub(crate) last_number: u64,
    live: usize,
}

impl Table {
    /// An empty table for an object; ids count from `first_serial`.
    pub(crate) fn new(object: &Object, first_serial: u64) -> Self {
        let how = |kind: FieldKind, case_sensitive: bool| match kind {
            kind if kind.is_id() => Match::Id,
            kind if kind.is_text() && !case_sensitive => Match::AnyCase,
            _ => Match::Exact,
        };
        let compare: Vec<Match> = object
            .fields
            .iter()
            .map(|field| how(field.kind, field.case_sensitive))
            .collect();
        let indexes = object
            .fields
            .iter()
            .zip(&compare)
            .enumerate()
            .filter(|(_, (field, _))| field.indexed)
            .map(|(column, (_, how))| Index {
                column,
                how: *how,
                places: HashMap::new(),
            })
            .collect();
        Self {
            rows: Vec::new(),
            indexes,
            compare,
            first_serial,
            next_serial: first_serial,
            last_number: 0,
            live: 0,
        }
    }

    /// Makes room for fields that the object has since got.
    pub(crate) fn reshape(&mut self, object: &Object) {
        let mut table = Self::new(object, self.first_serial);
        for row in self.rows.drain(..) {
            table.push(row);
        }
        table.live = self.live;
        table.next_serial = self.next_serial;
        table.last_number = self.last_number;
        *self = table;
    }

    /// The table of no object.
    pub(crate) fn without_columns() -> Self {
        Self {
            rows: Vec::new(),
            indexes: Vec::new(),
            compare: Vec::new(),
            first_serial: 0,
            next_serial: 0,
            last_number: 0,
            live: 0,
        }
    }

    /// All rows in id order, deleted ones too.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Row> + DoubleEndedIterator + Clone {
        self.rows.iter()
    }

    /// The row at a place of `rows`.
    pub fn row_at(&self, place: usize) -> Option<&Row> {
        self.rows.get(place)
    }

    /// How many rows there are, deleted ones too.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many rows are not deleted.
    pub fn live_len(&self) -> usize {
        self.live
    }

    /// Whether there are no rows at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row by id of 15 or 18 characters, deleted or not.
    pub fn get(&self, id: &str) -> Option<&Row> {
        self.rows.get(self.place_of(id)?)
    }

    /// Where in `rows` the row of an id is.
    pub fn place_of(&self, id: &str) -> Option<usize> {
        let guess = id::serial(id)
            .and_then(|serial| serial.checked_sub(self.first_serial))
            .and_then(|place| usize::try_from(place).ok());
        if let Some(place) = guess
            && self
                .rows
                .get(place)
                .is_some_and(|row| id::same(row.id(), id))
        {
            return Some(place);
        }
        let key = id.get(..15)?;
        self.rows
            .binary_search_by(|row| row.id().get(..15).unwrap_or_default().cmp(key))
            .ok()
    }

    /// Rows whose column has this value, in id order, deleted ones too. Text is
    /// compared without case, except in case-sensitive columns; ids by their
    /// first fifteen characters. Fast for id, reference, external id, unique and
    /// idLookup columns; a look at every row for others.
    pub fn find(&self, column: usize, value: &Value) -> Vec<&Row> {
        self.find_places(column, value)
            .into_iter()
            .filter_map(|place| self.rows.get(place))
            .collect()
    }

    /// As `find`, giving places in `rows`.
    pub fn find_places(&self, column: usize, value: &Value) -> Vec<usize> {
        if column == ID_COLUMN {
            let place = value.as_str().and_then(|id| self.place_of(id));
            return place.into_iter().collect();
        }
        let how = self.compare.get(column).copied().unwrap_or(Match::Exact);
        let fits = |place: &usize| {
            self.rows
                .get(*place)
                .is_some_and(|row| is_same(how, row.get(column), value))
        };
        let index = self.indexes.iter().find(|index| index.column == column);
        match index {
            Some(index) if !value.is_null() => match index.places.get(&hash(how, value)) {
                None => Vec::new(),
                Some(Places::One(place)) => [*place as usize].into_iter().filter(fits).collect(),
                Some(Places::Many(places)) => places
                    .iter()
                    .map(|place| *place as usize)
                    .filter(fits)
                    .collect(),
            },
            _ => (0..self.rows.len()).filter(fits).collect(),
        }
    }

    /// Whether `find` on this column is fast.
    pub fn is_indexed(&self, column: usize) -> bool {
        column == ID_COLUMN || self.indexes.iter().any(|index| index.column == column)
    }

    /// The id of the next row.
    pub(crate) fn next_id(&self, prefix: &str) -> id::Id {
        id::make(prefix, self.next_serial)
    }

    /// The id of the next row, which no other row will get.
    pub(crate) fn take_id(&mut self, prefix: &str) -> id::Id {
        let id = self.next_id(prefix);
        self.next_serial += 1;
        id
    }

    /// Adds a row, whose id must be greater than all before.
    pub(crate) fn push(&mut self, row: Row) {
        let Ok(place) = u32::try_from(self.rows.len()) else {
            return;
        };
        for index in &mut self.indexes {
            index.add(row.get(index.column), place);
        }
        if let Some(serial) = id::serial(row.id()) {
            self.next_serial = self.next_serial.max(serial + 1);
        }
        self.live += 1;
        self.rows.push(row);
    }

    /// Takes the last row out again, as if it had never been added.
    pub(crate) fn pop(&mut self) {
        let Some(row) = self.rows.pop() else {
            return;
        };
        let Ok(place) = u32::try_from(self.rows.len()) else {
            return;
        };
        for index in &mut self.indexes {
            index.remove(row.get(index.column), place);
        }
        self.live = self.live.saturating_sub(usize::from(!row.is_deleted()));
    }

    /// Puts a changed row in the place of the one before.
    pub(crate) fn replace(&mut self, place: usize, row: Row) {
        let (Some(old), Ok(at)) = (self.rows.get_mut(place), u32::try_from(place)) else {
            return;
        };
        match (old.is_deleted(), row.is_deleted()) {
            (false, true) => self.live = self.live.saturating_sub(1),
            (true, false) => self.live += 1,
            _ => {}
        }
        let old = std::mem::replace(old, row);
        for index in &mut self.indexes {
            let before = old.get(index.column);
            let Some(row) = self.rows.get(place) else {
                continue;
            };
            let after = row.get(index.column);
            if before != after {
                index.remove(before, at);
                index.add(after, at);
            }
        }
    }
}

impl Index {
    fn add(&mut self, value: &Value, place: u32) {
        if value.is_null() {
            return;
        }
        self.places
            .entry(hash(self.how, value))
            .and_modify(|places| match places {
                Places::One(first) => {
                    let mut many = vec![*first, place];
                    many.sort_unstable();
                    *places = Places::Many(many);
                }
                Places::Many(many) => match many.last() {
                    Some(last) if *last > place => {
                        let at = many.partition_point(|other| *other < place);
                        many.insert(at, place);
                    }
                    _ => many.push(place),
                },
            })
            .or_insert(Places::One(place));
    }

    fn remove(&mut self, value: &Value, place: u32) {
        if value.is_null() {
            return;
        }
        let key = hash(self.how, value);
        let empty = match self.places.get_mut(&key) {
            Some(Places::Many(many)) => {
                if let Ok(at) = many.binary_search(&place) {
                    many.remove(at);
                }
                many.is_empty()
            }
            Some(Places::One(only)) => *only == place,
            None => false,
        };
        if empty {
            self.places.remove(&key);
        }
    }
}

fn hash(how: Match, value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    match (how, value) {
        (Match::Id, Value::Text(id)) => id.get(..15).unwrap_or(id).hash(&mut hasher),
        (Match::AnyCase, Value::Text(text)) => {
            for letter in text.chars().flat_map(char::to_lowercase) {
                letter.hash(&mut hasher);
            }
        }
        (_, Value::Text(text)) => text.hash(&mut hasher),
        // 5 and 5.0 are one value.
        (_, Value::Int(_) | Value::Double(_)) => {
            value.as_f64().unwrap_or(0.0).to_bits().hash(&mut hasher);
        }
        (_, Value::Bool(flag)) => flag.hash(&mut hasher),
        (_, Value::Date(days)) => days.hash(&mut hasher),
        (_, Value::DateTime(ms)) => ms.hash(&mut hasher),
        (_, Value::Time(ms)) => ms.hash(&mut hasher),
        (_, Value::Blob(bytes)) => bytes.hash(&mut hasher),
        (_, Value::Null) => {}
    }
    hasher.finish()
}

fn is_same(how: Match, left: &Value, right: &Value) -> bool {
    match (how, left, right) {
        (Match::Id, Value::Text(left), Value::Text(right)) => id::same(left, right),
        (Match::AnyCase, Value::Text(left), Value::Text(right)) => same_without_case(left, right),
        (_, Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_)) => {
            left.as_f64() == right.as_f64()
        }
        _ => left == right,
    }
}

/// Whether two texts are the same without case.
pub(crate) fn same_without_case(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || (!left.is_ascii()
            && left
                .chars()
                .flat_map(char::to_lowercase)
                .eq(right.chars().flat_map(char::to_lowercase)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{DEMO, Schema};

    fn accounts() -> (Schema, Table) {
        let mut schema = Schema::standard().unwrap();
        schema.extend(DEMO).unwrap();
        let table = Table::new(schema.object("Account").unwrap(), 1_000);
        (schema, table)
    }

    fn account(object: &Object, table: &Table, parent: Option<&str>, key: &str) -> Row {
        let mut values = vec![Value::Null; object.fields.len()];
        values[ID_COLUMN] = Value::Text(table.next_id("001"));
        values[object.column("Name").unwrap()] = Value::text("Acme");
        values[object.column("External_Id__c").unwrap()] = Value::text(key);
        if let Some(parent) = parent {
            values[object.column("ParentId").unwrap()] = Value::text(parent);
        }
        Row::new(values)
    }

    #[test]
    fn a_row_gives_back_what_it_was_made_of_and_null_elsewhere() {
        let mut values = vec![Value::Null; 130];
        for column in [0, 1, 63, 64, 128] {
            values[column] = Value::Int(column as i64);
        }
        let row = Row::new(values.clone());
        assert_eq!(row.to_values(130), values);
        assert!(row.get(129).is_null() && row.get(9_999).is_null());
    }

    #[test]
    fn rows_are_found_by_id_of_either_length_and_by_reference_and_external_id() {
        let (schema, mut table) = accounts();
        let object = schema.object("Account").unwrap();
        for number in 0..3 {
            table.push(account(object, &table, None, &format!("Key-{number}")));
        }
        let parent = table.row_at(1).unwrap().shared_id();
        for number in 3..5 {
            table.push(account(
                object,
                &table,
                Some(&parent),
                &format!("Key-{number}"),
            ));
        }
        assert_eq!(table.get(&parent).unwrap().id(), &*parent);
        assert_eq!(table.get(&parent[..15]).unwrap().id(), &*parent);
        assert!(table.get("001000000000001AAA").is_none());
        let by_parent = object.column("ParentId").unwrap();
        assert!(table.is_indexed(by_parent));
        let children = table.find_places(by_parent, &Value::text(&parent[..15]));
        assert_eq!(children, [3, 4]);
        let by_key = object.column("External_Id__c").unwrap();
        assert_eq!(table.find_places(by_key, &Value::text("KEY-3")), [3]);
        let by_name = object.column("Name").unwrap();
        assert!(!table.is_indexed(by_name));
        assert_eq!(table.find(by_name, &Value::text("ACME")).len(), 5);
    }

    #[test]
    fn an_index_follows_a_changed_row() {
        let (schema, mut table) = accounts();
        let object = schema.object("Account").unwrap();
        let by_key = object.column("External_Id__c").unwrap();
        for key in ["a", "b"] {
            table.push(account(object, &table, None, key));
        }
        let mut values = table.row_at(1).unwrap().to_values(object.fields.len());
        values[by_key] = Value::text("a");
        table.replace(1, Row::new(values.clone()));
        assert_eq!(table.find_places(by_key, &Value::text("a")), [0, 1]);
        assert!(table.find_places(by_key, &Value::text("b")).is_empty());
        values[by_key] = Value::Null;
        table.replace(0, Row::new(values));
        assert_eq!(table.find_places(by_key, &Value::text("a")), [1]);
    }
}
