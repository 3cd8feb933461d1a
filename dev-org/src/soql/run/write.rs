//! Writes records as JSON, straight into one buffer.

use std::sync::Arc;

use crate::org::write_field;
use crate::schema::ID_COLUMN;
use crate::soql::answer::Answer;
use crate::soql::operand::{Leaf, follow};
use crate::soql::plan::{Children, Content, NamedParent, Output, Record};
use crate::soql::run::select;
use crate::soql::view::View;
use crate::table::Row;
use crate::value::Value;

/// What writing needs beside the record: where children that do not fit in a
/// page go.
pub(crate) struct Writer<'w, 'a> {
    pub(crate) view: &'w View<'a>,
    /// How many children are written with their parent at most.
    pub(crate) batch: usize,
    /// Keeps the rest of the children and says the URL that continues them.
    pub(crate) keep: &'w mut dyn FnMut(Answer) -> String,
    pub(crate) out: &'w mut Vec<u8>,
}

impl<'a> Writer<'_, 'a> {
    /// Writes one record.
    pub(crate) fn record(&mut self, record: &Record, row: &'a Row) {
        self.out.extend_from_slice(&record.head);
        self.out.extend_from_slice(row.id().as_bytes());
        self.out.extend_from_slice(b"\"}");
        for Output { key, content } in &record.fields {
            self.out.extend_from_slice(key);
            self.content(content, row);
        }
        self.out.push(b'}');
    }

    fn content(&mut self, content: &Content, row: &'a Row) {
        match content {
            Content::Column(column) => row.get(*column).write_json(self.out),
            Content::Constant(value) => value.write_json(self.out),
            Content::Shown(column, shown) => shown.of(row.get(*column)).write_json(self.out),
            Content::Computed {
                object,
                column,
                version,
            } => match self.view.object(*object) {
                Some(object) => write_field(self.out, object, row, *column, version),
                None => self.null(),
            },
            Content::Parent(step, record) => match follow(self.view, row, *step) {
                Some((_, parent)) => self.record(record, parent),
                None => self.null(),
            },
            Content::NamedParent(step, named) => match follow(self.view, row, *step) {
                Some((object, parent)) => self.named_parent(named, object, parent),
                None => self.null(),
            },
            Content::TypeOf(step, records) => {
                let parent = follow(self.view, row, *step);
                let found = parent
                    .and_then(|(object, parent)| Some((records.get(object)?.as_ref()?, parent)));
                match found {
                    Some((record, parent)) => self.record(record, parent),
                    None => self.null(),
                }
            }
            Content::Children(children) => self.children(children, row),
        }
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn named_parent(&mut self, named: &NamedParent, object: usize, parent: &'a Row) {
        let Some(head) = named.heads.get(object) else {
            return self.null();
        };
        self.out.extend_from_slice(head);
        self.out.extend_from_slice(parent.id().as_bytes());
        self.out.extend_from_slice(b"\"}");
        for (key, leaf) in &named.fields {
            self.out.extend_from_slice(key);
            let value = match leaf {
                Leaf::Column(column) => Some(parent.get(*column)),
                Leaf::ByObject(columns) => match columns.get(object) {
                    Some(Some(column)) => Some(parent.get(*column)),
                    _ => None,
                },
                Leaf::Type(names) => names.get(object),
            };
            value.unwrap_or(&Value::Null).write_json(self.out);
        }
        self.out.push(b'}');
    }

    /// The children of a record, null if there are none.
    fn children(&mut self, children: &Children, row: &'a Row) {
        let parent = row.get(ID_COLUMN);
        let selection = &children.selection;
        let places = select::places_with(self.view, selection, children.parent_column, parent);
        let Some(table) = self
            .view
            .table(selection.object)
            .filter(|_| !places.is_empty())
        else {
            return self.null();
        };
        let total = places.len();
        let done = total <= self.batch;
        let head = format!(r#"{{"totalSize":{total},"done":{done},"#);
        self.out.extend_from_slice(head.as_bytes());
        if !done {
            let rest = Answer::of_records(places.clone(), Arc::clone(&children.record));
            let url = (self.keep)(rest);
            self.out.extend_from_slice(br#""nextRecordsUrl":"#);
            Value::text(url).write_json(self.out);
            self.out.push(b',');
        }
        self.out.extend_from_slice(br#""records":["#);
        for (at, place) in places.iter().take(self.batch).enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            match table.row_at(*place as usize) {
                Some(child) => self.record(&children.record, child),
                None => self.null(),
            }
        }
        self.out.extend_from_slice(b"]}");
    }
}
