//! The rows of a bulk job: as the CSV that goes up, and to be found again by its
//! results.
//!
//! Each row is held once, as its line, and of those that have gone up only what
//! finds them, and what tells how they were written. Lines are short of what a
//! later row names first; that is put behind them while they go up.

use std::borrow::Cow;

use super::line::{Cells, Columns, push_quoted, push_record};
use crate::bindings::exports::lockgate::connector::records::Problem;
use crate::body::{Key, Row};
use crate::wire::push_text;
use crate::write::parent::Parents;
use crate::write::plan::Verb;
use crate::write::print;

/// The most rows and bytes of a job. Salesforce takes 100 MB; this is what a guest
/// holds until it goes up, and then some 70 bytes a row until there are results.
pub(in crate::write) const JOB_ROWS: usize = 150_000;
pub(in crate::write) const JOB_BYTES: usize = 12 * 1024 * 1024;

/// How lines are held, in bytes: nothing is moved when more come.
const BLOCK_BYTES: usize = 256 * 1024;

/// How much goes up at a time, in bytes: what the host takes in one piece at most.
const PART_BYTES: usize = 256 * 1024;

/// A value that is empty, where a line without it would be.
const NOTHING: &[u8] = b"\"\"";

/// The rows of a job.
#[derive(Debug)]
pub(in crate::write) struct Sheet {
    columns: Columns,
    /// The first column is the field by which the job finds records.
    has_key: bool,
    blocks: Vec<Vec<u8>>,
    bytes: usize,
    lines: Vec<Line>,
    parents: Parents,
}

/// Where a line stands, and what it is about.
#[derive(Debug)]
struct Line {
    /// The number of the row.
    row: usize,
    print: u64,
    block: u32,
    start: u32,
    end: u32,
    /// How many cells it has.
    width: u32,
    /// Lines go up in this order.
    rank: u32,
    key_print: u64,
    /// Which of its cells are null, if each has a bit here.
    nulls: u64,
    has_nulls: bool,
}

impl Sheet {
    /// A sheet without rows.
    pub(in crate::write) fn new(verb: Verb<'_>) -> Self {
        let key_field = match verb {
            Verb::Create => None,
            Verb::Update | Verb::Delete => Some("Id"),
            Verb::Upsert(field) => Some(field),
        };
        let mut columns = Columns::default();
        if let Some(field) = key_field {
            columns.place(field, 0);
        }
        Self {
            columns,
            has_key: key_field.is_some(),
            blocks: Vec::new(),
            bytes: 0,
            lines: Vec::new(),
            parents: Parents::default(),
        }
    }

    /// Whether there are no rows.
    pub(in crate::write) const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// About how many bytes of memory it takes.
    pub(in crate::write) const fn bytes(&self) -> usize {
        self.bytes + self.lines.len() * (size_of::<Line>() + 16)
    }

    /// Whether a row goes into the same job. This depends on the rows alone.
    pub(in crate::write) fn has_room_for(&self, row: &Row<'_>) -> bool {
        let has_room = self.bytes + self.longest_line(row) <= JOB_BYTES;
        // A row that is too large for any job is Salesforce's to refuse.
        self.is_empty() || (has_room && self.lines.len() < JOB_ROWS)
    }

    /// Takes a row with its number, or says why it cannot be in a file.
    pub(in crate::write) fn push(&mut self, number: usize, row: &Row<'_>) -> Result<(), Problem> {
        let key_column = self.has_key.then_some(0);
        let cells = Cells::of(row, key_column, &mut self.columns)?;
        let most = self.longest_line(row);
        let has_room = |block: &Vec<u8>| block.capacity() - block.len() >= most;
        if !self.blocks.last().is_some_and(has_room) {
            self.blocks.push(Vec::with_capacity(BLOCK_BYTES.max(most)));
        }
        let block_number = self.blocks.len() - 1;
        let Some(block) = self.blocks.last_mut() else {
            return Ok(());
        };
        let start = block.len();
        let width = cells.write(block);
        self.bytes += block.len() - start;
        let number_of = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let at = number_of(self.lines.len());
        let nulls = cells.nulls();
        self.lines.push(Line {
            row: number,
            print: cells.print(),
            block: number_of(block_number),
            start: number_of(start),
            end: number_of(block.len()),
            width: number_of(width),
            rank: self.parents.first_of(row, at),
            key_print: if self.has_key { cells.key_print() } else { 0 },
            nulls: nulls.unwrap_or(0),
            has_nulls: nulls.is_some(),
        });
        Ok(())
    }

