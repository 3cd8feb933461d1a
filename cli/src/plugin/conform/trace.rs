//! What comes of an operation step by step: its pages, its results, and the errors on
//! the way, after which it goes on where the contract says that it can.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use lockgate::{
    Advice, Blame, Connection, Error, Operation as Write, Outcome, Pages, QueryOptions,
    RecordResult, Records, RowResult, WriteOptions,
};
use serde_json::Value as Json;

use crate::plugin::operation::{self, Operation};

/// Steps after which an answer counts as endless.
const MAX_STEPS: usize = 10_000;

/// How often an operation goes on after an error that keeps its place.
const TRIES: usize = 3;

/// What an operation has given.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Records of all pages, or the one answer.
    pub(super) records: Vec<String>,
    pub(super) n_pages: usize,
    /// The results of a write, by the places of their records.
    pub(super) results: BTreeMap<u64, RecordResult>,
    /// What went wrong, in its order.
    pub(super) errors: Vec<Error>,
    /// Whether it came to its end.
    pub(super) is_done: bool,
}

/// What came of one step of an operation.
enum Step<T> {
    Came(T),
    /// An error that keeps the place: the same step can be made again.
    Again,
    /// An error after which it cannot go on.
    Over,
}

impl Trace {
    /// Does an operation to its end, or to an error after which it cannot go on.
    ///
    /// # Errors
    /// If the host itself fails, or the golden folder is wrong: that says nothing of the
    /// connector.
    pub(super) async fn of(operation: &Operation, connection: &Connection) -> Result<Self> {
        let mut trace = Self::default();
        match operation {
            Operation::Query { .. } | Operation::Scan { .. } => {
                trace.read(operation, connection).await?;
            }
            Operation::Create { .. }
            | Operation::Update { .. }
            | Operation::Upsert { .. }
            | Operation::Delete { .. } => trace.write(operation, connection).await?,
            _ => trace.ask(operation, connection).await?,
        }
        Ok(trace)
    }

    /// A call with one answer.
    async fn ask(&mut self, operation: &Operation, connection: &Connection) -> Result<()> {
        loop {
            let answer = match operation.answer(connection).await {
                Ok(records) => Ok(records),
                Err(error) => Err(error.downcast::<Error>()?),
            };
            match self.step(answer)? {
                Step::Came(records) => {
                    self.records = records;
                    self.is_done = true;
                    return Ok(());
                }
                Step::Again => {}
                Step::Over => return Ok(()),
            }
        }
    }

    async fn read(&mut self, operation: &Operation, connection: &Connection) -> Result<()> {
        let mut pages = loop {
            match self.step(pages(operation, connection).await)? {
                Step::Came(pages) => break pages,
                Step::Again => {}
                Step::Over => return Ok(()),
            }
        };
        for _ in 0..MAX_STEPS {
            match self.step(pages.next_page().await)? {
                Step::Came(Some(page)) => {
                    self.n_pages += 1;
                    self.records.extend(operation::rows(&page.records)?);
                }
                Step::Came(None) => {
                    self.is_done = true;
                    return Ok(());
                }
                Step::Again => {}
                Step::Over => return Ok(()),
            }
        }
        Ok(())
    }

    async fn write(&mut self, operation: &Operation, connection: &Connection) -> Result<()> {
        let (object, what) = match operation {
            Operation::Create { object, .. } => (object, Write::Create),
            Operation::Update { object, .. } => (object, Write::Update),
            Operation::Upsert { object, key, .. } => (object, Write::Upsert(key.clone())),
            Operation::Delete { object, .. } => (object, Write::Delete),
            _ => return Ok(()),
        };
        let mut writer = loop {
            let writer = connection.write(object, what.clone(), WriteOptions::default());
            match self.step(writer.await)? {
                Step::Came(writer) => break writer,
                Step::Again => {}
                Step::Over => return Ok(()),
            }
        };
        let pushed = match operation {
            Operation::Create { records, .. }
            | Operation::Update { records, .. }
            | Operation::Upsert { records, .. } => {
                writer.push(&Records::from_items(records)?).await
            }
            Operation::Delete { ids, .. } => writer.push_ids(ids).await,
            _ => return Ok(()),
        };
        match self.step(pushed)? {
            Step::Came(results) => self.take(results),
            // What fails is taken all the same: `finish` gives its results.
            Step::Again => {}
            Step::Over => return Ok(()),
        }
        for _ in 0..MAX_STEPS {
            match self.step(writer.finish().await)? {
                Step::Came(Some(results)) => self.take(results),
                Step::Came(None) => {
                    self.is_done = true;
                    return Ok(());
                }
                Step::Again => {}
                Step::Over => return Ok(()),
            }
        }
        Ok(())
    }

    fn take(&mut self, results: Vec<RowResult>) {
        let results = results.into_iter();
        self.results
            .extend(results.map(|row| (row.row, row.result)));
    }

