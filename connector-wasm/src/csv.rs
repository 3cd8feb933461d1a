//! The CSV that jobs answer with, read row by row while it comes.
//!
//! All rows of long answers pass here, inside the sandbox. So only a part of a
//! body is ever held, values stay where they are in it, and one look at them,
//! eight bytes at a time, finds their end, whether JSON needs anything escaped in
//! them, and whether they are more than ASCII.

use std::borrow::Cow;

use crate::bindings::exports::lockgate::connector::records::Error;
use crate::copy;
use crate::fault::unexpected;
use crate::host::{Host, Lost};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How much of a body is asked for at a time, in bytes: what the host hands on in
/// one piece at most.
const PART_BYTES: usize = 256 * 1024;

/// The longest row that is read, in bytes: records of the largest kind have some
/// million characters.
const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// The rows of one answer.
pub(crate) struct Rows<D> {
    /// What is still to come of the body.
    rest: Option<D>,
    /// What came of it and was not passed yet.
    buffer: Vec<u8>,
    /// Where the next row begins in the buffer.
    at: usize,
    /// The values of the row that was read last.
    values: Vec<Span>,
    /// How many values a row has; 0 until the header was read.
    width: usize,
    /// Rows that were read, the header left out.
    count: u64,
    /// Bytes that were read and are no longer in the buffer.
    passed: u64,
}

/// What a look at the buffer finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A row, whose values are there until the next look.
    Row,
    /// Half a row at most: more of the body is needed.
    More,
    End,
}

/// Where a value stands in the buffer, without its quotes.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    is_plain: bool,
}

/// A value as it stands in the body, in UTF-8: its quotes are still doubled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'r> {
    pub(crate) text: &'r [u8],
    /// There is nothing in it that JSON or CSV would write in another way.
    pub(crate) is_plain: bool,
}

impl<D> std::fmt::Debug for Rows<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<D> Rows<D> {
    /// The rows of a body of which nothing was read yet.
    pub(crate) const fn new(body: D) -> Self {
        Self {
            rest: Some(body),
            buffer: Vec::new(),
            at: 0,
            values: Vec::new(),
            width: 0,
            count: 0,
            passed: 0,
        }
    }

    /// Reads the row with the names of the columns; false if there is none.
    pub(crate) async fn header<H: Host<Down = D>>(&mut self, host: &H) -> Result<bool, Stop> {
        loop {
            match self.next()? {
                Next::Row => return Ok(true),
                Next::More => self.fill(host).await?,
                Next::End => return Ok(false),
            }
        }
    }

    /// Goes to the next row, if it is in the buffer.
    pub(crate) fn next(&mut self) -> Result<Next, Error> {
        if self.at == 0 && self.passed == 0 {
            let mark = self.buffer.get(..BYTE_ORDER_MARK.len());
            match mark {
                None if self.rest.is_some() => return Ok(Next::More),
                Some(BYTE_ORDER_MARK) => self.at = BYTE_ORDER_MARK.len(),
                _ => {}
            }
        }
        let next = self.read()?;
        if next == Next::Row {
            match self.width {
                0 => self.width = self.values.len(),
                width if width == self.values.len() => self.count += 1,
                _ => return Err(unexpected("rows of CSV as wide as their header")),
            }
        }
        Ok(next)
    }

    /// Takes more of the body, enough for another look: at least as much again as
    /// was there, so that a long row is not looked at once for each of its parts.
    pub(crate) async fn fill<H: Host<Down = D>>(&mut self, host: &H) -> Result<(), Stop> {
        self.passed += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        self.values.clear();
        let wanted = (self.buffer.len() * 2).max(1);
        if wanted > 2 * MAX_ROW_BYTES {
            return Err(unexpected("rows of CSV below 16 MiB").into());
        }
        while let Some(body) = self.rest.take() {
            let mut room = std::mem::take(&mut self.buffer);
            room.reserve(PART_BYTES.saturating_sub(room.len()).max(PART_BYTES / 4));
            let read = host.read(body, room).await;
            (self.buffer, self.rest) = read.map_err(Stop::Lost)?;
            if self.buffer.len() >= wanted {
                break;
            }
        }
        Ok(())
    }

    /// Whether nothing comes behind the row that was read, as far as is known.
    pub(crate) const fn is_over(&self) -> bool {
        self.rest.is_none() && self.at >= self.buffer.len()
    }

    /// How many rows were read.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes were read.
    pub(crate) const fn bytes(&self) -> u64 {
        self.passed + self.at as u64
    }

