//! A write under way: records go in as they come, results come out as they are
//! known, each record under one number and with one result.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::ResourceAny;

use crate::bindings::connector::exports::lockgate::connector::records as wit;
use crate::capability::outgoing::Batch;
use crate::connector::Instance;
use crate::error::Error;
use crate::records::{
    Advice, Given, Operation, Outcome, Problem, RecordResult, Records, RowResult, Way, bounded,
};

/// The largest push, in bytes. The contract promises it.
const MAX_PUSH_BYTES: usize = 16 * 1024 * 1024;

/// A write of any length, in one instance of the connector. Limits count afresh
/// for each call. Dropping it leaves what was written.
///
/// After [`Error::OverQuota`] or [`Error::Unavailable`] nothing is lost: call
/// [`Self::finish`] again later, or go on pushing.
/// [`Connection::with_quota_wait`](crate::Connection::with_quota_wait) does so by
/// itself.
pub struct Writer {
    instance: Instance,
    writer: ResourceAny,
    call: &'static str,
    takes_ids: bool,
    answered: Answered,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(instance: Instance, writer: ResourceAny, operation: &Operation) -> Self {
        Self {
            instance,
            writer,
            call: operation.call(),
            takes_ids: matches!(operation, Operation::Delete),
            answered: Answered::default(),
        }
    }

    /// How it is done; `None` until the connector knows enough to choose.
    ///
    /// # Errors
    /// If the guest fails.
    pub async fn way(&mut self) -> Result<Option<Way>, Error> {
        self.instance.way_of_write(self.writer).await
    }

    /// About how many API calls a dry run says that the write takes, once
    /// [`Self::finish`] has given `None`; `None` for other writes.
    ///
    /// # Errors
    /// If the guest fails.
    pub async fn calls(&mut self) -> Result<Option<u64>, Error> {
        self.instance.calls_of_write(self.writer).await
    }

    /// Takes records, at most 16 MiB, and gives results that are known by now, of
    /// these or of earlier ones.
    ///
    /// # Errors
    /// [`Error::Input`] if it is too much at once, or if this write deletes;
    /// any of [`Error`]'s call errors.
    pub async fn push(&mut self, records: &Records) -> Result<Vec<RowResult>, Error> {
        if self.takes_ids {
            return Err(Error::Input("a write that deletes takes ids".to_owned()));
        }
        self.push_json(records.as_bytes().clone(), records.len())
            .await
    }

    /// Takes ids of records to delete, as [`Self::push`] takes records.
    ///
    /// # Errors
    /// As [`Self::push`]; [`Error::Input`] if this write does not delete.
    pub async fn push_ids(&mut self, ids: &[String]) -> Result<Vec<RowResult>, Error> {
        if !self.takes_ids {
            return Err(Error::Input(
                "only a write that deletes takes ids".to_owned(),
            ));
        }
        let json = serde_json::to_vec(ids)
            .map_err(|error| Error::Input(format!("ids cannot be written as JSON: {error}")))?;
        self.push_json(json.into(), ids.len()).await
    }

    async fn push_json(&mut self, json: Bytes, count: usize) -> Result<Vec<RowResult>, Error> {
        if json.len() > MAX_PUSH_BYTES {
            return Err(Error::Input(format!(
                "{} bytes are more than a write takes at once, {MAX_PUSH_BYTES} bytes: give fewer \
                 records at a time",
                json.len()
            )));
        }
        let writer = self.writer;
        // What fails is taken all the same, unless it is malformed, which this is
        // not: the connector gives the results with a later call.
        self.answered.pushed += count as u64;
        let mut given = Arc::new(Given::new(json, count));
        loop {
            let results = self
                .instance
                .call(self.call, async |records, accessor| {
                    let batch = Batch::of(&given);
                    let batch = accessor.with(|mut access| access.get().table.push(batch))?;
                    records.writer().call_push(accessor, writer, batch).await
                })
                .await;
            given = Arc::new(Given::new(Bytes::from_static(b"[]"), 0));
            match results {
                Ok(results) => return self.checked(results),
                Err(error) => self.instance.park(error).await?,
            }
        }
    }

