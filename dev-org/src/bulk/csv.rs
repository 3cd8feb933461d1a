//! CSV as the Bulk API reads and writes it: a delimiter and a line ending that
//! the job declares and the data must keep to, quotes that are doubled, and
//! nothing trimmed.

use serde::{Deserialize, Serialize};

/// What stands between two values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Delimiter {
    Backquote,
    Caret,
    #[default]
    Comma,
    Pipe,
    Semicolon,
    Tab,
}

impl Delimiter {
    fn byte(self) -> u8 {
        match self {
            Self::Backquote => b'`',
            Self::Caret => b'^',
            Self::Comma => b',',
            Self::Pipe => b'|',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

/// What stands between two rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum LineEnding {
    #[default]
    Lf,
    Crlf,
}

impl LineEnding {
    /// The name in a job.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lf => "LF",
            Self::Crlf => "CRLF",
        }
    }
}

/// How the CSV of a job is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: Delimiter,
    pub(crate) line_ending: LineEnding,
}

impl Dialect {
    /// Writes the end of a row.
    pub(crate) fn end_row(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.line_ending {
            LineEnding::Lf => b"\n",
            LineEnding::Crlf => b"\r\n",
        });
    }

    /// Writes what stands between two values.
    pub(crate) fn delimit(self, out: &mut Vec<u8>) {
        out.push(self.delimiter.byte());
    }
}

/// Where a row stands in the data, without its line ending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// The row as it was sent.
    pub(crate) fn of(self, data: &str) -> &str {
        data.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// The values of one row. Rows are reused, since there are many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    text: String,
    ends: Vec<usize>,
    pub(crate) span: Span,
}

impl Row {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A value; nothing behind the last one.
    pub(crate) fn get(&self, at: usize) -> &str {
        let Some(end) = self.ends.get(at) else {
            return "";
        };
        let start = match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        self.text.get(start..*end).unwrap_or_default()
    }

    /// All values in their order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.get(at))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn end_value(&mut self) {
        self.ends.push(self.text.len());
    }

    fn is_blank(&self) -> bool {
        self.ends.len() == 1 && self.text.is_empty()
    }
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A quote where none may be, as behind a space. Only this row is lost.
    Quote,
    /// A quote that never ends.
    OpenQuote,
    /// Another line ending than the job's. The data cannot be trusted from here.
    LineEnding,
}

/// Reads the rows of a text one by one.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    data: &'a str,
    at: usize,
    dialect: Dialect,
}

/// How a value ended.
enum End {
    Value,
    Row,
    Data,
}

impl<'a> Reader<'a> {
    /// A reader that starts at a byte of the text.
    pub(crate) fn at(data: &'a str, at: usize, dialect: Dialect) -> Self {
        Self { data, at, dialect }
    }

    /// The byte behind the last row that was read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Reads the next row; blank lines are none. `None` at the end.
    pub(crate) fn next(&mut self, row: &mut Row) -> Option<Result<(), Broken>> {
        while self.at < self.data.len() {
            let start = self.at;
            let read = self.row(row);
            row.span = Span {
                start: u32::try_from(start).unwrap_or(u32::MAX),
                end: u32::try_from(self.end_of_row(start)).unwrap_or(u32::MAX),
            };
            if read.is_err() || !row.is_blank() || row.span.end > row.span.start {
                return Some(read);
            }
        }
        None
    }

    /// Where the row that was just read ends, without its line ending.
    fn end_of_row(&self, start: usize) -> usize {
        let bytes = self.data.as_bytes();
        let mut end = self.at;
        for ending in [b'\n', b'\r'] {
            let is_ending = end
                .checked_sub(1)
                .and_then(|last| bytes.get(last))
                .is_some_and(|byte| *byte == ending);
            if is_ending && end > start {
                end -= 1;
            }
        }
        end
    }