    /// How long the line of a row is at most: its names are longer than what CSV
    /// needs beside the values.
    fn longest_line(&self, row: &Row<'_>) -> usize {
        let key = match &row.key {
            Key::Id(id) => id.len() + 2,
            Key::External { raw, .. } => raw.len() + 2,
            Key::NoId | Key::None => 0,
        };
        key + row.size() + self.columns.names.len()
    }

    /// Lets go of the file, once it went up.
    pub(super) fn let_file_go(&mut self) {
        self.blocks = Vec::new();
        self.bytes = 0;
    }

    /// Takes no more rows. Those of one parent go up beside one another, since a
    /// job works on its rows in parts that overlap.
    pub(super) fn close(&mut self) {
        self.parents = Parents::default();
        self.lines.sort_by_key(|line| line.rank);
        self.lines.shrink_to_fit();
    }

    /// A number that tells these rows, with `what` is done to them, from others.
    pub(super) fn fingerprint(&self, what: &str) -> u64 {
        let names = self.columns.names.iter().map(String::as_bytes);
        let lines = self.lines.iter().map(|line| self.line(line));
        let parts = names.chain(lines);
        parts.fold(print::of(what.as_bytes()), print::of_sequence)
    }

    /// How long the file is, in bytes.
    pub(super) fn length(&self) -> u64 {
        let mut header = Vec::new();
        self.write_header(&mut header);
        let lines = self.lines.iter().map(|line| self.length_of(line));
        (header.len() + lines.sum::<usize>()) as u64
    }

    /// The file, part by part.
    pub(super) fn parts(&self) -> impl Iterator<Item = Vec<u8>> {
        let mut lines = self.lines.iter().peekable();
        let mut header = Some(());
        std::iter::from_fn(move || {
            let mut part = Vec::with_capacity(PART_BYTES);
            if header.take().is_some() {
                self.write_header(&mut part);
            }
            while let Some(line) = lines
                .next_if(|line| part.is_empty() || part.len() + self.length_of(line) <= PART_BYTES)
            {
                self.write_line(line, &mut part);
            }
            (!part.is_empty()).then_some(part)
        })
    }

