//! Reads a body as a table while it comes, and holds no more of it than the rows
//! that are asked for.

use std::mem;

use bytes::Bytes;
use csv_skim::{BYTE_ORDER_MARK, Next, Span};
use futures_util::stream::{BoxStream, StreamExt as _};

use crate::bindings::contract::tables as wit;
use crate::records::{Records, Shape, Table};

/// From this size on the rows are enough, in bytes of the records that they become.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// The longest row, in bytes: records of the largest kind have some million
/// characters. The contract promises it.
const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// Rows of a table.
pub(super) struct Read {
    /// The records, or what is wrong with the table, and where.
    pub(super) records: Result<Records, String>,
    /// How many bytes of it they are.
    pub(super) bytes: u64,
    pub(super) is_last: bool,
}

/// Why there are no rows.
pub(super) enum Stop {
    Lost(wit::Error),
    /// The shape breaks this rule.
    Shape(&'static str),
}

/// A body under way.
pub(super) struct Reader {
    /// `None` once it has ended, or broken off.
    body: Option<BoxStream<'static, Result<Bytes, wit::Error>>>,
    lost: Option<wit::Error>,
    /// What came and was not given.
    buffer: Vec<u8>,
    /// The names of the columns, if there are any, once they have come.
    names: Option<Option<Vec<String>>>,
    /// The rows that are to be given next: where their values stand, where the last
    /// of them ends, and how many they are.
    spans: Vec<Span>,
    end: usize,
    count: usize,
    n_given: u64,
    /// What is wrong with the table, and where.
    flaw: Option<String>,
}

impl Reader {
    pub(super) const fn new(body: BoxStream<'static, Result<Bytes, wit::Error>>) -> Self {
        Self {
            body: Some(body),
            lost: None,
            buffer: Vec::new(),
            names: None,
            spans: Vec::new(),
            end: 0,
            count: 0,
            n_given: 0,
            flaw: None,
        }
    }

    /// The names of the columns; `None` if there is no line with some.
    pub(super) async fn header(&mut self) -> Result<Option<Vec<String>>, wit::Error> {
        loop {
            if self.names.is_none() {
                self.names = self.first_line();
            }
            match (&self.names, &self.lost) {
                (Some(names), _) => return Ok(names.clone()),
                (None, Some(lost)) => return Err(*lost),
                (None, None) => self.fill().await,
            }
        }
    }

    /// Takes the names of the columns out of the buffer; `None` if more is needed.
    fn first_line(&mut self) -> Option<Option<Vec<String>>> {
        let start = match self.buffer.starts_with(BYTE_ORDER_MARK) {
            true => BYTE_ORDER_MARK.len(),
            false if self.buffer.len() < BYTE_ORDER_MARK.len() && !self.is_whole() => return None,
            false => 0,
        };
        let mut spans = Vec::new();
        match csv_skim::row(&self.buffer, start, self.is_whole(), &mut spans) {
            Ok(Next::Row { end, .. }) => {
                let name = |span: &Span| {
                    let name = span.of(&self.buffer).value().into_owned();
                    String::from_utf8(name).ok()
                };
                let names = spans.iter().map(name).collect();
                self.buffer.drain(..end);
                Some(names)
            }
            Ok(Next::More) if self.buffer.len() <= MAX_ROW_BYTES => None,
            Ok(Next::More | Next::End) | Err(_) => Some(None),
        }
    }

    /// The next rows, at most so many.
    pub(super) async fn next(&mut self, shape: wit::Shape, most: u32) -> Result<Read, Stop> {
        let Some(names) = self.header().await.map_err(Stop::Lost)? else {
            self.flaw = Some("a table: expected the names of its columns, in UTF-8".to_owned());
            return Ok(self.flaw());
        };
        let width = names.len();
        let shape = Shape::new(shape, width).map_err(Stop::Shape)?;
        self.come(width, most, shape.fixed_bytes)
            .await
            .map_err(Stop::Lost)?;
        Ok(self.cut(width, shape))
    }

    /// Waits for the next rows, at most so many, in which lines are to be found, and
    /// gives the names of the columns; `None` if there are none.
    pub(super) async fn rows_to_search(
        &mut self,
        most: u32,
    ) -> Result<Option<Vec<String>>, wit::Error> {
        let Some(names) = self.header().await? else {
            return Ok(None);
        };
        self.come(names.len(), most, 0).await?;
        Ok(Some(names))
    }