    fn row(&mut self, row: &mut Row) -> Result<(), Broken> {
        row.clear();
        loop {
            let read = match self.peek() {
                Some(b'"') => self.quoted(row),
                _ => self.plain(row),
            };
            match read {
                Ok(End::Value) => {}
                Ok(End::Row | End::Data) => return Ok(()),
                Err(broken) => {
                    self.skip_line();
                    return Err(broken);
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.data.as_bytes().get(self.at).copied()
    }

    /// A value without quotes, up to the next delimiter or line ending.
    fn plain(&mut self, row: &mut Row) -> Result<End, Broken> {
        let delimiter = self.dialect.delimiter.byte();
        let rest = self.data.as_bytes().get(self.at..).unwrap_or_default();
        let stop = rest
            .iter()
            .position(|byte| *byte == delimiter || matches!(*byte, b'\n' | b'"'));
        let length = stop.unwrap_or(rest.len());
        let mut value = self.data.get(self.at..self.at + length).unwrap_or_default();
        let end = match stop.and_then(|stop| rest.get(stop)) {
            None => End::Data,
            Some(b'\n') => {
                let is_crlf = value.ends_with('\r');
                if is_crlf != (self.dialect.line_ending == LineEnding::Crlf) {
                    return Err(Broken::LineEnding);
                }
                if is_crlf {
                    value = value.get(..value.len() - 1).unwrap_or_default();
                }
                End::Row
            }
            Some(b'"') => return Err(Broken::Quote),
            Some(_) => End::Value,
        };
        row.text.push_str(value);
        row.end_value();
        self.at += length + usize::from(!matches!(end, End::Data));
        Ok(end)
    }

    /// A value in quotes, with what must follow it.
    fn quoted(&mut self, row: &mut Row) -> Result<End, Broken> {
        self.at += 1;
        loop {
            let rest = self.data.get(self.at..).unwrap_or_default();
            let Some(length) = rest.find('"') else {
                self.at = self.data.len();
                return Err(Broken::OpenQuote);
            };
            row.text.push_str(rest.get(..length).unwrap_or_default());
            self.at += length + 1;
            if self.peek() != Some(b'"') {
                break;
            }
            row.text.push('"');
            self.at += 1;
        }
        row.end_value();
        let Some(byte) = self.peek() else {
            return Ok(End::Data);
        };
        let rest = self.data.as_bytes().get(self.at..).unwrap_or_default();
        let is_crlf = rest.starts_with(b"\r\n");
        match byte {
            byte if byte == self.dialect.delimiter.byte() => {
                self.at += 1;
                Ok(End::Value)
            }
            b'\n' | b'\r' if is_crlf || byte == b'\n' => {
                if is_crlf != (self.dialect.line_ending == LineEnding::Crlf) {
                    return Err(Broken::LineEnding);
                }
                self.at += 1 + usize::from(is_crlf);
                Ok(End::Row)
            }
            _ => Err(Broken::Quote),
        }
    }

    /// Goes behind the end of the line.
    fn skip_line(&mut self) {
        let rest = self.data.get(self.at..).unwrap_or_default();
        self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &str, dialect: Dialect) -> Vec<Result<Vec<String>, Broken>> {
        let mut reader = Reader::at(data, 0, dialect);
        let mut row = Row::default();
        let mut rows = Vec::new();
        while let Some(read) = reader.next(&mut row) {
            rows.push(read.map(|()| row.values().map(str::to_owned).collect()));
        }
        rows
    }

    fn rows(data: &str) -> Vec<Vec<String>> {
        let rows = read(data, Dialect::default()).into_iter();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn quotes_hold_delimiters_line_ends_and_doubled_quotes() {
        assert_eq!(
            rows("a,b\n\"1,\"\"2\"\"\",\"x\ny\"\n"),
            [["a", "b"], ["1,\"2\"", "x\ny"]]
        );
    }

    #[test]
    fn values_are_not_trimmed_and_the_last_row_needs_no_line_end() {
        assert_eq!(rows("John, Smith"), [["John", " Smith"]]);
        assert_eq!(rows("a,\n,b"), [["a", ""], ["", "b"]]);
    }

    #[test]
    fn blank_lines_are_no_rows_but_an_empty_quoted_value_is() {
        assert_eq!(rows("a\n\n\"\"\n"), [["a"], [""]]);
    }

    #[test]
    fn a_space_beside_a_quote_breaks_only_its_row() {
        let read = read("\"a\", \"b\"\n\"c\" ,d\ne,f\n", Dialect::default());
        assert_eq!(read[0], Err(Broken::Quote));
        assert_eq!(read[1], Err(Broken::Quote));
        assert_eq!(read[2], Ok(vec!["e".to_owned(), "f".to_owned()]));
    }

    #[test]
    fn the_line_ending_has_to_be_the_declared_one() {
        let crlf = Dialect {
            line_ending: LineEnding::Crlf,
            ..Dialect::default()
        };
        assert_eq!(
            read("a\r\n\"b\"\r\n", crlf),
            [Ok(vec!["a".to_owned()]), Ok(vec!["b".to_owned()])]
        );
        assert_eq!(read("a\n", crlf), [Err(Broken::LineEnding)]);
        assert_eq!(read("a\r\n", Dialect::default()), [Err(Broken::LineEnding)]);
        assert_eq!(
            read("\"a\"\r\n", Dialect::default()),
            [Err(Broken::LineEnding)]
        );
    }

    #[test]
    fn every_delimiter_divides() {
        for (delimiter, text) in [
            (Delimiter::Backquote, "a`b"),
            (Delimiter::Caret, "a^b"),
            (Delimiter::Pipe, "a|b"),
            (Delimiter::Semicolon, "a;b"),
            (Delimiter::Tab, "a\tb"),
        ] {
            let dialect = Dialect {
                delimiter,
                ..Dialect::default()
            };
            assert_eq!(
                read(text, dialect),
                [Ok(vec!["a".to_owned(), "b".to_owned()])]
            );
        }
    }

    #[test]
    fn a_span_is_the_row_as_sent() {
        let data = "a\n\"b\nc\"\nd";
        let mut reader = Reader::at(data, 0, Dialect::default());
        let mut row = Row::default();
        let mut spans = Vec::new();
        while reader.next(&mut row).is_some() {
            spans.push(row.span.of(data));
        }
        assert_eq!(spans, ["a", "\"b\nc\"", "d"]);
    }
}
