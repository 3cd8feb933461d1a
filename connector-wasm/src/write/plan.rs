//! What is to be written, and how it is divided into requests.

use crate::bindings::exports::lockgate::connector::records::Operation;
use crate::body::{Key, KeyedBy, Row};

/// Salesforce's bound of a collection, in records.
pub(super) const MAX_ROWS: usize = 200;
/// A bound of ours for one body, in bytes: half of what the host allows, since
/// records with file contents can be large.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// What to do with the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb<'k> {
    Create,
    Update,
    /// By this field.
    Upsert(&'k str),
    Delete,
}

/// One call of a caller.
#[derive(Debug)]
pub(super) struct Job<'j> {
    pub(super) verb: Verb<'j>,
    pub(super) object: &'j str,
    pub(super) all_or_none: bool,
    /// What is deleted cannot be taken back.
    pub(super) for_good: bool,
}

impl<'k> Verb<'k> {
    /// The field by which an upsert finds records.
    pub(super) const fn field(self) -> Option<&'k str> {
        match self {
            Self::Upsert(field) => Some(field),
            Self::Create | Self::Update | Self::Delete => None,
        }
    }

    /// How the records are found that it is done to.
    pub(super) const fn keyed_by(self) -> KeyedBy<'k> {
        match self {
            Self::Create => KeyedBy::Nothing,
            Self::Update => KeyedBy::Id,
            Self::Upsert(field) => KeyedBy::Field(field),
            Self::Delete => KeyedBy::Itself,
        }
    }
}

impl<'j> Job<'j> {
    /// A job of which each record stands for itself.
    pub(super) fn new(object: &'j str, operation: &'j Operation) -> Self {
        Self {
            verb: match operation {
                Operation::Create => Verb::Create,
                Operation::Update => Verb::Update,
                Operation::Upsert(field) => Verb::Upsert(field),
                Operation::Delete => Verb::Delete,
            },
            object,
            all_or_none: false,
            for_good: false,
        }
    }

    /// The field that stands for the record in a collection's upsert.
    pub(super) const fn key_field(&self) -> Option<&'j str> {
        self.verb.field()
    }

    /// Whether a single record has a route of its own: all but upserts by `Id`.
    pub(super) const fn fits_alone(&self, row: &Row<'_>) -> bool {
        match self.verb {
            Verb::Create => true,
            Verb::Update | Verb::Delete => matches!(row.key, Key::Id(_)),
            Verb::Upsert(_) => matches!(row.key, Key::External { .. }),
        }
    }
}

/// Divides rows into requests, in order.
pub(super) fn chunks<'c, 'r, 'a>(
    mut rows: &'c [&'r (usize, Row<'a>)],
) -> Vec<&'c [&'r (usize, Row<'a>)]> {
    let mut chunks = Vec::with_capacity(rows.len() / MAX_ROWS + 1);
    while !rows.is_empty() {
        let mut bytes = 0;
        let fitting = rows
            .iter()
            .take(MAX_ROWS)
            .take_while(|(_, row)| {
                bytes += row.length();
                bytes <= MAX_BODY_BYTES
            })
            .count();
        // A record too large for any request is Salesforce's to refuse.
        let (chunk, rest) = rows.split_at(fitting.max(1));
        chunks.push(chunk);
        rows = rest;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_divided_by_200_and_in_order() {
        let json = format!("[{}]", vec!["{}"; 401].join(","));
        let rows = crate::body::read_rows(json.as_bytes(), KeyedBy::Nothing).unwrap();
        let rows: Vec<(usize, Row<'_>)> =
            rows.into_iter().map(Result::unwrap).enumerate().collect();
        let rows: Vec<&(usize, Row<'_>)> = rows.iter().collect();
        let chunks = chunks(&rows);
        let sizes: Vec<usize> = chunks.iter().map(|chunk| chunk.len()).collect();
        assert_eq!(sizes, [200, 200, 1]);
        assert_eq!(chunks[2][0].0, 400);
    }
}