    /// Takes no more records, and gives results. To be called until it gives
    /// `None`: then all records have theirs. A list may be empty while the
    /// product is at work.
    ///
    /// # Errors
    /// Any of [`Error`]'s call errors.
    pub async fn finish(&mut self) -> Result<Option<Vec<RowResult>>, Error> {
        let writer = self.writer;
        let results = loop {
            let results = self
                .instance
                .call(self.call, async |records, accessor| {
                    records.writer().call_finish(accessor, writer).await
                })
                .await;
            match results {
                Ok(results) => break results,
                Err(error) => self.instance.park(error).await?,
            }
        };
        match results {
            Some(results) => self.checked(results).map(Some),
            None => match self.answered.missing() {
                0 => Ok(None),
                missing => {
                    let pushed = self.answered.pushed;
                    let what = format!("{missing} of {pushed} records have no result");
                    Err(self.instance.broken(self.call, what))
                }
            },
        }
    }

    /// Whether the last call made requests.
    pub(crate) fn has_sent(&self) -> bool {
        self.instance.has_sent()
    }

    /// Results for the records that have none, when the write is given up after
    /// this error.
    pub(crate) fn in_doubt(&self, error: &Error) -> Vec<RowResult> {
        let problem = Problem {
            advice: Advice::CheckOutcome,
            code: "UNKNOWN_OUTCOME".to_owned(),
            message: bounded(&format!(
                "the write was broken off, so this record may have been written: {error}"
            )),
            object: None,
            fields: Vec::new(),
        };
        let result = RecordResult {
            id: None,
            outcome: Outcome::Failed {
                problems: vec![problem],
            },
            related: Vec::new(),
        };
        let row_result = |row| RowResult {
            row,
            result: result.clone(),
        };
        self.answered.unanswered().map(row_result).collect()
    }

    /// Holds results against what was pushed. A guest that miscounts would tell
    /// of records that were never written, or tell one twice.
    fn checked(&mut self, results: wit::Results) -> Result<Vec<RowResult>, Error> {
        let written = results.written.iter().map(|written| written.rows.len());
        let is_mixed = !results.written.is_empty();
        let mut all = Vec::with_capacity(results.rows.len() + written.sum::<usize>());
        for result in results.rows {
            self.answer(result.row)?;
            all.push(RowResult::from(result));
        }
        for told in results.written {
            let written = self.instance.take_written(self.call, told.written)?;
            let ids = written.ids.ids();
            if ids.len() != told.rows.len() {
                let (ids, rows) = (ids.len(), told.rows.len());
                let what = format!("places for {rows} records of an answer that tells of {ids}");
                return Err(self.instance.broken(self.call, what));
            }
            for (row, id) in told.rows.into_iter().zip(ids) {
                let Some(id) = id else { continue };
                self.answer(row)?;
                all.push(RowResult {
                    row,
                    result: RecordResult {
                        id: Some(id.to_owned()),
                        outcome: told.done.into(),
                        related: Vec::new(),
                    },
                });
            }
        }
        if is_mixed {
            // Both kinds together in the order of the records.
            all.sort_by_key(|result| result.row);
        }
        Ok(all)
    }

    fn answer(&mut self, row: u64) -> Result<(), Error> {
        if self.answered.answer(row) {
            return Ok(());
        }
        let what = format!("a result for record {row}, which was not pushed or has one");
        Err(self.instance.broken(self.call, what))
    }
}

/// Which records have their result, a bit for each.
#[derive(Debug, Default)]
struct Answered {
    pushed: u64,
    answers: u64,
    bits: Vec<u64>,
}

impl Answered {
    /// Notes a result; false if there is no such record, or it has one.
    fn answer(&mut self, row: u64) -> bool {
        let (word, bit) = (row / 64, 1 << (row % 64));
        let Ok(word) = usize::try_from(word) else {
            return false;
        };
        if row >= self.pushed {
            return false;
        }
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let Some(bits) = self.bits.get_mut(word) else {
            return false;
        };
        let is_new = *bits & bit == 0;
        *bits |= bit;
        self.answers += u64::from(is_new);
        is_new
    }

    /// The records that have no result.
    fn unanswered(&self) -> impl Iterator<Item = u64> {
        (0..self.pushed).filter(|row| {
            let word = usize::try_from(row / 64).ok();
            let bits = word.and_then(|word| self.bits.get(word)).copied();
            bits.unwrap_or(0) & (1 << (row % 64)) == 0
        })
    }

    const fn missing(&self) -> u64 {
        self.pushed.saturating_sub(self.answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_has_one_result_and_no_other_has_any() {
        let mut answered = Answered {
            pushed: 65,
            ..Answered::default()
        };
        assert!(answered.answer(64));
        assert!(!answered.answer(64));
        assert!(!answered.answer(65));
        assert!(!answered.answer(u64::MAX));
        assert!(answered.answer(0));
        assert_eq!(answered.missing(), 63);
        assert!(answered.unanswered().eq(1..64));
    }
}
