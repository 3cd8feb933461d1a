//! Records as the rows of a table: the text that a product sent, and where in it
//! the values stand.
//!
//! A table may hold millions of records of which an app wants two fields. So they
//! are read where they stand (`read.rs`), and JSON is made of them only for whoever
//! asks for it: a transform, for instance.

mod read;
mod shape;

use std::fmt;
use std::slice::ChunksExact;
use std::sync::OnceLock;

use bytes::Bytes;
use csv_skim::Span;
use json_skim::Skim;

pub(crate) use shape::Shape;
use shape::{Edited, Fixed, Value};

/// Sound rows of a table.
pub(crate) struct Table {
    text: String,
    /// Where the values stand, row by row.
    spans: Vec<Span>,
    /// How many values a row has; never 0.
    width: usize,
    shape: Shape,
    json: OnceLock<Bytes>,
}

/// What a row would have to be.
pub(crate) struct Misfit {
    /// Its place among these, from 0.
    pub(crate) row: usize,
    pub(crate) expected: String,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("rows", &self.len())
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Takes rows of so many values each, which stand in the text, if all of them fit
    /// the shape.
    pub(crate) fn new(
        text: Vec<u8>,
        spans: Vec<Span>,
        width: usize,
        shape: Shape,
    ) -> Result<Self, Misfit> {
        let text = String::from_utf8(text).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let ends = spans.chunks_exact(width.max(1));
            let is_before = |row: &&[Span]| row.last().is_some_and(|span| span.range().end <= at);
            Misfit {
                row: ends.take_while(is_before).count(),
                expected: "UTF-8".to_owned(),
            }
        })?;
        let table = Self {
            text,
            spans,
            width: width.max(1),
            shape,
            json: OnceLock::new(),
        };
        table.check()?;
        Ok(table)
    }

    /// How many rows there are.
    pub(crate) const fn len(&self) -> usize {
        self.spans.len() / self.width
    }

    fn rows(&self) -> ChunksExact<'_, Span> {
        self.spans.chunks_exact(self.width)
    }

    /// The records as a JSON array.
    pub(crate) fn json(&self) -> &Bytes {
        self.json.get_or_init(|| {
            let most = self.text.len() + self.len() * self.shape.fixed_bytes + 2;
            let mut out = Vec::with_capacity(most);
            out.push(b'[');
            for (at, row) in self.rows().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                self.push_object(0, row, &mut out);
            }
            out.push(b']');
            out.into()
        })
    }

    /// Makes sure that each record is there, and that numbers and flags are some.
    fn check(&self) -> Result<(), Misfit> {
        let record = self.shape.objects.first().and_then(|object| object.present);
        let members = self.shape.objects.iter().flat_map(|object| &object.members);
        let typed: Vec<(usize, bool)> = members
            .filter_map(|member| match member.value {
                Value::Number(column) => Some((column, true)),
                Value::Boolean(column) => Some((column, false)),
                _ => None,
            })
            .collect();
        for (at, row) in self.rows().enumerate() {
            let misfit = |column: usize, expected: &str| Misfit {
                row: at,
                expected: format!("{expected} in column {}", column + 1),
            };
            if let Some(column) = record.filter(|column| is_empty(row, *column)) {
                return Err(misfit(column, "something"));
            }
            for (column, is_number) in &typed {
                let text = self.text_of(row, *column);
                match is_number {
                    _ if text.is_empty() => {}
                    true if !is_json_number(text) => return Err(misfit(*column, "a number")),
                    false if !matches!(text, "true" | "false") => {
                        return Err(misfit(*column, "true or false"));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// A value as it stands in the text.
    fn text_of(&self, row: &[Span], column: usize) -> &str {
        let span = row.get(column);
        let text = span.and_then(|span| self.text.get(span.range()));
        text.unwrap_or_default()
    }

    fn push_object(&self, object: usize, row: &[Span], out: &mut Vec<u8>) {
        let Some(object) = self.shape.objects.get(object) else {
            return;
        };
        if object.present.is_some_and(|column| is_empty(row, column)) {
            out.extend_from_slice(b"null");
            return;
        }
        if object.members.is_empty() {
            out.push(b'{');
        }
        for member in &object.members {
            out.extend_from_slice(&member.lead);
            match &member.value {
                Value::Constant(text) => {
                    out.push(b'"');
                    out.extend_from_slice(&text.json);
                    out.push(b'"');
                }
                Value::Object(within) => self.push_object(*within, row, out),
                Value::Text(column)
                | Value::Number(column)
                | Value::Boolean(column)
                | Value::Edited(Edited { column, .. })
                    if is_empty(row, *column) =>
                {
                    out.extend_from_slice(b"null");
                }
                Value::Number(column) | Value::Boolean(column) => {
                    out.extend_from_slice(self.text_of(row, *column).as_bytes());
                }
                Value::Text(column) => {
                    out.push(b'"');
                    push_escaped(out, self.text_of(row, *column), is_plain(row, *column));
                    out.push(b'"');
                }
                Value::Edited(edited) => {
                    out.push(b'"');
                    out.extend_from_slice(&edited.prefix.json);
                    let (text, ending) = edited.cut(self.text_of(row, edited.column));
                    push_escaped(out, text, is_plain(row, edited.column));
                    out.extend_from_slice(ending.map_or(b"", |text| &text.json));
                    out.push(b'"');
                }
            }
        }
        out.push(b'}');
    }
}

impl Edited {
    /// A text without the ending that it has no longer, and what comes in its place.
    fn cut<'t>(&'t self, text: &'t str) -> (&'t str, Option<&'t Fixed>) {
        let ending = self.ending.as_ref();
        let cut = ending.and_then(|(from, to)| Some((text.strip_suffix(from.as_str())?, to)));
        match cut {
            Some((kept, ending)) => (kept, Some(ending)),
            None => (text, None),
        }
    }
}

fn is_empty(row: &[Span], column: usize) -> bool {
    row.get(column).is_none_or(|span| span.is_empty())
}

fn is_plain(row: &[Span], column: usize) -> bool {
    row.get(column).is_none_or(|span| span.is_plain())
}

/// Whether this is a number as JSON writes it, so that its digits can stay.
fn is_json_number(text: &str) -> bool {
    let mut skim = Skim::new(text);
    matches!(skim.peek(), Some(b'-' | b'0'..=b'9'))
        && skim.value().is_ok_and(|number| number.len() == text.len())
}

/// Appends a value as it stands between the quotes of a JSON text.
fn push_escaped(out: &mut Vec<u8>, text: &str, is_plain: bool) {
    let mut rest = text.as_bytes();
    if is_plain {
        out.extend_from_slice(rest);
        return;
    }
    loop {
        let (plain, marked) = rest.split_at(json_skim::plain(rest));
        out.extend_from_slice(plain);
        rest = match marked {
            // Doubled, as quotes are in CSV.
            [b'"', b'"', rest @ ..] | [b'"', rest @ ..] => {
                out.extend_from_slice(b"\\\"");
                rest
            }
            [b'\\', rest @ ..] => {
                out.extend_from_slice(b"\\\\");
                rest
            }
            [b'\n', rest @ ..] => {
                out.extend_from_slice(b"\\n");
                rest
            }
            [b'\r', rest @ ..] => {
                out.extend_from_slice(b"\\r");
                rest
            }
            [b'\t', rest @ ..] => {
                out.extend_from_slice(b"\\t");
                rest
            }
            [other, rest @ ..] => {
                out.extend_from_slice(format!("\\u{other:04x}").as_bytes());
                rest
            }
            [] => return,
        };
    }
}

#[cfg(test)]
mod tests;
