//! What became of each row of a job that was read here: three files, of which only
//! those are asked for that can hold something, and which are read as they come.

use std::collections::HashMap;

use super::finder::Finder;
use super::line::print_of;
use super::sheet::Sheet;
use super::{Info, again, not_processed};
use crate::api::{Api, Ask, Kind, without_answer};
use crate::bindings::exports::lockgate::connector::records::{
    Error, Outcome, Problem, RecordResult,
};
use crate::csv::{Next, Rows, Stop};
use crate::fault::{Effect, Entry, Fault, unexpected};
use crate::host::{Host, Method, Opened};
use crate::write::plan::{Job, Verb};
use crate::write::{COLLECTIONS_ROWS, failed, lost, print, told};

/// Columns of Salesforce's own.
const ID: &[u8] = b"sf__Id";
const CREATED: &[u8] = b"sf__Created";
const ERROR: &[u8] = b"sf__Error";

/// How the error of a row that was locked begins.
pub(super) const LOCKED: &[u8] = b"UNABLE_TO_LOCK_ROW:";

/// How many different errors are known again. Some name an id, and are all different.
const MOST_ERRORS: usize = 256;

/// What became of all rows of a job. Results are made when they are given, since a
/// guest would hold each of them several times over.
#[derive(Debug, Default)]
pub(super) struct Told {
    rows: Vec<ToldRow>,
    /// Ids and errors, one behind the other.
    texts: Vec<u8>,
    last_error: Span,
    /// Errors that were told before, by their prints.
    errors: HashMap<u64, Span>,
    /// Why rows were not processed.
    why: Option<Problem>,
    /// How many rows were given.
    given: usize,
    /// Rows that were locked and can go again, and a JSON array of their records,
    /// still without its end.
    locked: Vec<ToldRow>,
    records: Vec<u8>,
}

/// What became of one row.
#[derive(Clone, Copy, Debug)]
struct ToldRow {
    /// Its number.
    row: usize,
    fate: Fate,
    id: Span,
    error: Span,
}

/// Where a text stands among the texts.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(self, texts: &[u8]) -> &[u8] {
        let text = texts.get(self.start as usize..self.end as usize);
        text.unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Created,
    Updated,
    Deleted,
    Failed,
    NotProcessed,
    /// No result speaks of it.
    Lost,
}

impl Told {
    /// Reads the results of a job that is done, one for each of its rows.
    pub(super) async fn read<H: Host>(
        api: &Api<H>,
        job: &Job<'_>,
        id: &str,
        info: &Info,
        sheet: &Sheet,
    ) -> Result<Self, Error> {
        let mut found = Found::new(sheet, job.verb);
        if info.number_records_processed > info.number_records_failed {
            let success = |created: &[u8]| match job.verb {
                Verb::Create => Fate::Created,
                Verb::Upsert(_) if created == b"true" => Fate::Created,
                Verb::Update | Verb::Upsert(_) => Fate::Updated,
                Verb::Delete => Fate::Deleted,
            };
            found.read(api, id, "successfulResults", success).await?;
        }
        if info.number_records_failed > 0 {
            found
                .read(api, id, "failedResults", |_| Fate::Failed)
                .await?;
        }
        if info.state != "JobComplete" {
            let fate = |_: &[u8]| Fate::NotProcessed;
            found.read(api, id, "unprocessedrecords", fate).await?;
        }
        // Salesforce keeps no results of rows beyond the day's batches, and a row
        // that comes back changed is not found again.
        found.rest_is_lost();
        found.told.why = Some(not_processed(info));
        Ok(found.told)
    }

    /// The next results, at most so many; `None` once all were given.
    pub(super) fn next(&mut self, most: usize, object: &str) -> Option<Vec<(usize, RecordResult)>> {
        let rest = self.rows.get(self.given..)?;
        let some = rest.iter().take(most);
        let results: Vec<_> = some
            .map(|row| (row.row, self.result(row, object)))
            .collect();
        self.given += results.len();
        (!results.is_empty()).then_some(results)
    }

    /// Whether all were given.
    pub(super) const fn is_over(&self) -> bool {
        self.given >= self.rows.len()
    }

    /// Takes the rows that were locked and can go again: a JSON array of their
    /// records, and their results, which are not given otherwise.
    pub(super) fn take_locked(&mut self, object: &str) -> (Vec<u8>, Vec<(usize, RecordResult)>) {
        let locked = std::mem::take(&mut self.locked);
        let results = locked.iter().map(|row| (row.row, self.result(row, object)));
        let results = results.collect();
        let mut records = std::mem::take(&mut self.records);
        records.push(b']');
        (records, results)
    }

    /// Lets the rows that were locked have their results as all others.
    pub(super) fn leave_locked(&mut self) {
        self.rows.append(&mut self.locked);
        self.records = Vec::new();
    }