    /// What came of a step. An error is noted.
    fn step<T>(&mut self, came: Result<T, Error>) -> Result<Step<T>> {
        let error = match came {
            Ok(came) => return Ok(Step::Came(came)),
            Err(error) => error,
        };
        if error.blame() == Blame::Host || matches!(error, Error::Input(_)) {
            return Err(error.into());
        }
        let keeps_place = matches!(error, Error::OverQuota { .. } | Error::Unavailable { .. });
        self.errors.push(error);
        Ok(match keeps_place && self.errors.len() <= TRIES {
            true => Step::Again,
            false => Step::Over,
        })
    }

    /// What one has and the other has not, in a few words; `None` if they have the same.
    pub(super) fn lacks(&self, expected: &Self) -> Option<String> {
        if !self.is_done {
            return Some(match self.errors.last() {
                Some(error) => format!("it ended with: {}", kind(error)),
                None => format!("it did not end within {MAX_STEPS} steps"),
            });
        }
        if let Some((row, result)) = self.first_other_result(expected) {
            let what = result.map_or_else(|| "none".to_owned(), |result| said(&result.outcome));
            return Some(format!("record {row} has another result: {what}"));
        }
        if self.results.len() != expected.results.len() {
            let (came, wanted) = (self.results.len(), expected.results.len());
            return Some(format!("{came} records have a result, and {wanted} should"));
        }
        if self.records == expected.records {
            return None;
        }
        let (came, wanted) = (self.records.len(), expected.records.len());
        let seen: BTreeSet<&String> = self.records.iter().collect();
        let missing = expected
            .records
            .iter()
            .filter(|one| !seen.contains(one))
            .count();
        Some(match (missing, came.cmp(&wanted)) {
            (0, std::cmp::Ordering::Greater) => {
                format!("{came} records came, and {wanted} are there: some came twice")
            }
            (0, _) => "the records came in another order or number".to_owned(),
            (missing, _) => format!("{missing} of {wanted} records did not come"),
        })
    }

    fn first_other_result(&self, expected: &Self) -> Option<(u64, Option<&RecordResult>)> {
        let mut expected = expected.results.iter();
        expected.find_map(|(row, wanted)| {
            let came = self.results.get(row);
            (came != Some(wanted)).then_some((*row, came))
        })
    }

    /// Ids that came more than once.
    pub(super) fn doubled(&self) -> Vec<String> {
        let (mut seen, mut doubled) = (BTreeSet::new(), Vec::new());
        for record in &self.records {
            let Ok(Json::Object(members)) = serde_json::from_str(record) else {
                continue;
            };
            let id = members
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("id"));
            if let Some((_, id)) = id
                && !seen.insert(id.to_string())
            {
                doubled.push(id.to_string());
            }
        }
        doubled
    }

    /// Records of which it is said that nobody knows whether they were written.
    pub(super) fn in_doubt(&self) -> usize {
        let results = self.results.values();
        results
            .filter(|result| advises(&result.outcome, Advice::CheckOutcome))
            .count()
    }
}

/// Whether a result has this advice.
pub(super) fn advises(outcome: &Outcome, advice: Advice) -> bool {
    match outcome {
        Outcome::Failed { problems } => problems.iter().any(|problem| problem.advice == advice),
        _ => false,
    }
}

/// Whether an error is one of the contract's, and not a guest that was stopped.
pub(super) const fn is_of_contract(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused { .. }
            | Error::NeedsReconnect { .. }
            | Error::OverQuota { .. }
            | Error::Unavailable { .. }
            | Error::UnknownOutcome { .. }
            | Error::Unexpected { .. }
    )
}

/// An error by the name that the contract gives it, or in its own words.
pub(super) fn kind(error: &Error) -> String {
    match error {
        Error::Refused { problem, .. } => format!("refused ({})", problem.code),
        Error::NeedsReconnect { .. } => "reconnect".to_owned(),
        Error::OverQuota { .. } => "over-quota".to_owned(),
        Error::Unavailable { .. } => "unavailable".to_owned(),
        Error::UnknownOutcome { .. } => "unknown-outcome".to_owned(),
        Error::Unexpected { .. } => "unexpected".to_owned(),
        other => other.to_string(),
    }
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { problems } => {
            let codes: Vec<_> = problems
                .iter()
                .map(|problem| problem.code.as_str())
                .collect();
            format!("failed ({})", codes.join(", "))
        }
        Outcome::Created => "created".to_owned(),
        Outcome::Updated => "updated".to_owned(),
        Outcome::Deleted => "deleted".to_owned(),
        Outcome::Checked => "checked".to_owned(),
    }
}

async fn pages(operation: &Operation, connection: &Connection) -> Result<Pages, Error> {
    match operation {
        Operation::Scan {
            object,
            fields,
            after,
        } => {
            let options = operation::scan(fields, after.as_ref());
            connection.scan(object, options).await
        }
        Operation::Query { text } => connection.query(text, QueryOptions::default()).await,
        _ => Err(Error::Input("it has no pages".to_owned())),
    }
}
