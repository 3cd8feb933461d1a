//! Records that were pushed and are not under way: one JSON array that grows
//! record by record, so that where it is cut depends on the records alone and
//! not on how they were pushed. Nothing stays for long: what goes by bulk jobs is
//! made into their lines as soon as it is here.

use std::collections::VecDeque;

use json_skim::{Malformed, Skim};

use super::failed;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, RowResult};
use crate::fault::{as_problem, refused};

/// The most records and bytes of a piece, of which each is looked at as a whole
/// for records that hold others: what is parsed at a time.
const PIECE_ROWS: usize = 1_000;
const PIECE_BYTES: usize = 512 * 1024;

/// Some records, and where they stand among all.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The number of the first.
    pub(super) first: u64,
    pub(super) rows: usize,
    /// A JSON array.
    pub(super) json: Vec<u8>,
}

impl Chunk {
    /// Those behind the first of its records; `None` if there are none.
    pub(super) fn behind(self, rows: usize) -> Result<Option<Self>, Error> {
        if rows == 0 {
            return Ok(Some(self));
        }
        let mut held = Held::of(self)?;
        held.take(rows, usize::MAX);
        Ok(held.take(usize::MAX, usize::MAX))
    }

    /// One result for each record: that this error ended their request.
    pub(super) fn all_told(&self, error: &Error) -> Vec<RowResult> {
        let result = |row| RowResult {
            row,
            outcome: failed(None, vec![as_problem(error)]),
        };
        (self.first..).take(self.rows).map(result).collect()
    }
}

/// Records in order.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Where each record ends, in bytes of `json`, its comma included.
    ends: VecDeque<usize>,
    json: Vec<u8>,
    /// Where the first record begins: what is before it was taken.
    start: usize,
    /// The number of the first.
    first: u64,
    /// Chunks that were taken and came back.
    returned: Option<Chunk>,
}

