//! Records on their way to a product as a file: a line of CSV for each, made of its
//! JSON in one look, and found again in the tables that tell what became of it.
//!
//! A line is known by its print, a number made of its cells. What went up needs no more
//! than that, so the file can go while the product works on it.

mod line;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};

use bytes::Bytes;
use csv_skim::{Cell, Next, Span};
use foldhash::fast::RandomState;
use json_skim::{Malformed, Skim};

use super::given::{Given, unquoted};
use super::told::{MAX_ID_BYTES, Written};
use line::{Kind, Line, Unfit, Value};

/// How many lines and bytes a file has at most, and columns, and how often some are
/// added. The contract promises these numbers.
const MAX_LINES: usize = 150_000;
const MAX_BYTES: usize = 12 * 1024 * 1024;
const MAX_COLUMNS: usize = 512;
const MAX_NAME_BYTES: usize = 255;
const MAX_WIDENED: u32 = 8;

/// Tells places apart: odd, with as many ones as zeroes, without any pattern.
const PLACE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A cell with nothing in it, where a line of nothing else would be no line.
const NOTHING: &[u8] = b"\"\"";

/// A file under way.
#[derive(Debug)]
pub(crate) struct Sheet {
    null: String,
    columns: Vec<Column>,
    /// Columns by name.
    places: HashMap<String, usize, RandomState>,
    n_widened: u32,
    file: File,
    lines: Vec<Line>,
    /// Lines that have null where no bit tells it.
    unclear: Vec<u32>,
    prints: RandomState,
    /// Made when a table is first searched.
    search: Option<Search>,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
}

/// The header and the lines.
#[derive(Debug)]
enum File {
    Open(Vec<u8>),
    Sent(Bytes),
    Gone,
}

/// What is wanted of the rows in which lines are found. Columns are those of the table.
#[derive(Debug)]
pub(crate) struct Telling {
    pub(crate) id: usize,
    pub(crate) cells: Vec<usize>,
    pub(crate) records: bool,
}

/// Lines that were found, and what their rows tell.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) lines: Vec<u32>,
    pub(crate) cells: Vec<String>,
    pub(crate) records: Vec<Option<String>>,
    pub(crate) written: Written,
}

impl Sheet {
    /// A file with nothing in it.
    pub(crate) fn new(null: String) -> Self {
        Self {
            null,
            columns: Vec::new(),
            places: HashMap::default(),
            n_widened: 0,
            file: File::Open(Vec::new()),
            lines: Vec::new(),
            unclear: Vec::new(),
            prints: RandomState::default(),
            search: None,
        }
    }