    /// Notes what became of a row that was not written.
    pub(super) fn tell(&mut self, row: usize, fate: Fate, error: &str) {
        let row = self.row(row, fate, b"", error.as_bytes());
        self.rows.push(row);
    }

    /// Notes a row that was locked, if it can go again with others: its record.
    pub(super) fn tell_locked(&mut self, row: usize, error: &str, record: &str) {
        let row = self.row(row, Fate::Failed, b"", error.as_bytes());
        let before = if self.locked.is_empty() { b'[' } else { b',' };
        self.records.push(before);
        self.records.extend_from_slice(record.as_bytes());
        self.locked.push(row);
    }

    /// Whether no more rows that were locked go again.
    pub(super) const fn has_all_locked(&self) -> bool {
        self.locked.len() >= COLLECTIONS_ROWS
    }

    /// Says why rows were not processed.
    pub(super) fn because(&mut self, why: Problem) {
        self.why = Some(why);
    }

    /// The result of a row.
    fn result(&self, row: &ToldRow, object: &str) -> RecordResult {
        // They came as texts.
        let text = |span: Span| str::from_utf8(span.of(&self.texts)).unwrap_or_default();
        let id = text(row.id);
        let id = (!id.is_empty()).then(|| id.to_owned());
        match row.fate {
            Fate::Created => told(id, Outcome::Created),
            Fate::Updated => told(id, Outcome::Updated),
            Fate::Deleted => told(id, Outcome::Deleted),
            Fate::Failed => {
                let entry = Entry::of_bulk(text(row.error));
                failed(id, vec![entry.problem(400, Some(object))])
            }
            Fate::NotProcessed => failed(None, self.why.iter().cloned().collect()),
            Fate::Lost => lost(),
        }
    }

    fn row(&mut self, row: usize, fate: Fate, id: &[u8], error: &[u8]) -> ToldRow {
        ToldRow {
            row,
            fate,
            id: self.text(id),
            error: self.error(error),
        }
    }

    /// An error, held once: rows often fail for the same few reasons.
    fn error(&mut self, error: &[u8]) -> Span {
        if self.last_error.of(&self.texts) != error {
            let print = print::of(error);
            let known = self.errors.get(&print).copied();
            let known = known.filter(|known| known.of(&self.texts) == error);
            self.last_error = known.unwrap_or_else(|| self.text(error));
            if self.errors.len() < MOST_ERRORS {
                self.errors.insert(print, self.last_error);
            }
        }
        self.last_error
    }

    fn text(&mut self, text: &[u8]) -> Span {
        let length = |texts: &Vec<u8>| u32::try_from(texts.len()).unwrap_or(u32::MAX);
        let start = length(&self.texts);
        self.texts.extend_from_slice(text);
        Span {
            start,
            end: length(&self.texts),
        }
    }
}

/// Where the columns of a file stand.
#[derive(Debug, Default)]
struct Places {
    id: Option<usize>,
    created: Option<usize>,
    error: Option<usize>,
    /// Columns of the sheet: where they stand in the file, and in the sheet.
    sent: Vec<(usize, usize)>,
}

impl Places {
    fn of<D>(header: &Rows<D>, sheet: &Sheet) -> Self {
        let mut places = Self::default();
        for at in 0..header.width() {
            let name = header.cell(at).value();
            match &*name {
                ID => places.id = Some(at),
                CREATED => places.created = Some(at),
                ERROR => places.error = Some(at),
                name => {
                    let name = str::from_utf8(name).unwrap_or_default();
                    places
                        .sent
                        .extend(sheet.column(name).map(|column| (at, column)));
                }
            }
        }
        places
    }
}

/// The rows of a sheet that were found so far.
struct Found<'s> {
    sheet: &'s Sheet,
    verb: Verb<'s>,
    by_row: Finder,
    /// Made when it is first needed: Salesforce may write a value in its own way,
    /// but hardly ever does.
    by_key: Option<Finder>,
    is_found: Vec<bool>,
    told: Told,
}

impl<'s> Found<'s> {
    fn new(sheet: &'s Sheet, verb: Verb<'s>) -> Self {
        let lines = sheet.len();
        Self {
            sheet,
            verb,
            by_row: Finder::new(lines, |line| sheet.print(line)),
            by_key: None,
            is_found: vec![false; lines],
            told: Told {
                rows: Vec::with_capacity(lines),
                // Most texts are ids.
                texts: Vec::with_capacity(lines * 18),
                ..Told::default()
            },
        }
    }

