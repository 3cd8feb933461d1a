//! Writing records: one `Writer` for creating, changing and deleting, with one
//! result for each record.
//!
//! There are two ways. *Collections* go out as the records come, and tell at once
//! what happened. A *bulk* job costs a handful of calls for many thousand
//! records, and tells later. Records are held until it is clear which is better,
//! unless the caller has said so.

mod bulk;
mod collections;
mod held;
mod plan;
mod route;
mod send;

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Operation, Outcome, Problem, RecordResult, RowResult, Way, WriteOptions,
};
use crate::body::{Row, read_rows};
use crate::fault::{as_problem, problem, refused};
use crate::host::Host;
use crate::names;
use bulk::BulkJob;
use held::{Chunk, Held};
use plan::{Job, MAX_ROWS};

/// The names of the ways.
const COLLECTIONS: &str = "collections";
const BULK: &str = "bulk";

/// From here on a bulk job costs fewer calls than collections, and Salesforce
/// asks for it.
const BULK_FROM_ROWS: usize = 2_000;

/// The most that one call of the writer sends by collections: 40 requests, since
/// the host lets 100 of a call out, and some are made again.
const COLLECTIONS_ROWS: usize = 40 * MAX_ROWS;

/// The longest name of a write that can be taken up again, in bytes.
const MAX_NAME_BYTES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Collections,
    Bulk,
}

/// A write under way.
#[derive(Debug)]
pub(crate) struct Writer<H> {
    api: Rc<Api<H>>,
    object: String,
    operation: Operation,
    all_or_none: bool,
    name: Option<String>,
    way: RefCell<Option<(Kind, String)>>,
    /// Taken while a call works on it: calls of one writer do not overlap.
    state: RefCell<Option<State>>,
}

/// Records that have no result yet.
#[derive(Debug, Default)]
struct State {
    held: Held,
    /// Bulk jobs with the records that went up, kept for those that were locked.
    jobs: VecDeque<(Chunk, BulkJob)>,
    n_jobs: usize,
}

/// Begins a write. What is wrong with it as a whole shows here.
pub(crate) fn open<H: Host>(
    api: Rc<Api<H>>,
    object: &str,
    operation: Operation,
    options: WriteOptions,
) -> Result<Writer<H>, Error> {
    names::object(object)?;
    if let Operation::Upsert(field) = &operation {
        names::key_field(field)?;
    }
    let way = forced(&options)?;
    Ok(Writer {
        api,
        object: object.to_owned(),
        operation,
        all_or_none: options.all_or_none,
        name: options.name,
        way: RefCell::new(way),
        state: RefCell::new(Some(State::default())),
    })
}

/// Writes one record by its own route.
pub(crate) async fn one<H: Host>(
    api: &Api<H>,
    object: &str,
    operation: &Operation,
    record: &str,
) -> Result<RecordResult, Error> {
    let job = Job::new(object, operation);
    let records = format!("[{record}]");
    let rows = read_rows(records.as_bytes(), job.verb.keyed_by())?;
    let results = collections::run(api, job, rows).await?;
    results.into_iter().next().ok_or(Error::UnknownOutcome)
}

/// The way that the options leave.
fn forced(options: &WriteOptions) -> Result<Option<(Kind, String)>, Error> {
    if let Some(name) = &options.name {
        let is_sound = (1..=MAX_NAME_BYTES).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !is_sound {
            return Err(wrong(
                "a write's name has 1 to 64 characters of A-Z a-z 0-9 . _ -",
            ));
        }
    }
    let asked = match options.way.as_deref() {
        None => None,
        Some(COLLECTIONS) => Some(Kind::Collections),
        Some(BULK) => Some(Kind::Bulk),
        Some(_) => {
            return Err(wrong(
                "a write goes by one of the ways `collections` and `bulk`",
            ));
        }
    };
    match (asked, options.all_or_none, &options.name) {
        (Some(Kind::Bulk), true, _) => Err(wrong("a bulk job cannot undo all if one record fails")),
        (Some(Kind::Collections), _, Some(_)) => Err(wrong(
            "only a write by a bulk job has a name and can be taken up again",
        )),
        (_, true, Some(_)) => Err(wrong(
            "a write that undoes all if one record fails cannot be taken up again",
        )),
        (Some(kind), ..) => Ok(Some((kind, "it was asked for".to_owned()))),
        (None, true, None) => Ok(Some((
            Kind::Collections,
            "only they undo all if one record fails".to_owned(),
        ))),
        (None, _, Some(_)) => Ok(Some((
            Kind::Bulk,
            "the write has a name, and only a bulk job can be taken up again".to_owned(),
        ))),
        (None, false, None) => Ok(None),
    }
}

impl<H: Host> Writer<H> {
    /// How it is done, once that is known.
    pub(crate) fn way(&self) -> Option<Way> {
        self.way.borrow().as_ref().map(|(kind, reason)| Way {
            name: match kind {
                Kind::Collections => COLLECTIONS,
                Kind::Bulk => BULK,
            }
            .to_owned(),
            reason: reason.clone(),
        })
    }