    /// Adds columns; false if they cannot be.
    pub(crate) fn widen(&mut self, names: Vec<String>) -> bool {
        let width = self.columns.len() + names.len();
        let is_named = names.iter().enumerate().all(|(at, name)| {
            let mut others = names.iter().take(at);
            name.len() <= MAX_NAME_BYTES
                && self.place_of(name).is_none()
                && !others.any(|other| other.eq_ignore_ascii_case(name))
        });
        let File::Open(file) = &mut self.file else {
            return false;
        };
        let growth = self.lines.len() * names.len();
        let is_small = self.lines.is_empty() || file.len() + growth <= MAX_BYTES;
        if !(is_named && is_small && width <= MAX_COLUMNS && self.n_widened < MAX_WIDENED) {
            return false;
        }
        self.n_widened += 1;
        let before = std::mem::take(file);
        let commas = vec![b','; names.len()];
        for name in names {
            self.places.insert(name.clone(), self.columns.len());
            self.columns.push(Column {
                name,
                kind: Kind::Nothing,
            });
        }
        let mut wider = Vec::with_capacity(before.len() + growth + 4 * 1024);
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                wider.push(b',');
            }
            line::push_quoted(&mut wider, &column.name);
        }
        wider.push(b'\n');
        for row in rows_of(&before).skip(1) {
            wider.extend_from_slice(row);
            wider.extend_from_slice(&commas);
            wider.push(b'\n');
        }
        *file = wider;
        true
    }

    /// Adds a line for each record from this one on, as far as there is room, and gives
    /// how many that were; `None`, and nothing is added, if one has no place in a line.
    pub(crate) fn add(&mut self, given: &Given, first: usize) -> Option<usize> {
        let text = str::from_utf8(given.json()).ok()?;
        let File::Open(file) = &mut self.file else {
            return None;
        };
        if self.columns.is_empty() {
            return None;
        }
        let (n_lines, n_bytes) = (self.lines.len(), file.len());
        // Lines of one batch are about as long as their records.
        file.reserve(text.len().min(MAX_BYTES.saturating_sub(n_bytes)));
        let mut cells: Vec<(usize, Value<'_>)> = Vec::with_capacity(self.columns.len());
        let mut at = 0;
        let walked = Skim::new(text).elements(|skim| {
            at += 1;
            if at <= first {
                skim.value()?;
                return Ok(());
            }
            let start = file.len();
            cells.clear();
            read_cells(skim, (&self.columns, &self.places), &mut cells)?;
            let mut line = Line::default();
            let mut width = 1;
            for (place, value) in &cells {
                while width <= *place {
                    file.push(b',');
                    width += 1;
                }
                let Some(column) = self.columns.get_mut(*place) else {
                    return Err(Stop::Unfit);
                };
                let print = |text: &[u8]| print_of(&self.prints, *place, text);
                let kind = line::push_cell(file, *value, &self.null, |text| {
                    line.print = line.print.wrapping_add(print(text));
                })?;
                column.kind = column.kind.and(kind);
                if kind == Kind::Nothing && !line.note_null(*place) {
                    let number = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
                    self.unclear.push(number);
                }
            }
            if self.columns.len() == 1 && file.len() == start {
                file.extend_from_slice(NOTHING);
            }
            file.extend((width..self.columns.len()).map(|_| b','));
            file.push(b'\n');
            let is_full = file.len() > MAX_BYTES || self.lines.len() == MAX_LINES;
            if is_full && !self.lines.is_empty() {
                file.truncate(start);
                return Err(Stop::Full);
            }
            self.lines.push(line);
            Ok(())
        });
        match walked {
            Ok(()) | Err(Stop::Full) => {}
            Err(Stop::Unfit) => {
                file.truncate(n_bytes);
                self.lines.truncate(n_lines);
            }
        }
        let n_kept = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        self.unclear.retain(|line| *line < n_kept);
        self.search = None;
        (!matches!(walked, Err(Stop::Unfit))).then(|| self.lines.len() - n_lines)
    }

    /// The file, to which nothing comes any more; `None` if it is gone.
    pub(crate) fn file(&mut self) -> Option<Bytes> {
        if let File::Open(file) = &mut self.file {
            self.file = File::Sent(std::mem::take(file).into());
        }
        match &self.file {
            File::Sent(file) => Some(file.clone()),
            File::Open(_) | File::Gone => None,
        }
    }

    /// Lets go of the file.
    pub(crate) fn let_file_go(&mut self) {
        self.file = File::Gone;
    }

    /// Has all lines found anew.
    pub(crate) fn lose_all(&mut self) {
        self.search = None;
    }

    /// Looks for lines in rows of a table with these columns.
    pub(crate) fn find(
        &mut self,
        names: &[String],
        rows: (&[u8], &[Span]),
        telling: &Telling,
    ) -> Found {
        let places: Vec<Option<usize>> = names.iter().map(|name| self.place_of(name)).collect();
        let (text, spans) = rows;
        let mut search = match self.search.take() {
            Some(search) => search,
            None => Search::new(&self.lines),
        };
        let mut found = Found::default();
        for row in spans.chunks_exact(names.len().max(1)) {
            let cells = row.iter().map(|span| span.of(text));
            let sent = places.iter().zip(cells);
            let mut print: u64 = 0;
            for (place, cell) in sent {
                if let Some(place) = place {
                    print = print.wrapping_add(self.print_of_cell(*place, cell));
                }
            }
            let Some(line) = search.take(&self.lines, print) else {
                continue;
            };
            let cell = |at: usize| row.get(at).map(|span| span.of(text)).unwrap_or_default();
            found.lines.push(line);
            let id = cell(telling.id).value();
            let id = str::from_utf8(&id).ok();
            found
                .written
                .push(id.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len())));
            for at in &telling.cells {
                let text = cell(*at).value();
                found
                    .cells
                    .push(String::from_utf8_lossy(&text).into_owned());
            }
            if telling.records {
                let of = |column: usize| {
                    let at = places.iter().position(|place| *place == Some(column));
                    at.map(cell).unwrap_or_default()
                };
                found.records.push(self.record(line, of));
            }
        }
        self.search = Some(search);
        found
    }

    /// The record that a line was made of, given its cells.
    fn record<'t>(&self, line: u32, cell: impl Fn(usize) -> Cell<'t>) -> Option<String> {
        if self.unclear.binary_search(&line).is_ok() {
            return None;
        }
        let nulls = self.lines.get(line as usize)?;
        let mut record = String::from("{");
        for (place, column) in self.columns.iter().enumerate() {
            let text = cell(place).value();
            let text = str::from_utf8(&text).ok()?;
            let is_null = text.is_empty() || text == self.null;
            if is_null && !nulls.has_null(place) {
                continue;
            }
            if record.len() > 1 {
                record.push(',');
            }
            record.push_str(&line::json_of(&column.name));
            record.push(':');
            match column.kind {
                _ if is_null => record.push_str("null"),
                Kind::Text => record.push_str(&line::json_of(text)),
                Kind::Bare => record.push_str(text),
                Kind::Nothing | Kind::Mixed => return None,
            }
        }
        record.push('}');
        Some(record)
    }

    /// What a cell of a table adds to the print of its row.
    fn print_of_cell(&self, place: usize, cell: Cell<'_>) -> u64 {
        let text = cell.value();
        match text.is_empty() || *text == *self.null.as_bytes() {
            true => 0,
            false => print_of(&self.prints, place, &text),
        }
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        let mut columns = self.columns.iter();
        columns.position(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// Why a walk over records ends early.
enum Stop {
    /// There is no room for more lines.
    Full,
    Unfit,
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Unfit
    }
}

impl From<Unfit> for Stop {
    fn from(_: Unfit) -> Self {
        Self::Unfit
    }
}

/// What a cell adds to the print of its line, wherever it stands in it.
#[inline]
fn print_of(prints: &RandomState, place: usize, text: &[u8]) -> u64 {
    let mut print = prints.build_hasher();
    print.write(text);
    // Odd, so that no bit is lost.
    let of_place = (place as u64 * 2 + 1).wrapping_mul(PLACE);
    print.finish().wrapping_mul(of_place)
}

/// Reads the members of a record, by their columns, in the order of these.
fn read_cells<'t>(
    skim: &mut Skim<'t>,
    (columns, places): (&[Column], &HashMap<String, usize, RandomState>),
    cells: &mut Vec<(usize, Value<'t>)>,
) -> Result<(), Stop> {
    // Most records name their members in the order of the columns.
    let mut likely = 0;
    let mut is_sorted = true;
    skim.members(|key, skim| {
        let name = unquoted(key);
        let is_likely = columns
            .get(likely)
            .is_some_and(|column| column.name == name);
        let place = match is_likely {
            true => likely,
            false => *places.get(name).ok_or(Stop::Unfit)?,
        };
        is_sorted &= place >= likely;
        likely = place + 1;
        let (json, is_escaped) = skim.value_escaped()?;
        cells.push((place, Value { json, is_escaped }));
        Ok::<(), Stop>(())
    })?;
    if is_sorted {
        return Ok(());
    }
    cells.sort_by_key(|(place, _)| *place);
    let is_twice = cells
        .windows(2)
        .any(|pair| matches!(pair, [(one, _), (other, _)] if one == other));
    if is_twice { Err(Stop::Unfit) } else { Ok(()) }
}

/// The lines of a file that was made here, without their ends.
fn rows_of(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let mut spans = Vec::new();
    std::iter::from_fn(move || {
        spans.clear();
        let Ok(Next::Row { end, .. }) = csv_skim::row(file, start, true, &mut spans) else {
            return None;
        };
        let row = file.get(start..end);
        start = end + 1;
        row
    })
}

/// Finds lines by their prints, each once.
#[derive(Debug)]
struct Search {
    is_found: Vec<bool>,
    /// The line that was found last. Tables often tell of the next one, or of the one
    /// before, so these are looked at first.
    last: usize,
    /// Made when it is first needed.
    by_print: Option<ByPrint>,
}

/// Lines by their prints.
#[derive(Debug)]
struct ByPrint {
    first: HashMap<u64, u32, RandomState>,
    /// The next one of the same print behind each line.
    next: Vec<Option<u32>>,
}

impl Search {
    fn new(lines: &[Line]) -> Self {
        Self {
            is_found: vec![false; lines.len()],
            // The first line is next.
            last: usize::MAX,
            by_print: None,
        }
    }

    fn take(&mut self, lines: &[Line], print: u64) -> Option<u32> {
        let near = [self.last.wrapping_add(1), self.last.wrapping_sub(1)];
        let is_it = |at: &usize| {
            self.is_found.get(*at) == Some(&false)
                && lines.get(*at).is_some_and(|line| line.print == print)
        };
        let at = match near.into_iter().find(is_it) {
            Some(at) => at,
            None => self.far(lines, print)?,
        };
        *self.is_found.get_mut(at)? = true;
        self.last = at;
        u32::try_from(at).ok()
    }

    /// Finds a line that is not near the last one.
    fn far(&mut self, lines: &[Line], print: u64) -> Option<usize> {
        let by_print = self.by_print.get_or_insert_with(|| ByPrint::of(lines));
        let ByPrint { first, next } = by_print;
        loop {
            let head = first.get_mut(&print)?;
            let line = *head as usize;
            match next.get(line).copied().flatten() {
                Some(behind) => *head = behind,
                None => {
                    first.remove(&print);
                }
            }
            // Some were found without a look here.
            if self.is_found.get(line) == Some(&false) {
                return Some(line);
            }
        }
    }
}

impl ByPrint {
    fn of(lines: &[Line]) -> Self {
        let mut first = HashMap::with_capacity_and_hasher(lines.len(), RandomState::default());
        let mut next = vec![None; lines.len()];
        let end = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let numbered = (0..end).zip(lines).zip(&mut next);
        // The last that is put in is the first that is found.
        for ((number, line), next) in numbered.rev() {
            *next = first.insert(line.print, number);
        }
        Self { first, next }
    }
}

#[cfg(test)]
mod tests;