    /// Reads a file, and notes what it says of rows that it finds.
    async fn read<H: Host>(
        &mut self,
        api: &Api<H>,
        id: &str,
        file: &str,
        fate: impl Fn(&[u8]) -> Fate,
    ) -> Result<(), Error> {
        let (mut rows, places) = self.open(api, id, file).await?;
        loop {
            match rows.next()? {
                Next::Row => {}
                Next::More => {
                    rows.fill(&api.host).await.map_err(error_of)?;
                    continue;
                }
                Next::End => return Ok(()),
            }
            let mut row_print: u64 = 0;
            let mut key_print = None;
            for (at, column) in &places.sent {
                let value = rows.cell(*at).value();
                row_print = row_print.wrapping_add(print_of(*column, &value));
                if *column == 0 && self.sheet.has_key() {
                    key_print = Some(print::of(&value));
                }
            }
            if let Some(line) = self.take(row_print, key_print) {
                let is_as_sent = self.sheet.print(line) == row_print;
                self.tell(&rows, &places, line, is_as_sent, &fate);
            }
        }
    }

    /// Notes what a row of a file says of a line.
    fn tell<D>(
        &mut self,
        rows: &Rows<D>,
        places: &Places,
        line: u32,
        is_as_sent: bool,
        fate: impl Fn(&[u8]) -> Fate,
    ) {
        let value = |at: Option<usize>| {
            let value = at.map(|at| rows.cell(at).value());
            value.unwrap_or_default()
        };
        let (id, error) = (value(places.id), value(places.error));
        let fate = fate(&value(places.created));
        let told = &mut self.told;
        let row = told.row(self.sheet.row(line), fate, &id, &error);
        let is_locked = fate == Fate::Failed && error.starts_with(LOCKED);
        if is_locked && is_as_sent && !told.has_all_locked() {
            let before = told.records.len();
            told.records.push(if before == 0 { b'[' } else { b',' });
            let cell = |column: usize| {
                let mut sent = places.sent.iter();
                value(sent.find(|(_, sent)| *sent == column).map(|(at, _)| *at))
            };
            if self
                .sheet
                .push_record(line, self.verb, &mut told.records, cell)
            {
                told.locked.push(row);
                return;
            }
            told.records.truncate(before);
        }
        told.rows.push(row);
    }

    /// Opens a file, and makes sure that it begins with columns of the rows that
    /// went up, and is no page for people.
    async fn open<H: Host>(
        &self,
        api: &Api<H>,
        id: &str,
        file: &str,
    ) -> Result<(Rows<H::Down>, Places), Error> {
        let path = format!("/jobs/ingest/{id}/{file}");
        let ask = Ask::new(Method::Get, path, Kind::Rows);
        again(api, async || {
            let mut rows = match api.open(ask.clone()).await? {
                Opened::Content { body, .. } => Rows::new(body),
                Opened::Refused(answer) => {
                    let fault = Fault::read(answer.status, &answer.body);
                    return Err(fault.error(None, Effect::Read));
                }
            };
            let has_header = rows.header(&api.host).await.map_err(error_of)?;
            let places = Places::of(&rows, self.sheet);
            (has_header && !places.sent.is_empty())
                .then_some((rows, places))
                .ok_or_else(|| unexpected("the results of a bulk job as CSV"))
        })
        .await
    }

    /// The line that says this, else the one with this key. Lines that say the same
    /// are as good as each other.
    fn take(&mut self, row_print: u64, key_print: Option<u64>) -> Option<u32> {
        let sheet = self.sheet;
        let is_free = |line: u32| self.is_found.get(line as usize) == Some(&false);
        let by_row = self
            .by_row
            .take(row_print, |line| sheet.print(line), is_free);
        let line = by_row.or_else(|| {
            let key_print = key_print.filter(|_| sheet.has_key())?;
            let key_of = |line| sheet.key_print(line);
            let by_key = self
                .by_key
                .get_or_insert_with(|| Finder::new(sheet.len(), key_of));
            by_key.take(key_print, key_of, is_free)
        })?;
        if let Some(is_found) = self.is_found.get_mut(line as usize) {
            *is_found = true;
        }
        Some(line)
    }

    fn rest_is_lost(&mut self) {
        let lines = (0..).zip(&self.is_found);
        for (line, _) in lines.filter(|(_, is_found)| !**is_found) {
            let row = self.told.row(self.sheet.row(line), Fate::Lost, b"", b"");
            self.told.rows.push(row);
        }
    }
}

fn error_of(stop: Stop) -> Error {
    match stop {
        Stop::Lost(lost) => without_answer(&lost, Effect::Read),
        Stop::Error(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_errors_of_many_rows_are_held_once_each() {
        let mut told = Told::default();
        for row in 0..1_000 {
            let error = ["A:first:--", "B:second:--", ""][row % 3];
            told.tell(row, Fate::Failed, error);
        }
        assert_eq!(told.texts, b"A:first:--B:second:--");
        let results = told.next(1_000, "Account").unwrap();
        let code = |at: usize| match &results[at].1.outcome {
            Outcome::Failed(problems) => problems[0].code.clone(),
            _ => String::new(),
        };
        assert_eq!([code(999), code(997)], ["A", "B"]);
    }
}
