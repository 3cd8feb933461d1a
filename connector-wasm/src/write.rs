//! Writing records: one `Writer` for creating, changing and deleting, with one
//! result for each record.
//!
//! There are three ways. *Collections* go out as the records come, and tell at
//! once what happened. A *bulk* job costs a handful of calls for many thousand
//! records, and tells later. *Graphs* take records that hold others. Records are
//! held until it is clear which is best, unless the caller has said so.

mod absent;
mod bulk;
mod check;
mod choice;
mod collections;
mod dry;
mod filing;
mod forest;
mod held;
mod jobs;
mod locked;
mod pace;
mod parent;
mod passing;
mod plan;
mod print;
mod route;
mod schema;
mod send;
mod tree;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::actions::graph::MAX_NODES;
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Operation, Outcome, Problem, RecordResult, RowResult, Way, WriteOptions,
};
use crate::body::{Row, read_rows};
use crate::fault::{as_problem, problem, refused};
use crate::host::Host;
use crate::names;
use bulk::{BulkJob, File, Sheet};
use choice::{Choice, Kind, forced};
use dry::Found;
use forest::Forest;
use held::{Chunk, Held};
use jobs::Room;
use pace::Pace;
pub(crate) use passing::Pushed;
use plan::{Job, MAX_ROWS};
use schema::Schema;
use tree::Trees;

/// The most that one call of the writer sends by collections: 40 requests, since
/// the host lets 100 of a call out, and some are made again.
const COLLECTIONS_ROWS: usize = 40 * MAX_ROWS;

/// Trees are taken apart so many and so many bytes at a time, since a record that
/// stands for itself takes a guest's memory several times; and not before there are
/// a few.
const FOREST_ROWS: usize = 2_000;
const FOREST_BYTES: usize = 2 * 1024 * 1024;
const FOREST_FROM_ROWS: usize = 500;

/// A write under way.
#[derive(Debug)]
pub(crate) struct Writer<H: Host> {
    api: Rc<Api<H>>,
    object: String,
    operation: Operation,
    all_or_none: bool,
    name: Option<String>,
    dry_run: bool,
    /// The caller chose the way.
    is_forced: bool,
    way: RefCell<Option<Choice>>,
    schema: Schema,
    pace: Pace,
    room: Room,
    /// Taken while a call works on it: calls of one writer do not overlap.
    state: RefCell<Option<State<H>>>,
}

/// Records that have no result yet.
#[derive(Debug)]
struct State<H: Host> {
    held: Held,
    /// All records so far.
    n_pushed: usize,
    /// Some record held others.
    has_trees: bool,
    /// The rows of the next bulk job that were read.
    next_job: Option<Sheet>,
    /// The rows of the next one that goes up unread.
    next_file: Option<File<H::Sheet>>,
    /// Some records had to be read, so all that follow are: jobs cost calls, and each
    /// change from one way to the other would begin one.
    must_read: bool,
    under_way: VecDeque<UnderWay<H>>,
    n_jobs: usize,
    /// What a dry run found.
    found: Found,
}

impl<H: Host> Default for State<H> {
    fn default() -> Self {
        Self {
            held: Held::default(),
            n_pushed: 0,
            has_trees: false,
            next_job: None,
            next_file: None,
            must_read: false,
            under_way: VecDeque::new(),
            n_jobs: 0,
            found: Found::default(),
        }
    }
}