    /// Takes records, and gives results that are known by now.
    pub(crate) async fn push(&self, records: &[u8]) -> Result<Vec<RowResult>, Error> {
        let mut state = self.take_state()?;
        let outcome = match state.held.push(records) {
            Ok(()) => self.work(&mut state, false).await,
            Err(error) => Err(error),
        };
        self.state.replace(Some(state));
        outcome
    }

    /// Gives results until all records have theirs.
    pub(crate) async fn finish(&self) -> Result<Option<Vec<RowResult>>, Error> {
        let mut state = self.take_state()?;
        let outcome = self.finish_with(&mut state).await;
        self.state.replace(Some(state));
        outcome
    }

    async fn finish_with(&self, state: &mut State) -> Result<Option<Vec<RowResult>>, Error> {
        if !state.held.is_empty() {
            return self.work(state, true).await.map(Some);
        }
        let Some((chunk, job)) = state.jobs.front_mut() else {
            return Ok(None);
        };
        let Some(results) = job.results(&self.api, &self.job()).await? else {
            return Ok(Some(Vec::new()));
        };
        let results = self.unlocked(chunk, results).await;
        state.jobs.pop_front();
        Ok(Some(results))
    }

    fn take_state(&self) -> Result<State, Error> {
        let state = self.state.borrow_mut().take();
        state.ok_or_else(|| wrong("calls of one writer come one after the other"))
    }

    /// Sends what is held as far as it should go now.
    async fn work(&self, state: &mut State, is_end: bool) -> Result<Vec<RowResult>, Error> {
        match self.choose(state, is_end) {
            None => Ok(Vec::new()),
            Some(Kind::Collections) => self.by_collections(state, is_end).await,
            Some(Kind::Bulk) => self.by_bulk(state, is_end).await,
        }
    }

    fn choose(&self, state: &State, is_end: bool) -> Option<Kind> {
        let mut way = self.way.borrow_mut();
        if way.is_none() {
            *way = self.chosen(state.held.rows(), is_end);
        }
        way.as_ref().map(|(kind, _)| *kind)
    }

    fn chosen(&self, rows: usize, is_end: bool) -> Option<(Kind, String)> {
        if let Some(header) = self.api.settings.header_of_single_requests() {
            let reason = format!("a bulk job does not heed the setting {header}");
            return Some((Kind::Collections, reason));
        }
        if !names::is_bulk_object(&self.object) {
            let reason = format!("bulk jobs do not know {}", self.object);
            return Some((Kind::Collections, reason));
        }
        if rows >= BULK_FROM_ROWS {
            let reason = format!("from {BULK_FROM_ROWS} records on it costs fewer calls");
            return Some((Kind::Bulk, reason));
        }
        let reason = format!("{rows} records are few, and their results come at once");
        is_end.then_some((Kind::Collections, reason))
    }

    async fn by_collections(
        &self,
        state: &mut State,
        is_end: bool,
    ) -> Result<Vec<RowResult>, Error> {
        if self.all_or_none && !is_end {
            // All of them are one request, so all of them must be here.
            if state.held.rows() > MAX_ROWS {
                state.held = Held::default();
                return Err(collections::too_many_for_all_or_none());
            }
            return Ok(Vec::new());
        }
        let Some(chunk) = state.held.take(COLLECTIONS_ROWS) else {
            return Ok(Vec::new());
        };
        match self.send(&chunk, |_| true).await {
            Ok(results) => Ok(results),
            // It may have happened, to each of them. If these are all, the call as
            // a whole says so.
            Err(error @ Error::UnknownOutcome) if chunk.first > 0 || !state.held.is_empty() => {
                Ok(chunk.all_told(&error))
            }
            // Others were told before, so this is no answer for all of them.
            Err(error @ Error::Refused(_)) if chunk.first > 0 => Ok(chunk.all_told(&error)),
            Err(error) => {
                if matches!(
                    error,
                    Error::OverQuota(_) | Error::Unavailable(_) | Error::Reconnect
                ) {
                    state.held.put_back(chunk);
                }
                Err(error)
            }
        }
    }

