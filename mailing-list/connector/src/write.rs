//! Writing members: in batches of the service, with one result for each record.
//!
//! Records wait as the texts that they came as until their batch goes out, so a batch
//! that could not go out is simply made again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Operation, Outcome, Problem, RecordResult, RowResult, Way, WriteOptions,
};
use crate::describe::{ID, KEYS, check_object};
use crate::fault::{Effect, of_refusal, problem, refused};
use crate::host::Host;
use crate::record::{Use, to_member};
use crate::wire::{Batch, Fields, Written};

/// The service's bound of members in one batch.
const MAX_BATCH: usize = 100;

/// Batches that one call of the writer sends: the host lets 100 requests of a call out.
const BATCHES_A_CALL: usize = 50;

/// The one way to write.
const WAY: &str = "batch";

/// A write under way.
#[derive(Debug)]
pub(crate) struct Writer<H> {
    api: Rc<Api<H>>,
    operation: Operation,
    all_or_none: bool,
    dry_run: bool,
    /// Taken while a call works on it: calls of one writer do not overlap.
    state: RefCell<Option<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Records without a result, each with its place.
    waiting: VecDeque<(u64, Box<RawValue>)>,
    n_pushed: u64,
}

/// How it is done.
pub(crate) fn way() -> Way {
    Way {
        name: WAY.to_owned(),
        reason: format!("one call takes {MAX_BATCH} members"),
    }
}

/// Begins a write. What is wrong with it as a whole shows here.
pub(crate) fn open<H: Host>(
    api: Rc<Api<H>>,
    object: &str,
    operation: Operation,
    options: &WriteOptions,
) -> Result<Writer<H>, Error> {
    check_object(object)?;
    if let Operation::Upsert(key) = &operation
        && !KEYS.contains(&key.as_str())
    {
        return Err(refused(
            Advice::FixSchema,
            "no_key",
            "an upsert finds members by id, email or external_key",
        ));
    }
    if options.way.as_deref().is_some_and(|way| way != WAY) {
        return Err(refused(
            Advice::FixRecord,
            "unknown_way",
            "there is no such way to write; the one way is: batch",
        ));
    }
    if options.name.is_some() {
        return Err(refused(
            Advice::FixRecord,
            "no_names",
            "the mailing list cannot take a write up again by a name: upsert by a key instead",
        ));
    }
    Ok(Writer {
        api,
        operation,
        all_or_none: options.all_or_none,
        dry_run: options.dry_run,
        state: RefCell::new(Some(State::default())),
    })
}

impl<H: Host> Writer<H> {
    /// How many calls a dry run says that it takes.
    pub(crate) fn calls(&self) -> Option<u64> {
        let state = self.state.borrow();
        let pushed = state.as_ref().filter(|_| self.dry_run)?.n_pushed;
        Some(pushed.div_ceil(MAX_BATCH as u64))
    }

    /// Takes records, and gives results that are known by now.
    pub(crate) async fn push(&self, records: &[u8]) -> Result<Vec<RowResult>, Error> {
        let rows: Vec<Box<RawValue>> = serde_json::from_slice(records)
            .map_err(|_| refused(Advice::FixRecord, "malformed", "records are a JSON array"))?;
        let mut state = self.take()?;
        let outcome = self.push_rows(&mut state, rows).await;
        self.state.replace(Some(state));
        outcome
    }

    async fn push_rows(
        &self,
        state: &mut State,
        rows: Vec<Box<RawValue>>,
    ) -> Result<Vec<RowResult>, Error> {
        if self.all_or_none && state.waiting.len() + rows.len() > MAX_BATCH {
            return Err(refused(
                Advice::FixRecord,
                "too_many",
                "at most 100 members can be written all or none",
            ));
        }
        for row in rows {
            state.waiting.push_back((state.n_pushed, row));
            state.n_pushed += 1;
        }
        self.send(state, false).await
    }

    /// Gives results until all records have theirs.
    pub(crate) async fn finish(&self) -> Result<Option<Vec<RowResult>>, Error> {
        let mut state = self.take()?;
        let outcome = match state.waiting.is_empty() {
            true => Ok(None),
            false => self.send(&mut state, true).await.map(Some),
        };
        self.state.replace(Some(state));
        outcome
    }

    fn take(&self) -> Result<State, Error> {
        let state = self.state.borrow_mut().take();
        state.ok_or_else(|| {
            refused(
                Advice::FixRecord,
                "calls_overlap",
                "calls of one writer come one after the other",
            )
        })
    }

