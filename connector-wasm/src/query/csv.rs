//! The rows of a job's results, read one by one from a body that is here.
//!
//! All rows of a long answer pass here, inside the sandbox. So values stay where
//! they are in the body, and one look at them, eight bytes at a time, finds their
//! end and whether JSON needs anything escaped in them.

use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::unexpected;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Rows of one answer.
#[derive(Debug)]
pub(super) struct Rows {
    body: Vec<u8>,
    at: usize,
    /// The values of the row that was read last.
    values: Vec<Span>,
    /// How many values a row has.
    width: usize,
    /// Where in a row the columns stand that were asked for.
    places: Vec<usize>,
    /// How many rows were read.
    pub(super) count: u64,
}

/// Where a value stands in the body, without its quotes.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    is_plain: bool,
}

/// A value as it stands in the body: its quotes are still doubled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'r> {
    pub(super) text: &'r [u8],
    /// There is nothing in it that JSON or CSV would write in another way.
    pub(super) is_plain: bool,
}

impl Rows {
    /// Reads the header: columns are found by name, since their order is the
    /// org's own before version 50.
    pub(super) fn open(body: Vec<u8>, columns: &[String]) -> Result<Self, Error> {
        if std::str::from_utf8(&body).is_err() {
            return Err(unexpected("the results of a job in UTF-8"));
        }
        let at = if body.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        let mut rows = Self {
            body,
            at,
            values: Vec::with_capacity(columns.len()),
            width: 0,
            places: Vec::new(),
            count: 0,
        };
        if !rows.read()? {
            return Err(unexpected("a header in the results of a job"));
        }
        rows.width = rows.values.len();
        rows.places = columns
            .iter()
            .map(|column| {
                (0..rows.width)
                    .find(|&at| {
                        let name = rows.value(at).text;
                        name.eq_ignore_ascii_case(column.as_bytes())
                    })
                    .ok_or_else(|| unexpected(&format!("a column {column} in a job's results")))
            })
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// Goes to the next row; false if there is none.
    pub(super) fn next(&mut self) -> Result<bool, Error> {
        if !self.read()? {
            return Ok(false);
        }
        if self.values.len() != self.width {
            return Err(unexpected(
                "rows as wide as their header in a job's results",
            ));
        }
        self.count += 1;
        Ok(true)
    }

    /// Whether the row that was read is known to be the last.
    pub(super) const fn is_over(&self) -> bool {
        self.at >= self.body.len()
    }

    /// How many bytes the answer has.
    pub(super) const fn bytes(&self) -> u64 {
        self.body.len() as u64
    }

    /// The value of a column, by its number among those that were asked for.
    pub(super) fn cell(&self, column: usize) -> Cell<'_> {
        self.value(self.places.get(column).copied().unwrap_or(usize::MAX))
    }

    fn value(&self, at: usize) -> Cell<'_> {
        let span = self.values.get(at);
        let text = span.and_then(|span| self.body.get(span.start..span.end));
        Cell {
            text: text.unwrap_or_default(),
            is_plain: span.is_none_or(|span| span.is_plain),
        }
    }

    /// Reads a row; false at the end. Lines with nothing in them are no rows.
    fn read(&mut self) -> Result<bool, Error> {
        while matches!(self.body.get(self.at), Some(b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.is_over() {
            return Ok(false);
        }
        self.values.clear();
        loop {
            let value = match self.body.get(self.at) {
                Some(b'"') => self.quoted()?,
                _ => self.bare(),
            };
            self.values.push(value);
            match self.body.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'\n' | b'\r') => {
                    self.at += 1;
                    return Ok(true);
                }
                None => return Ok(true),
                Some(_) => return Err(broken()),
            }
        }
    }

    fn quoted(&mut self) -> Result<Span, Error> {
        let start = self.at + 1;
        let mut at = start;
        let mut is_plain = true;
        loop {
            at += json_skim::plain(self.body.get(at..).unwrap_or_default());
            match (self.body.get(at), self.body.get(at + 1)) {
                (Some(b'"'), Some(b'"')) => {
                    is_plain = false;
                    at += 2;
                }
                (Some(b'"'), _) => break,
                (Some(_), _) => {
                    is_plain = false;
                    at += 1;
                }
                (None, _) => return Err(broken()),
            }
        }
        self.at = at + 1;
        Ok(Span {
            start,
            end: at,
            is_plain,
        })
    }

    /// A value without quotes: Salesforce writes none, other than nothing at all.
    fn bare(&mut self) -> Span {
        let start = self.at;
        let rest = self.body.get(start..).unwrap_or_default();
        let ends = |byte: &u8| matches!(*byte, b',' | b'\n' | b'\r');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        self.at += length;
        Span {
            start,
            end: self.at,
            is_plain: json_skim::plain(text) == length,
        }
    }
}