    /// Sends the rows of a chunk that `wanted` names by their place in it.
    async fn send(
        &self,
        chunk: &Chunk,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<RowResult>, Error> {
        let rows = self.rows(chunk)?;
        let (places, rows): (Vec<usize>, Vec<_>) = rows
            .into_iter()
            .enumerate()
            .filter(|(place, _)| wanted(*place))
            .unzip();
        let results = collections::run(&self.api, self.job(), rows).await?;
        let placed = places.into_iter().zip(results);
        Ok(placed
            .map(|(place, result)| row_result(chunk.first + place as u64, result))
            .collect())
    }

    async fn by_bulk(&self, state: &mut State, is_end: bool) -> Result<Vec<RowResult>, Error> {
        let mut results = Vec::new();
        // A job that could not be started before is the last one.
        if let Some((_, job)) = state.jobs.back_mut() {
            job.start(&self.api, &self.job()).await?;
        }
        while let Some(chunk) = state.held.take_full(is_end) {
            let note = self
                .name
                .as_ref()
                .map(|name| format!("write/{name}/{}", state.n_jobs));
            let (job, refused) = self.bulk_job(&chunk, note)?;
            results.extend(refused);
            if job.is_empty() {
                continue;
            }
            state.n_jobs += 1;
            state.jobs.push_back((chunk, job));
            if let Some((_, job)) = state.jobs.back_mut()
                && let Err(error) = job.start(&self.api, &self.job()).await
            {
                if results.is_empty() && state.jobs.len() == 1 {
                    return Err(error);
                }
                // Neither results nor the jobs before this one must be lost to
                // the error, which the next call meets again.
                return Ok(results);
            }
        }
        Ok(results)
    }

    /// A job of a chunk's rows, and the results of those that cannot go.
    fn bulk_job(
        &self,
        chunk: &Chunk,
        note: Option<String>,
    ) -> Result<(BulkJob, Vec<RowResult>), Error> {
        let job = self.job();
        let mut sound = Vec::with_capacity(chunk.rows);
        let mut wrong = Vec::new();
        for (place, row) in self.rows(chunk)?.into_iter().enumerate() {
            match row {
                Ok(row) => sound.push((place, row)),
                Err(problem) => wrong.push((place, problem)),
            }
        }
        let numbered = sound.iter().map(|(place, row)| (*place, row));
        let (bulk, unfit) = BulkJob::of(&job, numbered, note);
        wrong.extend(unfit);
        let refused = wrong.into_iter().map(|(place, mut problem)| {
            problem.object.get_or_insert_with(|| self.object.clone());
            row_result(chunk.first + place as u64, failed(None, vec![problem]))
        });
        Ok((bulk, refused.collect()))
    }

    /// Sends rows that were locked once more, by collections, as many as one call
    /// may, and gives all results. Rows of one parent meet in a bulk job, which has
    /// no order.
    ///
    /// Creations and deletions of a write with a name stay locked: nothing notes
    /// that they were sent again, so a write that is taken up once more would do
    /// them twice.
    async fn unlocked(&self, chunk: &Chunk, results: bulk::Results) -> Vec<RowResult> {
        let (locked, mut settled): (Vec<_>, Vec<_>) = results
            .into_iter()
            .partition(|(_, result)| send::is_locked(result));
        let most = match self.operation {
            Operation::Create | Operation::Delete if self.name.is_some() => 0,
            _ => COLLECTIONS_ROWS,
        };
        let again: HashSet<usize> = locked.iter().map(|(at, _)| *at).take(most).collect();
        let mut sent = Vec::new();
        if again.is_empty() {
            settled.extend(locked);
        } else {
            match self.send(chunk, |at| again.contains(&at)).await {
                Ok(results) => {
                    sent = results;
                    let rest = locked.into_iter().filter(|(at, _)| !again.contains(at));
                    settled.extend(rest);
                }
                // They stay locked, unless this try may have written them.
                Err(Error::UnknownOutcome) => settled.extend(locked.into_iter().map(
                    |(at, result)| match again.contains(&at) {
                        true => (at, lost()),
                        false => (at, result),
                    },
                )),
                Err(_) => settled.extend(locked),
            }
        }
        let settled = settled.into_iter();
        sent.extend(settled.map(|(at, result)| row_result(chunk.first + at as u64, result)));
        sent
    }

    fn job(&self) -> Job<'_> {
        Job {
            all_or_none: self.all_or_none,
            ..Job::new(&self.object, &self.operation)
        }
    }

    /// The rows of a chunk, each with what is wrong with it.
    fn rows<'c>(&self, chunk: &'c Chunk) -> Result<Vec<Result<Row<'c>, Problem>>, Error> {
        read_rows(&chunk.json, self.job().verb.keyed_by())
    }
}

fn row_result(row: u64, outcome: RecordResult) -> RowResult {
    RowResult { row, outcome }
}

fn wrong(what: &str) -> Error {
    refused(Advice::FixRecord, "INVALID_ARGUMENT", what)
}

/// A record that failed, never without a reason.
fn failed(id: Option<String>, mut problems: Vec<Problem>) -> RecordResult {
    if problems.is_empty() {
        problems.push(problem(
            Advice::CheckOutcome,
            "UNKNOWN_EXCEPTION",
            "Salesforce refused this record and gave no reason",
        ));
    }
    RecordResult {
        id,
        outcome: Outcome::Failed(problems),
    }
}

fn lost() -> RecordResult {
    failed(None, vec![as_problem(&Error::UnknownOutcome)])
}

#[cfg(test)]
mod tests;
