//! Sending a write: batches that overlap, rows that were locked, and what is
//! kept of the others when one breaks.

use std::cell::RefCell;

use futures_util::stream::{self, StreamExt};

use super::collections::Slots;
use super::plan::{Job, chunks};
use super::{failed, lost, route};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Error, Outcome, RecordResult};
use crate::body::Row;
use crate::fault::as_problem;
use crate::host::{Host, Level};

/// Tries of rows that were locked, the first one included.
const LOCK_TRIES: u32 = 4;
/// The pause before the second try, in milliseconds; it doubles. Salesforce
/// itself waits 10 s for a lock before it gives up.
const LOCK_PAUSE_MS: u32 = 500;

/// The pause that a caller is told after a connection that broke in between.
pub(super) const BROKEN_PAUSE_MS: u64 = 1_000;

/// Sends the rows, and those that were locked again.
pub(super) async fn send_all<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    rows: &[(usize, Row<'_>)],
    slots: &mut Slots,
) -> Result<(), Error> {
    // Before anything overlaps, so that it is asked once.
    api.version().await?;
    let mut pending: Vec<&(usize, Row<'_>)> = rows.iter().collect();
    let mut pause_ms = LOCK_PAUSE_MS;
    for attempt in 1..=LOCK_TRIES {
        let results = match send_once(api, job, &pending).await {
            Ok(results) => results,
            Err(error) if attempt == 1 => return Err(error),
            // What is known of the other rows must not be lost, and of these
            // that they are locked, unless this try may have written them.
            Err(Error::UnknownOutcome) => pending.iter().map(|_| lost()).collect(),
            Err(_) => return Ok(()),
        };
        for (row, result) in pending.iter().zip(results) {
            if let Some(slot) = slots.get_mut(row.0) {
                *slot = Some(result);
            }
        }
        let locked = |row: &&(usize, Row<'_>)| {
            slots
                .get(row.0)
                .and_then(Option::as_ref)
                .is_some_and(is_locked)
        };
        if job.all_or_none {
            // One lock undid all of them, so all are sent again or none.
            if !pending.iter().any(locked) {
                return Ok(());
            }
        } else {
            pending.retain(locked);
        }
        if pending.is_empty() || attempt == LOCK_TRIES {
            return Ok(());
        }
        api.host.log(
            Level::Warn,
            "records were locked; trying them again",
            &[
                ("object", job.object.to_owned()),
                ("records", pending.len().to_string()),
                ("attempt", attempt.to_string()),
            ],
        );
        // Writers that met once should not meet again: up to half as long again.
        let spread = api.host.now_ms() % u64::from(pause_ms / 2);
        api.host
            .wait(pause_ms + u32::try_from(spread).unwrap_or(0))
            .await;
        pause_ms *= 2;
    }
    Ok(())
}

/// Sends the rows once, and gives one result for each; an error only if all of
/// them came to the same nothing.
async fn send_once<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    pending: &[&(usize, Row<'_>)],
) -> Result<Vec<RecordResult>, Error> {
    if let [only] = pending
        && job.fits_alone(&only.1)
    {
        return Ok(vec![route::alone(api, job, &only.1).await?]);
    }
    let chunks = chunks(pending);
    let _reserved = if chunks.len() > 1 {
        Some(api.reserve(chunks.len()).await?)
    } else {
        None
    };
    // Set by the first chunk that shows that the next would fare no better.
    let stop: RefCell<Option<Error>> = RefCell::new(None);
    let send = async |chunk: &[&(usize, Row<'_>)]| {
        let stopped = stop.borrow().clone();
        if let Some(error) = stopped {
            return Err(error);
        }
        let result = route::collection(api, job, chunk).await;
        if let Err(error) = &result {
            let next = match error {
                Error::UnknownOutcome => Some(Error::Unavailable(BROKEN_PAUSE_MS)),
                Error::Reconnect | Error::OverQuota(_) | Error::Unavailable(_) => {
                    Some(error.clone())
                }
                Error::Refused(_) | Error::Unexpected(_) => None,
            };
            if let Some(next) = next {
                stop.borrow_mut().get_or_insert(next);
            }
        }
        result
    };
    let overlap = api.settings.write_overlap.max(1);
    let answers: Vec<_> = stream::iter(chunks.iter().map(|chunk| send(chunk)))
        .buffered(overlap)
        .collect()
        .await;

    let first = answers
        .first()
        .and_then(|answer| answer.as_ref().err())
        .cloned();
    if let Some(first) = first
        && answers
            .iter()
            .all(|answer| answer.as_ref().err() == Some(&first))
    {
        return Err(first);
    }
    let mut results = Vec::with_capacity(pending.len());
    for (chunk, answer) in chunks.iter().zip(answers) {
        match answer {
            Ok(chunk_results) => results.extend(chunk_results),
            Err(error) => results.extend(chunk.iter().map(|(_, row)| {
                failed(row.id_text().map(str::to_owned), vec![as_problem(&error)])
            })),
        }
    }
    Ok(results)
}

pub(super) fn is_locked(result: &RecordResult) -> bool {
    match &result.outcome {
        Outcome::Failed(problems) => problems
            .iter()
            .all(|problem| problem.code == "UNABLE_TO_LOCK_ROW"),
        _ => false,
    }
}