/// Records that are being written.
#[derive(Debug)]
enum UnderWay<H: Host> {
    Job(Box<BulkJob<H>>),
    /// Trees, and those that come after them.
    Trees(Held, Option<Box<Forest<H>>>),
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
    let way = forced(&options, &operation)?;
    Ok(Writer {
        pace: Pace::new(api.settings.write_overlap),
        api,
        object: object.to_owned(),
        operation,
        all_or_none: options.all_or_none,
        name: options.name,
        dry_run: options.dry_run,
        is_forced: way.is_some(),
        way: RefCell::new(way),
        schema: Schema::default(),
        room: Room::default(),
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
    let results = collections::run(api, job, rows, &Pace::new(1)).await?;
    results.into_iter().next().ok_or(Error::UnknownOutcome)
}

impl<H: Host> Writer<H> {
    /// How it is done, once that is known.
    pub(crate) fn way(&self) -> Option<Way> {
        self.way.borrow().as_ref().map(|(kind, reason)| Way {
            name: kind.name().to_owned(),
            reason: reason.clone(),
        })
    }

    fn kind(&self) -> Option<Kind> {
        self.way.borrow().as_ref().map(|(kind, _)| *kind)
    }

    /// How many calls a dry run says that it takes.
    pub(crate) fn calls(&self) -> Option<u64> {
        let state = self.state.borrow();
        let found = &state.as_ref().filter(|_| self.dry_run)?.found;
        u64::try_from(found.calls(self.kind()?)).ok()
    }

    async fn take(
        &self,
        state: &mut State<H>,
        records: &[u8],
    ) -> Result<Pushed<H::Written>, Error> {
        let hold_children = self.hold_children(records);
        if self.may_go_at_once(state) && !hold_children {
            let rows = self.rows(records)?;
            if rows.len() <= COLLECTIONS_ROWS {
                let results = self.at_once(state, records, rows).await;
                return results.map(Pushed::of);
            }
        }
        let n_held = state.held.rows();
        state.held.push(records)?;
        state.n_pushed += state.held.rows() - n_held;
        state.has_trees = state.has_trees || hold_children;
        self.work(state, false).await
    }

    /// Whether nothing is to be waited for, and nothing else comes first.
    fn may_go_at_once(&self, state: &State<H>) -> bool {
        self.kind() == Some(Kind::Collections)
            && !(self.dry_run || self.all_or_none)
            && state.held.is_empty()
            && state.under_way.is_empty()
    }

    /// Sends records by collections as they come, without holding them.
    async fn at_once(
        &self,
        state: &mut State<H>,
        records: &[u8],
        rows: Vec<Result<Row<'_>, Problem>>,
    ) -> Result<Vec<RowResult>, Error> {
        let n_rows = rows.len();
        let first = state.held.pass(n_rows);
        state.n_pushed += n_rows;
        match self.send(first, rows).await {
            Ok(results) => Ok(results),
            Err(error) => {
                let chunk = Chunk {
                    first,
                    rows: n_rows,
                    json: records.to_vec(),
                };
                failed_as_one(state, chunk, error)
            }
        }
    }

    /// Takes no more records, and gives results until all have theirs.
    pub(crate) async fn next_results(&self) -> Result<Option<Pushed<H::Written>>, Error> {
        let mut state = self.take_state()?;
        let outcome = self.finish_with(&mut state).await;
        self.state.replace(Some(state));
        outcome
    }

    async fn finish_with(&self, state: &mut State<H>) -> Result<Option<Pushed<H::Written>>, Error> {
        if !state.held.is_empty() || state.next_job.is_some() || state.next_file.is_some() {
            return self.work(state, true).await.map(Some);
        }
        match state.under_way.front_mut() {
            None => {
                if self.dry_run {
                    self.choose(state, true).await?;
                }
                Ok(None)
            }
            Some(UnderWay::Job(job)) => {
                let (results, is_over) = self.results_of(job).await?;
                if is_over {
                    state.under_way.pop_front();
                }
                Ok(Some(results))
            }
            Some(UnderWay::Trees(..)) => {
                let results = self.go_on_with_trees(state).await?;
                Ok(Some(Pushed::of(results)))
            }
        }
    }

    fn take_state(&self) -> Result<State<H>, Error> {
        let state = self.state.borrow_mut().take();
        state.ok_or_else(|| wrong("calls of one writer come one after the other"))
    }

    /// Sends what is held as far as it should go now.
    async fn work(&self, state: &mut State<H>, is_end: bool) -> Result<Pushed<H::Written>, Error> {
        let kind = self.choose(state, is_end).await?;
        if self.dry_run {
            return self.check(state, kind, is_end).await.map(Pushed::of);
        }
        match kind {
            None => Ok(Pushed::default()),
            Some(Kind::Bulk | Kind::HardDelete) => self.by_bulk(state, is_end).await,
            Some(kind) => {
                let results = self.by_requests(state, kind, is_end).await;
                results.map(Pushed::of)
            }
        }
    }

    /// Whether any of the records holds others that are written with it.
    fn hold_children(&self, records: &[u8]) -> bool {
        self.makes_trees() && str::from_utf8(records).is_ok_and(tree::hold_children)
    }

    /// Whether records are written with those that they hold.
    const fn makes_trees(&self) -> bool {
        matches!(self.operation, Operation::Create | Operation::Upsert(_))
    }

    /// One step with the trees in front, and their results once they are done.
    async fn go_on_with_trees(&self, state: &mut State<H>) -> Result<Vec<RowResult>, Error> {
        let Some(UnderWay::Trees(rest, forest)) = state.under_way.front_mut() else {
            return Ok(Vec::new());
        };
        let mut growing = match forest.take() {
            Some(growing) => growing,
            None => match self.next_forest(rest).await? {
                Some(next) => next,
                None => {
                    state.under_way.pop_front();
                    return Ok(Vec::new());
                }
            },
        };
        let step = match growing.is_done() {
            true => Ok(()),
            false => growing.step(self).await,
        };
        if !growing.is_done() {
            *forest = Some(growing);
            return step.map(|()| Vec::new());
        }
        if rest.is_empty() {
            state.under_way.pop_front();
        }
        Ok(growing.results())
    }

    /// The next trees, taken apart.
    async fn next_forest(&self, rest: &mut Held) -> Result<Option<Box<Forest<H>>>, Error> {
        let (max_rows, max_bytes) = match self.all_or_none {
            true => (usize::MAX, usize::MAX),
            false => (FOREST_ROWS, FOREST_BYTES),
        };
        let Some(chunk) = rest.take(max_rows, max_bytes) else {
            return Ok(None);
        };
        let (api, schema) = (&self.api, &self.schema);
        match Trees::of(api, schema, &self.object, &self.operation, &chunk.json).await {
            Ok(trees) => Ok(Some(Box::new(Forest::new(trees, chunk.first, self)))),
            Err(error) => {
                if may_be_tried_again(&error) {
                    rest.put_back(chunk);
                }
                Err(error)
            }
        }
    }

    /// By collections or graphs, a part with each call.
    async fn by_requests(
        &self,
        state: &mut State<H>,
        kind: Kind,
        is_end: bool,
    ) -> Result<Vec<RowResult>, Error> {
        if !state.under_way.is_empty() {
            return self.go_on_with_trees(state).await;
        }
        let rows = state.held.rows();
        let max_rows = match (self.all_or_none, kind) {
            // All of them are one request, so all of them must be here.
            (true, _) => MAX_NODES,
            (false, Kind::Graph) => FOREST_ROWS,
            (false, _) => COLLECTIONS_ROWS,
        };
        if !is_end && (self.all_or_none || (kind == Kind::Graph && rows < FOREST_FROM_ROWS)) {
            return Ok(Vec::new());
        }
        let Some(chunk) = state.held.take(max_rows, usize::MAX) else {
            return Ok(Vec::new());
        };
        if kind == Kind::Graph || (state.has_trees && self.hold_children(&chunk.json)) {
            let trees = UnderWay::Trees(Held::of(chunk)?, None);
            state.under_way.push_back(trees);
            return self.go_on_with_trees(state).await;
        }
        self.by_collections(state, chunk).await
    }

    async fn by_collections(
        &self,
        state: &mut State<H>,
        chunk: Chunk,
    ) -> Result<Vec<RowResult>, Error> {
        let rows = self.rows(&chunk.json)?;
        match self.send(chunk.first, rows).await {
            Ok(results) => Ok(results),
            Err(error) => failed_as_one(state, chunk, error),
        }
    }

    /// Sends rows, the first of which has this number.
    async fn send(
        &self,
        first: u64,
        rows: Vec<Result<Row<'_>, Problem>>,
    ) -> Result<Vec<RowResult>, Error> {
        let results = collections::run(&self.api, self.job(), rows, &self.pace).await?;
        let numbered = (first..).zip(results);
        Ok(numbered
            .map(|(row, result)| row_result(row, result))
            .collect())
    }

    fn job(&self) -> Job<'_> {
        Job {
            all_or_none: self.all_or_none,
            for_good: self.kind() == Some(Kind::HardDelete),
            ..Job::new(&self.object, &self.operation)
        }
    }

    /// The rows of a JSON array, each with what is wrong with it.
    fn rows<'c>(&self, json: &'c [u8]) -> Result<Vec<Result<Row<'c>, Problem>>, Error> {
        let mut rows = read_rows(json, self.job().verb.keyed_by())?;
        if matches!(self.operation, Operation::Update) {
            rows.iter_mut().for_each(tree::refuse_children);
        }
        Ok(rows)
    }
}

