//! What became of each row of a job whose file the host holds: it finds the lines in
//! the three files of results. Of those that were written only their numbers are here.

use std::collections::VecDeque;

use super::file::File;
use super::results::{self, Fate, LOCKED};
use super::{Info, again, not_processed};
use crate::api::{Api, Ask, Kind, without_answer};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::{Effect, Fault, unexpected};
use crate::host::{Found, Host, Method, Opened, Telling};

/// Columns of Salesforce's own.
const ID: &str = "sf__Id";
const ERROR: &str = "sf__Error";

/// The most rows that are searched at a time. The contract allows no more.
const MOST_ROWS: u32 = 10_000;

/// The most answers of a job that tell of written rows. The largest has some 20; the
/// host lets 64 be held, and a push may have 24 of other jobs.
const MOST_WRITTEN: usize = 36;

/// What became of all rows of a job.
#[derive(Debug)]
pub(super) struct Told<W> {
    /// The number of the row of the first line.
    first: u64,
    /// Answers that told of rows that were created, and their lines.
    written: VecDeque<(W, Vec<u32>)>,
    /// All other rows.
    pub(super) others: results::Told,
}

impl<W> Told<W> {
    /// Of rows that were read here.
    pub(super) fn of(others: results::Told) -> Self {
        Self {
            first: 0,
            written: VecDeque::new(),
            others,
        }
    }

    /// The next rows that were created, and what has told of them.
    pub(super) fn next_written(&mut self) -> Option<(W, Vec<u64>)> {
        let (written, lines) = self.written.pop_front()?;
        let row = |line| self.first + u64::from(line);
        Some((written, lines.into_iter().map(row).collect()))
    }

    /// Whether all were given.
    pub(super) fn is_over(&self) -> bool {
        self.written.is_empty() && self.others.is_over()
    }
}

/// Reads the results of a job that is done, one for each of its rows.
pub(super) async fn read<H: Host>(
    api: &Api<H>,
    id: &str,
    info: &Info,
    file: &File<H::Sheet>,
) -> Result<Told<H::Written>, Error> {
    // What an answer told that broke off is told again.
    api.host.lose_all(file.sheet());
    let mut search = Search {
        api,
        id,
        file,
        is_found: vec![false; file.len()],
        told: Told {
            first: file.first(),
            written: VecDeque::new(),
            others: results::Told::default(),
        },
    };
    if info.number_records_processed > info.number_records_failed {
        search.created().await?;
    }
    if info.number_records_failed > 0 {
        search.failed().await?;
    }
    if info.state != "JobComplete" {
        search.unprocessed().await?;
    }
    search.rest_is_lost();
    search.told.others.because(not_processed(info));
    Ok(search.told)
}

/// The lines that were found so far.
struct Search<'s, H: Host> {
    api: &'s Api<H>,
    id: &'s str,
    file: &'s File<H::Sheet>,
    is_found: Vec<bool>,
    told: Told<H::Written>,
}

/// A file of results, and where its columns stand.
struct Results<T> {
    table: T,
    id: Option<u32>,
    error: Option<u32>,
}

