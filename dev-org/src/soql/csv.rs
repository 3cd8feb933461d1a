//! A query's answer as CSV, for bulk jobs: which columns, which rows, and how
//! to write any part of them. Parents are columns of their own; what has no
//! place in a table of text is refused.

use std::sync::Arc;

use super::ast::SelectItem;
use super::bind::Binder;
use super::error::QueryError;
use super::operand::{Leaf, Step, follow};
use super::parser;
use super::plan::{Content, Output, Record, Selection, Shown, plain_key};
use super::run::select;
use super::view::View;
use crate::fault::Fault;
use crate::org::Org;
use crate::schema::FieldKind;
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

/// How a statement is to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CsvOptions {
    /// With deleted rows.
    pub(crate) all_rows: bool,
    /// Columns by name instead of in the order asked for.
    pub(crate) by_name: bool,
}

/// The answer: its columns, and the places of its rows once they are found.
#[derive(Clone, Debug)]
pub(crate) struct CsvAnswer {
    selection: Arc<Selection>,
    columns: Arc<[Column]>,
    places: Arc<[u32]>,
}

/// Where a search is.
#[derive(Debug)]
pub(crate) struct Search {
    /// The places that an index names; all places otherwise.
    candidates: Option<Vec<usize>>,
    next: usize,
    found: Vec<u32>,
}

impl Search {
    /// How many rows match so far.
    pub(crate) fn found(&self) -> usize {
        self.found.len()
    }
}

/// One column.
#[derive(Clone, Debug)]
struct Column {
    /// `Account.Name`.
    name: String,
    /// The way to the parent that has the value.
    steps: Vec<Step>,
    cell: Cell,
}

#[derive(Clone, Debug)]
enum Cell {
    Leaf(Leaf),
    Shown(usize, Shown),
    Constant(Value),
}

/// Plans the answer of a statement for a user.
pub(crate) fn csv_answer(
    org: &Org,
    who: &User,
    text: &str,
    options: CsvOptions,
) -> Result<CsvAnswer, Fault> {
    let view = View::of(org);
    let refuse = |error: QueryError| Fault::bad_request(error.code, error.full_message(text));
    let query = parser::parse(text).map_err(refuse)?;
    if query.offset.is_some() {
        return Err(unsupported("OFFSET"));
    }
    if !query.group.is_empty() || query.select.contains(&SelectItem::Count) {
        return Err(unsupported("Aggregates"));
    }
    let binder = Binder::new(&view, who, "", options.all_rows);
    let Some((selection, records)) = binder.columns(&query).map_err(refuse)? else {
        return Err(unsupported("Aggregates"));
    };
    let mut columns = Vec::new();
    for record in &records {
        flatten(&view, record, "", &[], &mut columns)?;
    }
    if options.by_name {
        columns.sort_by(|left: &Column, right| left.name.cmp(&right.name));
    }
    Ok(CsvAnswer {
        selection: Arc::new(selection),
        columns: columns.into(),
        places: [].into(),
    })
}

fn unsupported(what: &str) -> Fault {
    Fault::bad_request(
        "FUNCTIONALITY_NOT_ENABLED",
        format!("{what} not supported in Bulk Query"),
    )
}

fn flatten(
    view: &View<'_>,
    record: &Record,
    prefix: &str,
    steps: &[Step],
    columns: &mut Vec<Column>,
) -> Result<(), Fault> {
    for Output { key, content } in &record.fields {
        let name = format!("{prefix}{}", plain_key(key));
        let with = |step: &Step| [steps, &[*step]].concat();
        let cell = match content {
            Content::Column(column) => Cell::Leaf(Leaf::Column(*column)),
            Content::Shown(column, shown) => Cell::Shown(*column, shown.clone()),
            Content::Constant(value) => Cell::Constant(value.clone()),
            Content::Computed { object, column, .. } => {
                let field = view
                    .object(*object)
                    .and_then(|object| object.fields.get(*column));
                let is_binary = field.is_some_and(|field| field.kind == FieldKind::Base64);
                return Err(unsupported(if is_binary {
                    "Selecting binary data"
                } else {
                    "Selecting compound data"
                }));
            }
            Content::Parent(step, parent) => {
                flatten(view, parent, &format!("{name}."), &with(step), columns)?;
                continue;
            }
            Content::NamedParent(step, named) => {
                for (key, leaf) in &named.fields {
                    columns.push(Column {
                        name: format!("{name}.{}", plain_key(key)),
                        steps: with(step),
                        cell: Cell::Leaf(leaf.clone()),
                    });
                }
                continue;
            }
            Content::TypeOf(..) => return Err(unsupported("TYPEOF")),
            Content::Children(_) => return Err(unsupported("Aggregate Relationships")),
        };
        columns.push(Column {
            name,
            steps: steps.to_vec(),
            cell,
        });
    }
    Ok(())
}