    /// Sends full batches, and at the end the rest. What one of them has found out is
    /// told before what is wrong with the next.
    async fn send(&self, state: &mut State, is_end: bool) -> Result<Vec<RowResult>, Error> {
        let least = if is_end { 1 } else { MAX_BATCH };
        let mut results = Vec::new();
        for _ in 0..BATCHES_A_CALL {
            if state.waiting.len() < least || (self.all_or_none && !is_end) {
                break;
            }
            match self.send_batch(state).await {
                Ok(more) => results.extend(more),
                // The records still wait, so the next call meets it again.
                Err(_) if !results.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(results)
    }

    async fn send_batch(&self, state: &mut State) -> Result<Vec<RowResult>, Error> {
        let mut results = Vec::new();
        let (mut places, mut members) = (Vec::new(), Vec::new());
        let waiting = state.waiting.iter().take(MAX_BATCH);
        for (row, text) in waiting {
            match self.member(text) {
                Ok(member) => {
                    places.push(*row);
                    members.push(member);
                }
                Err(problems) => results.push(failed(*row, problems)),
            }
        }
        let count = places.len() + results.len();
        if self.dry_run {
            results.extend(places.into_iter().map(checked));
        } else if self.all_or_none && !results.is_empty() {
            let undone = || {
                problem(
                    Advice::RolledBack,
                    "rolled_back",
                    "another member was refused",
                )
            };
            results.extend(places.into_iter().map(|row| failed(row, vec![undone()])));
        } else if !members.is_empty() {
            results.extend(self.write(&places, &members).await?);
        }
        state.waiting.drain(..count);
        results.sort_by_key(|result| result.row);
        Ok(results)
    }

    /// The member of a record, or what is wrong with it.
    fn member(&self, text: &RawValue) -> Result<Fields, Vec<Problem>> {
        let malformed = |what| vec![problem(Advice::FixRecord, "malformed", what)];
        let purpose = match &self.operation {
            Operation::Create => Use::Create,
            Operation::Update => Use::Update,
            Operation::Upsert(key) => Use::Upsert(key),
            Operation::Delete => {
                let id: Value = serde_json::from_str(text.get())
                    .ok()
                    .filter(Value::is_string)
                    .ok_or_else(|| malformed("it is no id"))?;
                return Ok(Fields::from_iter([(ID.to_owned(), id)]));
            }
        };
        let record =
            serde_json::from_str(text.get()).map_err(|_| malformed("it is no JSON object"))?;
        to_member(record, purpose)
    }

    /// Writes members that are well formed, and says what became of each.
    async fn write(&self, rows: &[u64], members: &[Fields]) -> Result<Vec<RowResult>, Error> {
        let (action, key) = match &self.operation {
            Operation::Create => ("create", ""),
            Operation::Update => ("update", ""),
            Operation::Upsert(key) => ("upsert", key.as_str()),
            Operation::Delete => ("delete", ""),
        };
        let body = json!({
            "action": action,
            "key": key,
            "atomic": self.all_or_none,
            "members": members,
        });
        let path = "/v1/members/batch";
        let written = match self.api.post::<Batch>(path, &body, Effect::Write).await {
            Ok(batch) if batch.results.len() == rows.len() => batch.results,
            Ok(_) | Err(Error::UnknownOutcome) => {
                let doubt = || {
                    let what = "the answer was lost: look whether it was done";
                    vec![problem(Advice::CheckOutcome, "outcome_unknown", what)]
                };
                return Ok(rows.iter().map(|row| failed(*row, doubt())).collect());
            }
            Err(error) => return Err(error),
        };
        let results = rows.iter().zip(written);
        Ok(results.map(|(row, written)| told(*row, written)).collect())
    }
}

fn told(row: u64, written: Written) -> RowResult {
    let (id, outcome) = match written {
        Written::Created { id } => (id, Outcome::Created),
        Written::Updated { id } => (id, Outcome::Updated),
        Written::Deleted { id } => (id, Outcome::Deleted),
        Written::Failed { error } => return failed(row, vec![of_refusal(&error)]),
    };
    result(row, Some(id), outcome)
}

fn failed(row: u64, problems: Vec<Problem>) -> RowResult {
    result(row, None, Outcome::Failed(problems))
}

fn checked(row: u64) -> RowResult {
    result(row, None, Outcome::Checked)
}

const fn result(row: u64, id: Option<String>, outcome: Outcome) -> RowResult {
    RowResult {
        row,
        outcome: RecordResult {
            id,
            outcome,
            related: Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests;
