//! The CSV in which jobs tell what became of rows, read row by row while it comes.
//!
//! Rows of queries are read by the host; these are looked into here, since each of
//! them is one that was sent. Only a part of a body is ever held.

use csv_skim::{BYTE_ORDER_MARK, Cell, Span};

use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::unexpected;
use crate::host::{Host, Lost};

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
    /// Nothing was passed yet.
    is_new: bool,
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

impl<D> std::fmt::Debug for Rows<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("width", &self.width)
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
            is_new: true,
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
        if self.is_new {
            let mark = self.buffer.get(..BYTE_ORDER_MARK.len());
            match mark {
                None if self.rest.is_some() => return Ok(Next::More),
                Some(BYTE_ORDER_MARK) => self.at = BYTE_ORDER_MARK.len(),
                _ => {}
            }
            self.is_new = false;
        }
        self.values.clear();
        let is_whole = self.rest.is_none();
        let next = csv_skim::row(&self.buffer, self.at, is_whole, &mut self.values);
        let (end, is_ascii) = match next.map_err(|_| unexpected("rows of CSV"))? {
            csv_skim::Next::Row { end, is_ascii } => (end, is_ascii),
            csv_skim::Next::More => return Ok(Next::More),
            csv_skim::Next::End => return Ok(Next::End),
        };
        let row = self.buffer.get(self.at..end).unwrap_or_default();
        if !is_ascii && str::from_utf8(row).is_err() {
            return Err(unexpected("CSV in UTF-8"));
        }
        self.at = end;
        match self.width {
            0 => self.width = self.values.len(),
            width if width == self.values.len() => {}
            _ => return Err(unexpected("rows of CSV as wide as their header")),
        }
        Ok(Next::Row)
    }

    /// Takes more of the body, enough for another look: at least as much again as
    /// was there, so that a long row is not looked at once for each of its parts.
    pub(crate) async fn fill<H: Host<Down = D>>(&mut self, host: &H) -> Result<(), Stop> {
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

    /// How many values a row has.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// A value of the row that was read last.
    #[inline]
    pub(crate) fn cell(&self, at: usize) -> Cell<'_> {
        let span = self.values.get(at);
        span.map_or_else(Cell::default, |span| span.of(&self.buffer))
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

#[cfg(test)]
mod tests;