/// What a caller learns of records that came to one error. Those that may go later
/// are kept.
fn failed_as_one<H: Host>(
    state: &mut State<H>,
    chunk: Chunk,
    error: Error,
) -> Result<Vec<RowResult>, Error> {
    match error {
        // It may have happened, to each of them. If these are all, the call as a
        // whole says so.
        Error::UnknownOutcome if chunk.first > 0 || !state.held.is_empty() => {
            Ok(chunk.all_told(&error))
        }
        // Others were told before, so this is no answer for all of them.
        Error::Refused(_) if chunk.first > 0 => Ok(chunk.all_told(&error)),
        error => {
            if may_be_tried_again(&error) {
                state.held.put_back(chunk);
            }
            Err(error)
        }
    }
}

/// Whether an error means that nothing was done, and that the same may go later.
const fn may_be_tried_again(error: &Error) -> bool {
    matches!(
        error,
        Error::OverQuota(_) | Error::Unavailable(_) | Error::Reconnect
    )
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
    told(id, Outcome::Failed(problems))
}

/// The result of a record that holds no others.
pub(crate) const fn told(id: Option<String>, outcome: Outcome) -> RecordResult {
    RecordResult {
        id,
        outcome,
        related: Vec::new(),
    }
}

fn lost() -> RecordResult {
    failed(None, vec![as_problem(&Error::UnknownOutcome)])
}

#[cfg(test)]
mod tests;