    fn write_header(&self, out: &mut Vec<u8>) {
        for (at, name) in self.columns.names.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push_quoted(out, name);
        }
        out.push(b'\n');
    }

    fn write_line(&self, line: &Line, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line(line));
        if self.is_nothing(line) {
            out.extend_from_slice(NOTHING);
        }
        out.extend(std::iter::repeat_n(b',', self.missing_in(line)));
        out.push(b'\n');
    }

    fn length_of(&self, line: &Line) -> usize {
        let nothing = if self.is_nothing(line) {
            NOTHING.len()
        } else {
            0
        };
        self.line(line).len() + nothing + self.missing_in(line) + 1
    }

    /// How many commas a line lacks.
    fn missing_in(&self, line: &Line) -> usize {
        let width = (line.width as usize).max(1);
        self.columns.names.len().saturating_sub(width)
    }

    /// Whether a line would be taken for none.
    fn is_nothing(&self, line: &Line) -> bool {
        line.width == 0 && self.columns.names.len() == 1
    }

    fn line(&self, line: &Line) -> &[u8] {
        let block = self.blocks.get(line.block as usize);
        let line = block.and_then(|block| block.get(line.start as usize..line.end as usize));
        line.unwrap_or_default()
    }

    /// How many lines there are.
    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    /// The column of a name.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.find(name)
    }

    /// The number of the row of a line.
    pub(super) fn row(&self, line: u32) -> usize {
        self.lines
            .get(line as usize)
            .map_or(usize::MAX, |line| line.row)
    }

    /// The print of a line.
    pub(super) fn print(&self, line: u32) -> u64 {
        self.lines.get(line as usize).map_or(0, |line| line.print)
    }

    /// Whether rows have a key, in the first column.
    pub(super) const fn has_key(&self) -> bool {
        self.has_key
    }

    /// The print of a line's key.
    pub(super) fn key_print(&self, line: u32) -> u64 {
        self.lines
            .get(line as usize)
            .map_or(0, |line| line.key_print)
    }

    /// Appends the record of a line, given its cells as texts, by column, or its id
    /// if it is nothing else. False if it cannot be told what it was.
    pub(super) fn push_record<'c>(
        &self,
        line: u32,
        verb: Verb<'_>,
        out: &mut Vec<u8>,
        cell: impl Fn(usize) -> Cow<'c, [u8]>,
    ) -> bool {
        let Some(line) = self.lines.get(line as usize).filter(|line| line.has_nulls) else {
            return false;
        };
        match verb {
            Verb::Delete => {
                push_text(out, str::from_utf8(&cell(0)).unwrap_or_default());
                true
            }
            Verb::Create | Verb::Update | Verb::Upsert(_) => {
                push_record(out, &self.columns, line.nulls, cell)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::read_rows;

    fn sheet(verb: Verb<'_>, json: &str) -> Sheet {
        let mut sheet = Sheet::new(verb);
        let rows = read_rows(json.as_bytes(), verb.keyed_by()).unwrap();
        for (at, row) in rows.iter().enumerate() {
            sheet.push(at, row.as_ref().unwrap()).unwrap();
        }
        sheet.close();
        sheet
    }

    fn file(sheet: &Sheet) -> String {
        let parts: Vec<Vec<u8>> = sheet.parts().collect();
        assert!(parts.iter().all(|part| part.len() <= PART_BYTES));
        let file = parts.concat();
        assert_eq!(file.len() as u64, sheet.length());
        String::from_utf8(file).unwrap()
    }

    #[test]
    fn lines_have_what_later_rows_name_first_and_no_line_is_nothing() {
        let all = sheet(Verb::Create, r#"[{"A":"1"},{},{"B":2,"C":""},{"C":"3"}]"#);
        assert_eq!(
            file(&all),
            "\"A\",\"B\",\"C\"\n\"1\",,\n,,\n,2,#N/A\n,,\"3\"\n"
        );
        let one = sheet(Verb::Create, r#"[{"A":"1"},{}]"#);
        assert_eq!(file(&one), "\"A\"\n\"1\"\n\"\"\n");
    }

    #[test]
    fn rows_of_one_parent_go_up_beside_one_another_and_keep_their_numbers() {
        let rows = ["a", "b", "a", "b"].map(|key| format!(r#"{{"Account":{{"K__c":"{key}"}}}}"#));
        let sheet = sheet(Verb::Create, &format!("[{}]", rows.join(",")));
        assert_eq!(
            file(&sheet),
            "\"Account.K__c\"\n\"a\"\n\"a\"\n\"b\"\n\"b\"\n"
        );
        assert_eq!([0, 1, 2, 3].map(|line| sheet.row(line)), [0, 2, 1, 3]);
    }

    #[test]
    fn a_file_of_many_parts_is_as_long_as_was_said() {
        let rows = (0..9_000).map(|at| format!(r#"{{"Name":"{}{at}"}}"#, "x".repeat(at % 200)));
        let rows: Vec<String> = rows.collect();
        let sheet = sheet(Verb::Create, &format!("[{}]", rows.join(",")));
        assert!(sheet.parts().count() > 2 && sheet.blocks.len() > 2);
        assert_eq!(file(&sheet).lines().count(), 9_001);
    }

    #[test]
    fn no_line_is_longer_than_was_thought_so_that_blocks_stay_as_they_are() {
        let ids: Vec<String> = (0..20_000)
            .map(|_| "\"003dM00001wBXYDQA4\"".to_owned())
            .collect();
        let ids = sheet(Verb::Delete, &format!("[{}]", ids.join(",")));
        let escapes = r#"{"K":"\"","A":"","B":"\"\"\"","C":null,"D":{"E":""}}"#;
        let rows = vec![escapes; 20_000].join(",");
        let rows = sheet(Verb::Upsert("K"), &format!("[{rows}]"));
        for sheet in [ids, rows] {
            assert!(sheet.blocks.len() > 1);
            let mut blocks = sheet.blocks.iter();
            assert!(blocks.all(|block| block.capacity() == BLOCK_BYTES));
        }
    }

    #[test]
    fn the_same_rows_have_one_fingerprint_and_a_null_is_not_nothing() {
        let print = |json: &str, what: &str| sheet(Verb::Create, json).fingerprint(what);
        let first = print(r#"[{"A":"1","B":null}]"#, "create");
        assert_eq!(first, print(r#"[{"A":"1","B":null}]"#, "create"));
        for other in [
            r#"[{"A":"1"}]"#,
            r#"[{"A":1,"B":null}]"#,
            r#"[{"A":"1","C":null}]"#,
        ] {
            assert_ne!(first, print(other, "create"), "{other}");
        }
        assert_ne!(first, print(r#"[{"A":"1","B":null}]"#, "delete"));
    }

    #[test]
    fn a_sheet_has_room_up_to_the_bounds_of_a_job() {
        let json = format!(r#"[{{"A":"{}"}}]"#, "x".repeat(JOB_BYTES / 2));
        let rows = read_rows(json.as_bytes(), Verb::Create.keyed_by()).unwrap();
        let row = rows[0].as_ref().unwrap();
        let mut sheet = Sheet::new(Verb::Create);
        assert!(sheet.has_room_for(row));
        sheet.push(0, row).unwrap();
        assert!(!sheet.has_room_for(row));
        assert!(sheet.bytes() > JOB_BYTES / 2);
        sheet.let_file_go();
        assert!((1..1_000).contains(&sheet.bytes()));
    }
}
