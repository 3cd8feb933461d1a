//! Sheets of the scripted host: files of CSV that are made and searched as the
//! contract says, in the plainest way.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::value::RawValue;

use super::batch;
use super::script::Script;
use super::table::Table;
use crate::host::{Found, Lost, Telling};
use crate::wire::Members;

/// The bounds of the contract.
const MAX_LINES: usize = 150_000;
const MAX_BYTES: usize = 12 * 1024 * 1024;
const MAX_SHEETS: usize = 16;
const MAX_FILES: usize = 2;
const MAX_WIDENED: usize = 8;
const MAX_ROWS: usize = 10_000;
const MAX_RECORDS: usize = 200;

/// A file under way. It counts among those that are held until it is dropped.
#[derive(Debug)]
pub(crate) struct Sheet {
    script: Rc<Script>,
    null: String,
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    names: Vec<String>,
    n_widened: usize,
    is_sent: bool,
    is_gone: bool,
    bytes: usize,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    record: String,
    /// By column, as they stand in the file.
    cells: Vec<String>,
    /// By column, as results give them back.
    texts: Vec<String>,
    is_found: bool,
}

impl Sheet {
    pub(super) fn open(script: &Rc<Script>, null: &str) -> Option<Self> {
        let (sheets, files) = (script.sheets.get(), script.files.get());
        if sheets == MAX_SHEETS || files == MAX_FILES || script.no_sheets.get() {
            return None;
        }
        script.sheets.set(sheets + 1);
        script.files.set(files + 1);
        Some(Self {
            script: Rc::clone(script),
            null: null.to_owned(),
            inner: RefCell::default(),
        })
    }

