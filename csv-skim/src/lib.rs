//! Walks CSV by slices, row by row, without copying what is in it.
//!
//! Products answer with tables of many thousand rows, which pass here while they
//! come: the host makes records of them, a guest looks for what became of its
//! rows. So values stay where they are in the text, and one look at them, eight
//! bytes at a time, finds their end, whether another form would write them in
//! another way, and whether they are more than ASCII.
//!
//! It is the CSV of RFC 4180: values with commas, quotes or lines in them stand in
//! quotes, and quotes in them are doubled. Lines end with LF, CRLF or CR; those with
//! nothing in them are no rows. How many values a row should have, and whether the
//! text is UTF-8, is for the caller to say.
//!
//! ```
//! use csv_skim::{Next, row};
//!
//! let text = b"Id,Name\n1,\"Ada \"\"Countess\"\" Lovelace\"\n";
//! let mut spans = Vec::new();
//! let mut names = Vec::new();
//! let mut at = 0;
//! while let Next::Row { end, .. } = row(text, at, true, &mut spans)? {
//!     names.push(spans[1].of(text).value());
//!     spans.clear();
//!     at = end;
//! }
//! assert_eq!(names, [&b"Name"[..], b"Ada \"Countess\" Lovelace"]);
//! # Ok::<(), csv_skim::Malformed>(())
//! ```

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The longest text that is read, in bytes: places in it are numbers of 31 bits.
pub const MAX_BYTES: usize = i32::MAX as usize;

/// What some products put in front of the header to say that it is UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text is no CSV. Says where and what would have been right, and quotes
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The offset in bytes.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at)
    }
}

impl std::error::Error for Malformed {}

/// What a look at a text finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A row.
    Row {
        /// Where it ends; the next one is looked for from here.
        end: usize,
        /// Its bytes are all ASCII.
        is_ascii: bool,
    },
    /// Half a row at most: more of the text is needed.
    More,
    /// Nothing comes any more.
    End,
}

/// Where a value stands in its text, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    /// The highest bit is set if the value is not plain.
    end: u32,
}

/// A value as it stands in its text: quotes in it are still doubled. By default one
/// with nothing in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell<'t> {
    text: &'t [u8],
    is_plain: bool,
}

/// Reads the row that begins at `from`, or behind empty lines there, and appends
/// where its values stand. Nothing is appended if there is no whole row.
///
/// `is_whole` says that nothing comes behind this text: without it a row at its end
/// might go on.
///
/// # Errors
/// If a value in quotes does not end, or something follows it.
#[inline]
pub fn row(
    text: &[u8],
    from: usize,
    is_whole: bool,
    values: &mut Vec<Span>,
) -> Result<Next, Malformed> {
    if text.len() > MAX_BYTES {
        return Err(Malformed {
            at: MAX_BYTES,
            expected: "less text",
        });
    }
    let n_before = values.len();
    let mut scan = Scan {
        text,
        at: from,
        seen: 0,
    };
    let next = scan.row(is_whole, values);
    if !matches!(next, Ok(Next::Row { .. })) {
        values.truncate(n_before);
    }
    next
}

/// A place in a text.
struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    /// All bits of the bytes that were looked at.
    seen: u64,
}

/// 1 in each byte of a word, and the highest bit of each.
const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// The highest bit of a span's end.
const NOT_PLAIN: u32 = 1 << 31;

/// Marks, in the top bit of each byte, those that equal one byte. Only the lowest
/// mark is sure: a borrow may have put others above it.
const fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * byte as u64);
    difference.wrapping_sub(ONES) & !difference
}