impl<H: Host> Search<'_, H> {
    async fn created(&mut self) -> Result<(), Error> {
        let results = self.open("successfulResults", true).await?;
        let id = results.id.unwrap_or_default();
        loop {
            let found = self.find(&results.table, telling(id, None)).await?;
            self.note(&found.lines);
            if self.told.written.len() == MOST_WRITTEN {
                return Err(unexpected("no more results of a bulk job than its rows"));
            }
            if !found.lines.is_empty() {
                let written = (found.written, found.lines);
                self.told.written.push_back(written);
            }
            if found.is_last {
                return Ok(());
            }
        }
    }

    async fn failed(&mut self) -> Result<(), Error> {
        let results = self.open("failedResults", true).await?;
        let id = results.id.unwrap_or_default();
        loop {
            let telling = Telling {
                // Rows that were locked go again by collections. Such a job has no
                // name, so nobody takes it up again and meets the same locks.
                records: !self.told.others.has_all_locked(),
                ..telling(id, results.error)
            };
            let found = self.find(&results.table, telling).await?;
            self.note(&found.lines);
            let mut errors = found.cells.iter().map(String::as_str);
            let mut records = found.records.iter().map(Option::as_deref);
            for line in &found.lines {
                let error = errors.next().unwrap_or_default();
                let record = records.next().flatten();
                let is_locked = error.as_bytes().starts_with(LOCKED);
                let row = self.row(*line);
                let others = &mut self.told.others;
                match record.filter(|_| is_locked && !others.has_all_locked()) {
                    Some(record) => others.tell_locked(row, error, record),
                    None => others.tell(row, Fate::Failed, error),
                }
            }
            if found.is_last {
                return Ok(());
            }
        }
    }

    async fn unprocessed(&mut self) -> Result<(), Error> {
        // It has the columns that were sent, and no others.
        let results = self.open("unprocessedrecords", false).await?;
        loop {
            let found = self.find(&results.table, telling(0, None)).await?;
            self.note(&found.lines);
            for line in &found.lines {
                let row = self.row(*line);
                self.told.others.tell(row, Fate::NotProcessed, "");
            }
            if found.is_last {
                return Ok(());
            }
        }
    }

    /// Opens a file, and makes sure that it begins with columns of the rows that went
    /// up, and is no page for people.
    async fn open(&self, name: &str, has_id: bool) -> Result<Results<H::Table>, Error> {
        let (api, id) = (self.api, self.id);
        let path = format!("/jobs/ingest/{id}/{name}");
        let ask = Ask::new(Method::Get, path, Kind::Rows);
        again(api, async || {
            let table = match api.open_table(ask.clone()).await? {
                Some(Opened::Content { body, .. }) => body,
                Some(Opened::Refused(answer)) => {
                    let fault = Fault::read(answer.status, &answer.body);
                    return Err(fault.error(None, Effect::Read));
                }
                None => return Err(no_results()),
            };
            let columns = api.host.columns(&table).await;
            let columns = columns.map_err(|lost| without_answer(&lost, Effect::Read))?;
            let columns = columns.unwrap_or_default();
            let place_of = |name: &str| {
                let place = columns.iter().position(|column| column == name)?;
                u32::try_from(place).ok()
            };
            let results = Results {
                id: place_of(ID),
                error: place_of(ERROR),
                table,
            };
            let was_sent = columns.iter().any(|name| self.file.has_column(name));
            (was_sent && (results.id.is_some() || !has_id))
                .then_some(results)
                .ok_or_else(no_results)
        })
        .await
    }

    /// Finds lines in the next rows.
    async fn find(&self, table: &H::Table, telling: Telling) -> Result<Found<H::Written>, Error> {
        let host = &self.api.host;
        let found = host.find(table, self.file.sheet(), telling, MOST_ROWS);
        let found = found.await;
        let found = found.map_err(|lost| without_answer(&lost, Effect::Read))?;
        found.ok_or_else(no_results)
    }

    fn note(&mut self, lines: &[u32]) {
        for line in lines {
            if let Some(is_found) = self.is_found.get_mut(*line as usize) {
                *is_found = true;
            }
        }
    }

    /// The number of the row of a line.
    fn row(&self, line: u32) -> usize {
        let row = self.told.first + u64::from(line);
        usize::try_from(row).unwrap_or(usize::MAX)
    }

    /// Salesforce keeps no results of rows beyond the day's batches, and a row that
    /// comes back changed is not found again.
    fn rest_is_lost(&mut self) {
        let is_found = std::mem::take(&mut self.is_found);
        for (line, _) in (0..).zip(&is_found).filter(|(_, is_found)| !**is_found) {
            let row = self.row(line);
            self.told.others.tell(row, Fate::Lost, "");
        }
    }
}

fn telling(id: u32, cell: Option<u32>) -> Telling {
    Telling {
        id,
        cells: cell.into_iter().collect(),
        records: false,
    }
}

fn no_results() -> Error {
    unexpected("the results of a bulk job as CSV")
}