    pub(super) fn widen(&self, names: &[String]) -> bool {
        let mut inner = self.inner.borrow_mut();
        let mut all = inner.names.clone();
        for name in names {
            if all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return false;
            }
            all.push(name.clone());
        }
        if inner.is_sent || inner.n_widened == MAX_WIDENED || all.len() > 512 {
            return false;
        }
        inner.n_widened += 1;
        inner.names = all;
        let width = inner.names.len();
        for line in &mut inner.lines {
            line.cells.resize(width, String::new());
            line.texts.resize(width, String::new());
        }
        true
    }

    pub(super) fn add(&self, json: &[u8], first: usize) -> Option<usize> {
        let mut inner = self.inner.borrow_mut();
        if inner.is_sent || inner.names.is_empty() {
            return None;
        }
        let max_lines = self.script.max_lines.get().unwrap_or(MAX_LINES);
        let (n_lines, n_bytes) = (inner.lines.len(), inner.bytes);
        for record in batch::elements(json).into_iter().skip(first) {
            let Some(line) = self.line(&inner.names, record) else {
                inner.lines.truncate(n_lines);
                inner.bytes = n_bytes;
                return None;
            };
            let length = line.cells.join(",").len() + 1;
            let is_full = inner.lines.len() == max_lines || inner.bytes + length > MAX_BYTES;
            if is_full && !inner.lines.is_empty() {
                break;
            }
            inner.bytes += length;
            inner.lines.push(line);
        }
        Some(inner.lines.len() - n_lines)
    }

    fn line(&self, names: &[String], record: &RawValue) -> Option<Line> {
        let members = Members::of(record)?;
        let mut line = Line {
            record: record.get().to_owned(),
            cells: vec![String::new(); names.len()],
            texts: vec![String::new(); names.len()],
            is_found: false,
        };
        for (name, value) in &members.0 {
            let mut columns = names.iter();
            let at = columns.position(|known| known.eq_ignore_ascii_case(name))?;
            let text = match value.get().as_bytes()[0] {
                b'{' | b'[' => return None,
                b'n' => String::new(),
                b'"' => serde_json::from_str(value.get()).ok()?,
                _ => value.get().to_owned(),
            };
            let is_escaped = matches!(name, std::borrow::Cow::Owned(_));
            if text == self.null || is_escaped || !line.cells[at].is_empty() {
                return None;
            }
            line.cells[at] = match value.get().as_bytes()[0] {
                _ if text.is_empty() => self.null.clone(),
                b'"' => quoted(&text),
                _ => text.clone(),
            };
            line.texts[at] = text;
        }
        Some(line)
    }

    /// The body of a request; `None` if the file is gone.
    pub(super) fn file(&self) -> Option<Vec<u8>> {
        let mut inner = self.inner.borrow_mut();
        if inner.is_gone {
            return None;
        }
        inner.is_sent = true;
        let names: Vec<String> = inner.names.iter().map(|name| quoted(name)).collect();
        let lines = inner.lines.iter().map(|line| match line.cells.join(",") {
            line if line.is_empty() => "\"\"".to_owned(),
            line => line,
        });
        let lines: Vec<String> = std::iter::once(names.join(",")).chain(lines).collect();
        Some(format!("{}\n", lines.join("\n")).into_bytes())
    }

    pub(super) fn let_file_go(&self) {
        let mut inner = self.inner.borrow_mut();
        if !std::mem::replace(&mut inner.is_gone, true) {
            self.script.files.set(self.script.files.get() - 1);
        }
        inner.is_sent = true;
    }

    pub(super) fn lose_all(&self) {
        for line in &mut self.inner.borrow_mut().lines {
            line.is_found = false;
        }
    }

    pub(super) fn find(
        &self,
        table: &Table,
        telling: &Telling,
        most: usize,
    ) -> Result<Option<Found<Vec<Option<String>>>>, Lost> {
        let names = table.names();
        assert!(telling.cells.len() <= 4);
        let mut columns = telling.cells.iter().chain([&telling.id]);
        assert!(columns.all(|at| (*at as usize) < names.len()));
        let most = most.min(match telling.records {
            true => MAX_RECORDS,
            false => MAX_ROWS,
        });
        let part = table.rows(most)?;
        let is_even = part.rows.iter().all(|row| row.len() == names.len());
        if !is_even || (part.count == 0 && !part.is_last && !table.is_at_end()) {
            return Ok(None);
        }
        let inner = &mut *self.inner.borrow_mut();
        let places = names.iter().map(|name| {
            let mut columns = inner.names.iter();
            columns.position(|known| known.eq_ignore_ascii_case(name))
        });
        let places: Vec<Option<usize>> = places.collect();
        let mut found = Found {
            lines: Vec::new(),
            cells: Vec::new(),
            records: Vec::new(),
            written: Vec::new(),
            is_last: part.is_last,
        };
        let is_clear = telling.records && inner.is_clear();
        // Tests give most rows back in the order of the lines, or backwards.
        let mut from = 0;
        for row in part.rows {
            let mut texts = vec![String::new(); inner.names.len()];
            for (place, text) in places.iter().zip(&row) {
                if let Some(place) = place
                    && *text != self.null
                {
                    texts[*place] = text.clone();
                }
            }
            while inner.lines.get(from).is_some_and(|line| line.is_found) {
                from += 1;
            }
            let mut lines = inner.lines.iter().enumerate().skip(from);
            let at = lines.find(|(_, line)| !line.is_found && line.texts == texts);
            let Some((at, _)) = at else { continue };
            inner.lines[at].is_found = true;
            found.lines.push(at as u32);
            let cells = telling.cells.iter();
            found
                .cells
                .extend(cells.map(|at| row[*at as usize].clone()));
            if telling.records {
                let record = is_clear.then(|| inner.lines[at].record.clone());
                found.records.push(record);
            }
            let id = row[telling.id as usize].clone();
            found.written.push((!id.is_empty()).then_some(id));
        }
        Ok(Some(found))
    }
}

impl Inner {
    /// Whether records can be told from lines: no column has texts in one and other
    /// values in another.
    fn is_clear(&self) -> bool {
        let is_mixed = |at: usize| {
            let mut cells = self.lines.iter().map(|line| &line.cells[at]);
            let is_text = |cell: &&String| cell.starts_with('"');
            let is_bare = |cell: &&String| !cell.is_empty() && !cell.starts_with(['"', '#']);
            cells.clone().any(|cell| is_text(&cell)) && cells.any(|cell| is_bare(&cell))
        };
        !(0..self.names.len()).any(is_mixed)
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        self.let_file_go();
        self.script.sheets.set(self.script.sheets.get() - 1);
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