impl Scan<'_> {
    fn row(&mut self, is_whole: bool, values: &mut Vec<Span>) -> Result<Next, Malformed> {
        while let Some(b'\n' | b'\r') = self.here() {
            self.at += 1;
        }
        if self.at >= self.text.len() {
            return Ok(if is_whole { Next::End } else { Next::More });
        }
        loop {
            let value = match self.here() {
                Some(b'"') => self.quoted(),
                _ => Some(self.bare()),
            };
            let Some(value) = value else {
                return match is_whole {
                    true => Err(self.expected("the end of a value in quotes")),
                    false => Ok(Next::More),
                };
            };
            values.push(value);
            match self.here() {
                Some(b',') => self.at += 1,
                Some(b'\n' | b'\r') => break,
                // What follows may go on with this value: a quote, or more of it.
                None if !is_whole => return Ok(Next::More),
                None => break,
                Some(_) => return Err(self.expected("a comma behind a value in quotes")),
            }
        }
        Ok(Next::Row {
            end: self.at,
            is_ascii: self.seen & HIGH == 0,
        })
    }

    /// A value in quotes; `None` if it does not end here.
    #[inline]
    fn quoted(&mut self) -> Option<Span> {
        self.at += 1;
        let start = self.at;
        let mut is_plain = true;
        loop {
            self.pass::<false>();
            match (self.here()?, self.text.get(self.at + 1)) {
                (b'"', Some(b'"')) => self.at += 2,
                (b'"', _) => break,
                _ => self.at += 1,
            }
            is_plain = false;
        }
        let value = Span::new(start, self.at, is_plain);
        self.at += 1;
        Some(value)
    }

    /// A value without quotes.
    #[inline]
    fn bare(&mut self) -> Span {
        let start = self.at;
        let mut is_plain = true;
        loop {
            self.pass::<true>();
            match self.here() {
                None | Some(b',' | b'\n' | b'\r') => break,
                Some(_) => self.at += 1,
            }
            is_plain = false;
        }
        Span::new(start, self.at, is_plain)
    }

    /// Goes on to the next quote, backslash or control character, or to the next
    /// comma as well.
    #[inline]
    fn pass<const COMMA: bool>(&mut self) {
        let text = self.text;
        while let Some(word) = text.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_le_bytes(*word);
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let mut marks = control | equal(word, b'"') | equal(word, b'\\');
            if COMMA {
                marks |= equal(word, b',');
            }
            marks &= HIGH;
            if marks != 0 {
                let n_passed = marks.trailing_zeros() / 8;
                // What is behind the mark is looked at later.
                self.seen |= word & !(u64::MAX << (n_passed * 8));
                self.at += n_passed as usize;
                return;
            }
            self.seen |= word;
            self.at += 8;
        }
        while let Some(byte) = self.here() {
            if byte < b' ' || matches!(byte, b'"' | b'\\') || (COMMA && byte == b',') {
                return;
            }
            self.seen |= u64::from(byte);
            self.at += 1;
        }
    }

    #[inline]
    fn here(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[cold]
    const fn expected(&self, expected: &'static str) -> Malformed {
        Malformed {
            at: self.at,
            expected,
        }
    }
}

impl Span {
    /// Texts are shorter than what 31 bits can say: `row` has made sure of it.
    #[inline]
    const fn new(start: usize, end: usize, is_plain: bool) -> Self {
        Self {
            start: start as u32,
            end: end as u32 | if is_plain { 0 } else { NOT_PLAIN },
        }
    }

    /// The offsets of its first byte and behind its last.
    #[inline]
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start as usize..(self.end & !NOT_PLAIN) as usize
    }

    /// Whether there is no quote, no backslash and no control character in it, so
    /// that CSV and JSON write it alike.
    #[inline]
    #[must_use]
    pub const fn is_plain(self) -> bool {
        self.end & NOT_PLAIN == 0
    }

    /// Whether there is nothing in it.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The value, given the text that it stands in.
    #[inline]
    #[must_use]
    pub fn of(self, text: &[u8]) -> Cell<'_> {
        Cell {
            text: text.get(self.range()).unwrap_or_default(),
            is_plain: self.is_plain(),
        }
    }
}

impl<'t> Cell<'t> {
    /// The value with its quotes as they were before they were doubled.
    #[must_use]
    pub fn value(&self) -> Cow<'t, [u8]> {
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
}

#[cfg(test)]
mod tests;
