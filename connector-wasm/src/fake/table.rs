//! Tables of the scripted host: read as the real one does, but into texts.

use std::cell::{Cell, RefCell};

use csv_skim::{Malformed, Next};

use crate::host::{HttpError, Lost, Part};

/// Rows as texts.
pub(crate) type Rows = Vec<Vec<String>>;

/// A table on its way down, and how it breaks off if it does.
#[derive(Debug)]
pub(crate) struct Table {
    bytes: Vec<u8>,
    at: Cell<usize>,
    names: RefCell<Vec<String>>,
    torn: Option<HttpError>,
}

impl Table {
    pub(super) fn new(bytes: Vec<u8>, torn: Option<HttpError>) -> Self {
        Self {
            bytes,
            at: Cell::new(0),
            names: RefCell::default(),
            torn,
        }
    }

    pub(super) fn columns(&self) -> Result<Option<Vec<String>>, Lost> {
        let columns = match (self.row(), self.torn) {
            (Ok(None), Some(error)) => return Err(Lost::Body(error)),
            (row, _) => row.unwrap_or_default(),
        };
        self.names.replace(columns.clone().unwrap_or_default());
        Ok(columns)
    }

    /// The names of the columns, once they were asked for.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.borrow().clone()
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.bytes[self.at.get()..].trim_ascii().is_empty()
    }

    pub(super) fn rows(&self, most: usize) -> Result<Part<Rows>, Lost> {
        let start = self.at.get();
        let mut rows = Vec::new();
        let mut is_sound = true;
        while is_sound && rows.len() < most {
            match self.row() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => break,
                Err(_) => {
                    is_sound = false;
                    rows.clear();
                }
            }
        }
        if let (Some(error), true, true) = (self.torn, is_sound, rows.is_empty()) {
            return Err(Lost::Body(error));
        }
        let rest = self.bytes[self.at.get()..].trim_ascii();
        Ok(Part {
            count: rows.len() as u32,
            bytes: (self.at.get() - start) as u64,
            is_last: is_sound && self.torn.is_none() && rest.is_empty(),
            rows,
        })
    }

    /// The next row, if it is whole.
    fn row(&self) -> Result<Option<Vec<String>>, Malformed> {
        let mut spans = Vec::new();
        let is_whole = self.torn.is_none();
        let next = csv_skim::row(&self.bytes, self.at.get(), is_whole, &mut spans)?;
        let Next::Row { end, .. } = next else {
            return Ok(None);
        };
        self.at.set(end);
        let values = spans.iter().map(|span| span.of(&self.bytes).value());
        let texts = values.map(|value| String::from_utf8(value.into_owned()).unwrap());
        Ok(Some(texts.collect()))
    }
}