    /// How many values a row has.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// A value of the row that was read last.
    #[inline]
    pub(crate) fn cell(&self, at: usize) -> Cell<'_> {
        let span = self.values.get(at);
        let text = span.and_then(|span| self.buffer.get(span.start..span.end));
        Cell {
            text: text.unwrap_or_default(),
            is_plain: span.is_none_or(|span| span.is_plain),
        }
    }

    /// Reads a row. Lines with nothing in them are no rows.
    fn read(&mut self) -> Result<Next, Error> {
        while matches!(self.buffer.get(self.at), Some(b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.at >= self.buffer.len() {
            return Ok(match self.rest {
                Some(_) => Next::More,
                None => Next::End,
            });
        }
        self.values.clear();
        let mut at = self.at;
        let mut seen = 0;
        loop {
            let value = match self.buffer.get(at) {
                Some(b'"') => match self.quoted(at + 1, &mut seen) {
                    Some(value) => {
                        at = value.end + 1;
                        value
                    }
                    None if self.rest.is_some() => return Ok(Next::More),
                    None => return Err(broken()),
                },
                _ => {
                    let value = self.bare(at, &mut seen);
                    at = value.end;
                    value
                }
            };
            self.values.push(value);
            match self.buffer.get(at) {
                Some(b',') => at += 1,
                Some(b'\n' | b'\r') => break,
                // What follows may go on with this value: a quote, or more of it.
                None if self.rest.is_some() => return Ok(Next::More),
                None => break,
                Some(_) => return Err(broken()),
            }
        }
        if seen & HIGH != 0 {
            let row = self.buffer.get(self.at..at).unwrap_or_default();
            if str::from_utf8(row).is_err() {
                return Err(unexpected("CSV in UTF-8"));
            }
        }
        self.at = at;
        Ok(Next::Row)
    }

    /// A value in quotes, from behind the first of them; `None` if it does not end
    /// here.
    #[inline]
    fn quoted(&self, start: usize, seen: &mut u64) -> Option<Span> {
        let mut at = start;
        let mut is_plain = true;
        loop {
            at += plain(self.buffer.get(at..).unwrap_or_default(), seen);
            match (self.buffer.get(at)?, self.buffer.get(at + 1)) {
                (b'"', Some(b'"')) => {
                    is_plain = false;
                    at += 2;
                }
                (b'"', _) => break,
                _ => {
                    is_plain = false;
                    at += 1;
                }
            }
        }
        Some(Span {
            start,
            end: at,
            is_plain,
        })
    }

    /// A value without quotes: Salesforce writes none, other than nothing at all.
    fn bare(&self, start: usize, seen: &mut u64) -> Span {
        let rest = self.buffer.get(start..).unwrap_or_default();
        let ends = |byte: &u8| matches!(*byte, b',' | b'\n' | b'\r');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        let looked_at = plain(text, seen);
        // What is behind a mark may be no UTF-8 either.
        for byte in text.get(looked_at..).unwrap_or_default() {
            *seen |= u64::from(*byte);
        }
        Span {
            start,
            end: start + length,
            is_plain: looked_at == length,
        }
    }
}

/// Why no more rows come.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The body broke off.
    Lost(Lost),
    /// It makes no sense.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// 1 in each byte of a word, and the highest bit of each.
const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// How many bytes at the beginning are neither quotes nor anything that JSON
/// escapes. All bits of the words that were looked at are put into `seen`.
#[inline]
fn plain(text: &[u8], seen: &mut u64) -> usize {
    let mut at = 0;
    while let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*word);
        *seen |= word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = word ^ (ONES * u64::from(b'"'));
        let quote = quote.wrapping_sub(ONES) & !quote;
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let backslash = backslash.wrapping_sub(ONES) & !backslash;
        // Only the lowest mark is sure: a borrow may have put others above it.
        let marks = (control | quote | backslash) & HIGH;
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    for (behind, byte) in rest.iter().enumerate() {
        *seen |= u64::from(*byte);
        if *byte < b' ' || matches!(*byte, b'"' | b'\\') {
            return at + behind;
        }
    }
    text.len()
}

impl<'r> Cell<'r> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The value with its quotes as they were before they were doubled.
    pub(crate) fn value(&self) -> Cow<'r, [u8]> {
        if self.is_plain || !self.text.contains(&b'"') {
            return Cow::Borrowed(self.text);
        }
        let mut value = Vec::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some(quote) = rest.iter().position(|byte| *byte == b'"') {
            let (before, behind) = rest.split_at(quote + 1);
            value.extend_from_slice(before);
            rest = behind.strip_prefix(b"\"").unwrap_or(behind);
        }
        value.extend_from_slice(rest);
        Cow::Owned(value)
    }

    /// Writes the value as it stands between the quotes of a JSON text.
    #[inline]
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        if self.is_plain {
            copy::push(out, self.text);
        } else {
            self.push_escaped(out);
        }
    }

    fn push_escaped(&self, out: &mut Vec<u8>) {
        let mut rest = self.text;
        loop {
            let (plain, marked) = rest.split_at(json_skim::plain(rest));
            out.extend_from_slice(plain);
            rest = match marked {
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
}

fn broken() -> Error {
    unexpected("rows of CSV")
}

#[cfg(test)]
mod tests;