    /// Has lines found in the rows that have come, and says whether these are the last;
    /// `None` if something came that is no row.
    pub(super) fn found<F>(
        &mut self,
        find: impl FnOnce((&[u8], &[Span])) -> F,
    ) -> Option<(F, bool)> {
        if self.flaw.is_some() {
            return None;
        }
        let found = find((&self.buffer, &self.spans));
        self.buffer.drain(..self.end);
        self.end = 0;
        self.spans.clear();
        self.n_given += self.count as u64;
        Some((found, self.is_over()))
    }

    /// Waits until enough rows are in the buffer, or none can follow.
    async fn come(
        &mut self,
        width: usize,
        most: u32,
        fixed_bytes: usize,
    ) -> Result<(), wit::Error> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        // A call that was dropped may have left rows behind.
        self.spans.clear();
        (self.end, self.count) = (0, 0);
        while !self.scan(width, most, fixed_bytes) && !self.is_whole() {
            match self.lost {
                Some(lost) if self.count == 0 => return Err(lost),
                Some(_) => break,
                None => self.fill().await,
            }
        }
        Ok(())
    }

    /// Looks for rows in the buffer; true once there are enough, or none can follow.
    fn scan(&mut self, width: usize, most: usize, fixed_bytes: usize) -> bool {
        let is_whole = self.is_whole();
        while self.flaw.is_none() {
            if self.count >= most || self.end + self.count * fixed_bytes >= PART_BYTES {
                return true;
            }
            let n_before = self.spans.len();
            match csv_skim::row(&self.buffer, self.end, is_whole, &mut self.spans) {
                Ok(Next::Row { end, .. }) if self.spans.len() == n_before + width => {
                    self.end = end;
                    self.count += 1;
                }
                Ok(Next::Row { .. }) => self.note("as many values as the header has", self.count),
                Ok(Next::More) if self.buffer.len() - self.end > MAX_ROW_BYTES => {
                    self.note("at most 16 MiB", self.count);
                }
                Ok(Next::More | Next::End) => return false,
                Err(malformed) => self.note(malformed.expected, self.count),
            }
        }
        true
    }

    /// Gives the rows that were found.
    fn cut(&mut self, width: usize, shape: Shape) -> Read {
        if self.flaw.is_some() {
            return self.flaw();
        }
        // The next rows are probably about as long.
        let room = Vec::with_capacity(self.end + self.end / 8);
        let mut text = mem::replace(&mut self.buffer, room);
        self.buffer
            .extend_from_slice(text.get(self.end..).unwrap_or_default());
        text.truncate(self.end);
        let n_spans = self.spans.len();
        let spans = mem::replace(&mut self.spans, Vec::with_capacity(n_spans));
        let bytes = text.len() as u64;
        match Table::new(text, spans, width, shape) {
            Ok(table) => {
                self.n_given += self.count as u64;
                Read {
                    records: Ok(table.into()),
                    bytes,
                    is_last: self.is_over(),
                }
            }
            Err(misfit) => {
                self.note(&misfit.expected, misfit.row);
                self.flaw()
            }
        }
    }

    /// Takes more of the body, enough for another look: at least as much again as is
    /// there of a row, so that a long one is not looked at once for each of its parts.
    async fn fill(&mut self) {
        let wanted = (self.buffer.len() - self.end) * 2;
        let wanted = wanted.min(MAX_ROW_BYTES);
        while let Some(body) = &mut self.body {
            match body.next().await {
                Some(Ok(part)) => self.buffer.extend_from_slice(&part),
                Some(Err(error)) => {
                    self.lost = Some(error);
                    self.body = None;
                }
                None => self.body = None,
            }
            if self.buffer.len() - self.end > wanted {
                break;
            }
        }
    }

    /// Whether nothing comes behind what is in the buffer.
    const fn is_whole(&self) -> bool {
        self.body.is_none() && self.lost.is_none()
    }

    /// Whether there is nothing behind the rows that were given.
    fn is_over(&self) -> bool {
        let is_line_end = |byte: &u8| matches!(*byte, b'\n' | b'\r');
        self.is_whole() && self.buffer.iter().all(is_line_end)
    }

    /// Notes what one of the next rows would have to be.
    fn note(&mut self, expected: &str, row: usize) {
        let row = self.n_given + row as u64 + 1;
        self.flaw = Some(format!("a table: expected {expected} in row {row}"));
    }

    /// No rows, and why.
    fn flaw(&self) -> Read {
        Read {
            records: Err(self.flaw.clone().unwrap_or_default()),
            bytes: 0,
            is_last: false,
        }
    }
}

#[cfg(test)]
mod tests;