impl CsvAnswer {
    /// The object's name.
    pub(crate) fn object<'o>(&self, org: &'o Org) -> &'o str {
        let mut objects = org.schema.objects();
        objects
            .nth(self.selection.object)
            .map_or("", |object| object.name.as_str())
    }

    /// How many rows there are.
    pub(crate) fn total(&self) -> usize {
        self.places.len()
    }

    /// Starts to look for the rows.
    pub(crate) fn search(&self, org: &Org) -> Search {
        Search {
            candidates: select::candidates(&View::of(org), &self.selection),
            next: 0,
            found: Vec::new(),
        }
    }

    /// Looks at so many more rows; true when all have been looked at.
    pub(crate) fn search_more(&self, org: &Org, search: &mut Search, rows: usize) -> bool {
        let view = View::of(org);
        let from = search.next;
        search.next = from.saturating_add(rows);
        let behind = match &search.candidates {
            Some(places) => {
                let part = places.iter().skip(from).take(rows).copied();
                search
                    .found
                    .extend(select::matching(&view, &self.selection, part));
                places.len()
            }
            None => {
                let table = view.table(self.selection.object);
                let behind = table.map_or(0, crate::table::Table::len);
                let part = from..search.next.min(behind);
                search
                    .found
                    .extend(select::matching(&view, &self.selection, part));
                behind
            }
        };
        let is_enough = self.selection.order.is_empty()
            && self
                .selection
                .limit
                .is_some_and(|limit| search.found.len() >= limit);
        is_enough || search.next >= behind
    }

    /// Takes what was found as the answer.
    pub(crate) fn finish(&mut self, org: &Org, search: Search) {
        let places = select::arranged(&View::of(org), &self.selection, search.found);
        self.places = places.into();
    }

    /// Writes the names of the columns.
    pub(crate) fn write_header(&self, delimit: &dyn Fn(&mut Vec<u8>), out: &mut Vec<u8>) {
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                delimit(out);
            }
            Value::text(column.name.as_str()).write_csv(out);
        }
    }

    /// Writes rows from one number up to another.
    pub(crate) fn write_rows(
        &self,
        org: &Org,
        rows: std::ops::Range<usize>,
        delimit: &dyn Fn(&mut Vec<u8>),
        end_row: &dyn Fn(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let view = View::of(org);
        let Some(table) = view.table(self.selection.object) else {
            return;
        };
        let places = self.places.get(rows).unwrap_or_default();
        for row in places
            .iter()
            .filter_map(|place| table.row_at(*place as usize))
        {
            for (at, column) in self.columns.iter().enumerate() {
                if at > 0 {
                    delimit(out);
                }
                column.write(&view, self.selection.object, row, out);
            }
            end_row(out);
        }
    }
}

impl Column {
    fn write(&self, view: &View<'_>, object: usize, row: &Row, out: &mut Vec<u8>) {
        let (mut object, mut row) = (object, row);
        for step in &self.steps {
            match follow(view, row, *step) {
                Some(parent) => (object, row) = parent,
                None => return Value::Null.write_csv(out),
            }
        }
        match &self.cell {
            Cell::Leaf(Leaf::Column(column)) => row.get(*column).write_csv(out),
            Cell::Leaf(Leaf::ByObject(columns)) => {
                let column = columns.get(object).copied().flatten();
                column
                    .map_or(&Value::Null, |column| row.get(column))
                    .write_csv(out);
            }
            Cell::Leaf(Leaf::Type(names)) => {
                names.get(object).unwrap_or(&Value::Null).write_csv(out)
            }
            Cell::Shown(column, shown) => shown.of(row.get(*column)).write_csv(out),
            Cell::Constant(value) => value.write_csv(out),
        }
    }
}