impl Cell<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Writes the value as it stands between the quotes of a JSON text. The body
    /// was checked to be UTF-8 as a whole, and what is cut out at commas stays so.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        if self.is_plain {
            out.extend_from_slice(self.text);
            return;
        }
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
    unexpected("rows of CSV in a job's results")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn values_keep_their_commas_quotes_and_lines_whatever_the_order_of_columns() {
        let long = "ü".repeat(10_000);
        let body = format!(
            "\u{feff}\"B\",\"Account.Name\",\"A\"\n\"a \"\"b\"\", c\",\"x\r\ny\",\"\"\n\"\",\"{long}\",\"N/A\""
        );
        let mut rows =
            Rows::open(body.into_bytes(), &columns(&["a", "B", "ACCOUNT.NAME"])).unwrap();
        let json = |cell: Cell<'_>| {
            let mut out = Vec::new();
            cell.push(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert!(rows.next().unwrap());
        assert!(rows.cell(0).is_empty());
        assert_eq!(json(rows.cell(1)), r#"a \"b\", c"#);
        assert_eq!(json(rows.cell(2)), r"x\r\ny");
        assert!(!rows.is_over());
        assert!(rows.next().unwrap());
        assert_eq!(json(rows.cell(0)), "N/A");
        assert_eq!(json(rows.cell(2)), long);
        assert!(rows.is_over());
        assert!(!rows.next().unwrap());
        assert_eq!(rows.count, 2);
    }

    #[test]
    fn what_is_no_table_of_the_columns_that_were_asked_for_is_an_error() {
        for body in [&b""[..], b"\"B\"\n\"1\"\n", b"<html>", b"\"A\"\n\"\xff\"\n"] {
            assert!(Rows::open(body.to_vec(), &columns(&["A"])).is_err());
        }
        let mut rows = Rows::open(b"A,B\n1,2\n3\n".to_vec(), &columns(&["A", "B"])).unwrap();
        assert!(rows.next().unwrap());
        assert!(rows.next().is_err());
    }

    #[test]
    fn a_value_is_escaped_as_json_wants_it_whether_it_has_quotes_or_not() {
        let body = b"A,B,C\n\"\"\"\"\"\",a\\b,\"\x01\tz\"\r\n,,\n".to_vec();
        let mut rows = Rows::open(body, &columns(&["A", "B", "C"])).unwrap();
        assert!(rows.next().unwrap());
        let mut out = Vec::new();
        for column in 0..3 {
            rows.cell(column).push(&mut out);
            out.push(b'|');
        }
        assert_eq!(String::from_utf8(out).unwrap(), r#"\"\"|a\\b|\u0001\tz|"#);
        assert!(rows.next().unwrap());
        assert!((0..3).all(|column| rows.cell(column).is_empty()));
        assert!(!rows.next().unwrap());
    }

    #[test]
    fn a_row_that_breaks_off_within_quotes_is_an_error_and_no_shorter_row() {
        for row in ["\"1", "\"1\"2"] {
            let body = format!("\"A\"\n{row}").into_bytes();
            let mut rows = Rows::open(body, &columns(&["A"])).unwrap();
            assert!(rows.next().is_err(), "{row}");
        }
    }
}
