//! The rows of a job's results, read one by one from a body that is here.

use csv_core::{ReadRecordResult, Reader};

use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::unexpected;

/// Room for the values of a row at first, in bytes; it grows with the rows.
const FIELDS_BYTES: usize = 4 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Rows of one answer.
#[derive(Debug)]
pub(super) struct Rows {
    body: Vec<u8>,
    at: usize,
    reader: Reader,
    /// The values of the row that was read last, without quotes, one behind the
    /// other, and where each ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
    /// How many values a row has.
    width: usize,
    /// Where in a row the columns stand that were asked for.
    places: Vec<usize>,
    /// How many rows were read.
    pub(super) count: u64,
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
            reader: Reader::new(),
            fields: vec![0; FIELDS_BYTES],
            ends: vec![0; columns.len() + 1],
            width: 0,
            places: Vec::new(),
            count: 0,
        };
        rows.width = rows
            .read()
            .ok_or_else(|| unexpected("a header in the results of a job"))?;
        rows.places = columns
            .iter()
            .map(|column| {
                (0..rows.width)
                    .find(|&at| rows.value(at).eq_ignore_ascii_case(column.as_bytes()))
                    .ok_or_else(|| unexpected(&format!("a column {column} in a job's results")))
            })
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// Goes to the next row; false if there is none.
    pub(super) fn next(&mut self) -> Result<bool, Error> {
        match self.read() {
            Some(width) if width == self.width => {
                self.count += 1;
                Ok(true)
            }
            Some(_) => Err(unexpected(
                "rows as wide as their header in a job's results",
            )),
            None => Ok(false),
        }
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
    pub(super) fn cell(&self, column: usize) -> &[u8] {
        self.places
            .get(column)
            .map_or(&[], |&place| self.value(place))
    }

    fn value(&self, at: usize) -> &[u8] {
        let start = match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        let end = self.ends.get(at).copied().unwrap_or(0);
        self.fields.get(start..end).unwrap_or_default()
    }

    /// Reads a row; gives how many values it has.
    fn read(&mut self) -> Option<usize> {
        let (mut bytes, mut values) = (0, 0);
        loop {
            // An empty input says that the last row ends here.
            let input = self.body.get(self.at..).unwrap_or_default();
            let (result, read, written, ended) = self.reader.read_record(
                input,
                self.fields.get_mut(bytes..).unwrap_or_default(),
                self.ends.get_mut(values..).unwrap_or_default(),
            );
            self.at += read;
            bytes += written;
            values += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => return Some(values),
                ReadRecordResult::End => return None,
            }
        }
    }
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
        assert!(rows.next().unwrap());
        assert_eq!(rows.cell(0), b"");
        assert_eq!(rows.cell(1), b"a \"b\", c");
        assert_eq!(rows.cell(2), b"x\r\ny");
        assert!(!rows.is_over());
        assert!(rows.next().unwrap());
        assert_eq!(rows.cell(0), b"N/A");
        assert_eq!(rows.cell(2), long.as_bytes());
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
}