impl Held {
    /// Takes the records of a JSON array.
    pub(super) fn push(&mut self, records: &[u8]) -> Result<(), Error> {
        let before = (self.json.len(), self.ends.len());
        self.json.reserve(records.len());
        let text = str::from_utf8(records).map_err(|_| malformed("they are not UTF-8"))?;
        let mut skim = Skim::new(text);
        let walked = skim.elements(|skim| {
            let record = skim.value()?;
            self.json.extend_from_slice(record.as_bytes());
            self.json.push(b',');
            self.ends.push_back(self.json.len());
            Ok::<(), Malformed>(())
        });
        walked.and_then(|()| skim.end()).map_err(|error| {
            // All of a push or nothing.
            self.json.truncate(before.0);
            self.ends.truncate(before.1);
            malformed(&error.to_string())
        })
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// How many records are held.
    pub(super) fn rows(&self) -> usize {
        self.ends.len() + self.returned.as_ref().map_or(0, |chunk| chunk.rows)
    }

    /// Holds the records of a chunk again.
    pub(super) fn of(chunk: Chunk) -> Result<Self, Error> {
        let mut held = Self {
            first: chunk.first,
            ..Self::default()
        };
        held.push(&chunk.json)?;
        Ok(held)
    }

    /// How many bytes they have.
    pub(super) fn bytes(&self) -> usize {
        self.json.len() - self.start + self.returned.as_ref().map_or(0, |chunk| chunk.json.len())
    }

    /// Takes the first records, at most so many and so many bytes, but at least
    /// one; `None` if nothing is held.
    pub(super) fn take(&mut self, max_rows: usize, max_bytes: usize) -> Option<Chunk> {
        if let Some(chunk) = self.returned.take() {
            return Some(chunk);
        }
        let rows = self.fitting(max_rows, max_bytes).max(1);
        (!self.ends.is_empty()).then(|| self.cut(rows))
    }

    /// Takes the next piece; a smaller one only at the end.
    pub(super) fn take_piece(&mut self, is_end: bool) -> Option<Chunk> {
        let fitting = self.fitting(PIECE_ROWS, PIECE_BYTES);
        let is_whole = fitting < self.ends.len() || fitting == PIECE_ROWS;
        if self.ends.is_empty() || !(is_whole || is_end) {
            return None;
        }
        Some(self.cut(fitting.max(1)))
    }

    /// Holds the records of a chunk as well, if they come right behind these; gives
    /// it back otherwise.
    pub(super) fn append(&mut self, chunk: Chunk) -> Result<Option<Chunk>, Error> {
        if self.first + self.rows() as u64 != chunk.first {
            return Ok(Some(chunk));
        }
        self.push(&chunk.json).map(|()| None)
    }

    /// Counts records that go another way while nothing is held; gives the number
    /// of the first.
    pub(super) fn pass(&mut self, rows: usize) -> u64 {
        let first = self.first;
        self.first += rows as u64;
        first
    }

    /// The number of the first record, also of the one that comes next if nothing is
    /// held.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// Gives back what could not be sent, to be taken next.
    pub(super) fn put_back(&mut self, chunk: Chunk) {
        self.returned = Some(chunk);
    }

    fn fitting(&self, max_rows: usize, max_bytes: usize) -> usize {
        let ends = self.ends.iter().take(max_rows);
        ends.take_while(|end| **end - self.start <= max_bytes)
            .count()
    }

    fn cut(&mut self, rows: usize) -> Chunk {
        let end = rows
            .checked_sub(1)
            .and_then(|last| self.ends.get(last).copied())
            .unwrap_or(self.start);
        let records = self.json.get(self.start..end).unwrap_or_default();
        // Without the comma behind the last record.
        let records = records.strip_suffix(b",").unwrap_or(records);
        let json = [b"[", records, b"]"].concat();
        self.ends.drain(..rows);
        self.start = end;
        if self.ends.is_empty() {
            self.json = Vec::new();
            self.start = 0;
        } else if self.start > self.json.len() / 2 {
            self.json.drain(..self.start);
            for later in &mut self.ends {
                *later -= self.start;
            }
            self.start = 0;
        }
        let chunk = Chunk {
            first: self.first,
            rows,
            json,
        };
        self.first += rows as u64;
        chunk
    }
}

fn malformed(what: &str) -> Error {
    refused(
        Advice::FixRecord,
        "JSON_PARSER_ERROR",
        &format!("records are one JSON array of objects: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(chunk: Option<Chunk>) -> Option<(u64, usize, String)> {
        chunk.map(|chunk| {
            let json = String::from_utf8(chunk.json).unwrap();
            (chunk.first, chunk.rows, json)
        })
    }

    #[test]
    fn records_are_cut_by_number_however_they_were_pushed() {
        let mut held = Held::default();
        held.push(br#" [{"a":1} , {"a":2}]"#).unwrap();
        held.push(b"[]").unwrap();
        assert!(held.push(br#"[{"a":3},"#).is_err());
        held.push(br#"[{"a":3}]"#).unwrap();
        assert_eq!(held.rows(), 3);
        let first = held.take(2, 100);
        assert_eq!(text(first), Some((0, 2, r#"[{"a":1},{"a":2}]"#.to_owned())));
        assert_eq!(text(held.take_piece(false)), None);
        assert_eq!(
            text(held.take_piece(true)),
            Some((2, 1, r#"[{"a":3}]"#.to_owned()))
        );
        assert!(held.is_empty());
    }

    #[test]
    fn a_piece_takes_no_more_than_fits_and_what_came_back_is_first() {
        let mut held = Held::default();
        let record = format!("[\"{}\"]", "x".repeat(PIECE_BYTES / 2));
        for _ in 0..4 {
            held.push(record.as_bytes()).unwrap();
        }
        let chunk = held.take_piece(false).unwrap();
        assert_eq!((chunk.first, chunk.rows), (0, 1));
        held.put_back(chunk);
        assert_eq!(held.rows(), 4);
        assert_eq!(held.take(10, PIECE_BYTES).unwrap().first, 0);
        // What was taken leaves room and moves nothing of what is behind.
        assert_eq!(held.take_piece(false).unwrap().first, 1);
        assert_eq!(held.bytes(), 2 * (record.len() - 1));
        let last = held.take(10, usize::MAX).unwrap();
        assert_eq!((last.first, last.rows), (2, 2));
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn a_chunk_is_held_with_those_before_it_and_given_back_if_some_are_missing() {
        let chunk = |first: u64| Chunk {
            first,
            rows: 1,
            json: br#"[{"a":1}]"#.to_vec(),
        };
        let mut held = Held::of(chunk(5)).unwrap();
        assert!(held.append(chunk(6)).unwrap().is_none());
        assert!(held.append(chunk(8)).unwrap().is_some());
        assert_eq!(
            held.take(9, usize::MAX).map(|all| (all.first, all.rows)),
            Some((5, 2))
        );
    }
}
