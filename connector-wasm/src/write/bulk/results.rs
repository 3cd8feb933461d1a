//! What became of each row of a bulk job: three files, of which only those are
//! asked for that can hold something.

use csv_core::{ReadRecordResult, Reader};

use super::csv::Sheet;
use super::{Info, Results, again, not_processed, succeeded};
use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{Error, Outcome, RecordResult};
use crate::fault::{Entry, unexpected};
use crate::host::{Host, Method};
use crate::write::plan::{Job, Verb};
use crate::write::{failed, lost, told};

/// Columns of Salesforce's own.
const ID: &str = "sf__Id";
const CREATED: &str = "sf__Created";
const ERROR: &str = "sf__Error";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the results of a job that is done, one for each of its rows.
pub(super) async fn read<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    id: &str,
    info: &Info,
    sheet: &mut Sheet,
) -> Result<Results, Error> {
    // All files before any row is found: if one does not come, the call is made
    // again and must find all rows once more.
    let written = match info.number_records_processed > info.number_records_failed {
        true => fetch(api, id, "successfulResults", sheet).await?,
        false => Vec::new(),
    };
    let refused = match info.number_records_failed > 0 {
        true => fetch(api, id, "failedResults", sheet).await?,
        false => Vec::new(),
    };
    let left = match info.state != "JobComplete" {
        true => fetch(api, id, "unprocessedrecords", sheet).await?,
        false => Vec::new(),
    };
    let mut results = Results::new();
    let success = |line: &Line<'_>| {
        let outcome = match job.verb {
            Verb::Create => Outcome::Created,
            Verb::Upsert(_) if line.created == "true" => Outcome::Created,
            Verb::Update | Verb::Upsert(_) => Outcome::Updated,
            Verb::Delete => Outcome::Deleted,
        };
        told(id_of(line.id), outcome)
    };
    each(&written, sheet, success, &mut results)?;
    let failure = |line: &Line<'_>| {
        let problem = Entry::of_bulk(line.error).problem(400, Some(job.object));
        failed(id_of(line.id), vec![problem])
    };
    each(&refused, sheet, failure, &mut results)?;
    let why = not_processed(info);
    each(
        &left,
        sheet,
        |_| failed(None, vec![why.clone()]),
        &mut results,
    )?;
    // Salesforce keeps no results of rows beyond the day's batches, and a row
    // that comes back changed is not found again.
    results.extend(sheet.rest().map(|at| (at, lost())));
    Ok(results)
}

async fn fetch<H: Host>(
    api: &Api<H>,
    id: &str,
    file: &str,
    sheet: &Sheet,
) -> Result<Vec<u8>, Error> {
    let path = format!("/jobs/ingest/{id}/{file}");
    let ask = Ask::new(Method::Get, path, Kind::Rows);
    again(api, async || {
        let body = succeeded(api.send(ask.clone()).await?, None)?.body;
        is_of(&body, sheet)
            .then_some(body)
            .ok_or_else(|| unexpected("the results of a bulk job as CSV"))
    })
    .await
}

/// Whether a file begins with the columns of the rows that went up, and is no
/// page for people.
fn is_of(body: &[u8], sheet: &Sheet) -> bool {
    let end = body.iter().position(|b| *b == b'\n');
    let header = end.and_then(|end| body.get(..end)).unwrap_or(body);
    let mut is_known = false;
    let read = lines(header, |cells| {
        is_known = cells.iter().any(|name| sheet.column(name).is_some());
    });
    read.is_ok() && is_known
}

fn id_of(id: &str) -> Option<String> {
    (!id.is_empty()).then(|| id.to_owned())
}

/// One line of a file.
struct Line<'l> {
    id: &'l str,
    created: &'l str,
    error: &'l str,
}

/// What a column of a file holds.
#[derive(Clone, Copy)]
enum Column {
    Id,
    Created,
    Error,
    /// A column of the sheet.
    Sent(usize),
    Other,
}

fn each(
    body: &[u8],
    sheet: &mut Sheet,
    result: impl Fn(&Line<'_>) -> RecordResult,
    results: &mut Results,
) -> Result<(), Error> {
    let mut columns: Option<Vec<Column>> = None;
    lines(body, |cells| {
        let Some(columns) = &columns else {
            columns = Some(cells.iter().map(|name| column(name, sheet)).collect());
            return;
        };
        let mut line = Line {
            id: "",
            created: "",
            error: "",
        };
        let mut sent = vec![""; sheet.width()];
        for (column, cell) in columns.iter().zip(cells) {
            match column {
                Column::Id => line.id = cell,
                Column::Created => line.created = cell,
                Column::Error => line.error = cell,
                Column::Sent(at) => {
                    if let Some(place) = sent.get_mut(*at) {
                        *place = cell;
                    }
                }
                Column::Other => {}
            }
        }
        if let Some(at) = sheet.take(&sent) {
            results.push((at, result(&line)));
        }
    })
}

fn column(name: &str, sheet: &Sheet) -> Column {
    match name {
        ID => Column::Id,
        CREATED => Column::Created,
        ERROR => Column::Error,
        name => sheet.column(name).map_or(Column::Other, Column::Sent),
    }
}

/// Reads CSV, calling `each` with the cells of each line.
fn lines(body: &[u8], mut each: impl FnMut(&[&str])) -> Result<(), Error> {
    let broken = || unexpected("the results of a bulk job as CSV");
    let mut reader = Reader::new();
    let mut rest = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let mut text = vec![0; 4096];
    let mut ends = vec![0; 64];
    loop {
        let (mut n_text, mut n_ends) = (0, 0);
        loop {
            let (Some(text_left), Some(ends_left)) =
                (text.get_mut(n_text..), ends.get_mut(n_ends..))
            else {
                return Err(broken());
            };
            let (read, n_in, n_out, n_end) = reader.read_record(rest, text_left, ends_left);
            rest = rest.get(n_in..).unwrap_or_default();
            n_text += n_out;
            n_ends += n_end;
            match read {
                ReadRecordResult::OutputFull => text.resize(text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                // The reader asks for more once, to learn that there is none.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(()),
            }
        }
        let line = text
            .get(..n_text)
            .and_then(|line| str::from_utf8(line).ok());
        let line = line.ok_or_else(broken)?;
        let mut cells = Vec::with_capacity(n_ends);
        let mut start = 0;
        for end in ends.iter().take(n_ends) {
            cells.push(line.get(start..*end).ok_or_else(broken)?);
            start = *end;
        }
        each(&cells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_be_long_and_hold_quotes_and_line_breaks() {
        let long = "x".repeat(10_000);
        let csv = format!("\u{feff}\"a\",\"b\"\n\"1 \"\"q\"\"\n2\",{long}\n,\"\"\n");
        let mut read = Vec::new();
        lines(csv.as_bytes(), |cells| {
            read.push(
                cells
                    .iter()
                    .map(|cell| (*cell).to_owned())
                    .collect::<Vec<_>>(),
            );
        })
        .unwrap();
        assert_eq!(
            read,
            [vec!["a", "b"], vec!["1 \"q\"\n2", &long], vec!["", ""]]
        );
        assert!(lines(b"\"a\n", |_| {}).is_ok());
        assert!(lines(b"\xff\n", |_| {}).is_err());
    }
}
