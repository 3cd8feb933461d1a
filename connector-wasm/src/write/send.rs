//! Sending a write: requests that overlap as far as the org bears it and no parent
//! is in two of them, rows that were locked, and what is kept of the others when
//! one request breaks.

use std::collections::VecDeque;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::collections::Slots;
use super::pace::Pace;
use super::parent::{grouped, parent_of};
use super::plan::{Job, MAX_ROWS, chunks};
use super::{failed, lost, route};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Error, Outcome, RecordResult};
use crate::body::Row;
use crate::fault::as_problem;
use crate::host::{Host, Level};

/// Tries of rows that were locked, the first one included.
pub(super) const LOCK_TRIES: u32 = 4;
/// The pause before the second try, in milliseconds; it doubles. Salesforce
/// itself waits 10 s for a lock before it gives up.
pub(super) const LOCK_PAUSE_MS: u32 = 500;

/// The pause that a caller is told after a connection that broke in between.
pub(super) const BROKEN_PAUSE_MS: u64 = 1_000;

/// Tries of a request that the org refused as too much, the first one included.
const REFUSED_TRIES: u32 = 3;
/// The longest pause that is waited for here before such a request goes again, in
/// milliseconds: what the host asks for after too many at once. A budget that is
/// used up takes longer.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// Sends the rows, and those that were locked again.
pub(super) async fn send_all<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    rows: &[(usize, Row<'_>)],
    pace: &Pace,
    slots: &mut Slots,
) -> Result<(), Error> {
    // Before anything overlaps, so that it is asked once.
    api.version().await?;
    let mut pending: Vec<&(usize, Row<'_>)> = rows.iter().collect();
    if pending.len() > MAX_ROWS {
        pending = grouped(pending, |(_, row)| parent_of(row));
    }
    let results = send_once(api, job, &pending, pace).await?;
    fill(slots, &pending, results);
    send_locked(api, job, pending, pace, slots).await;
    Ok(())
}

/// Sends those of the rows again that were locked.
pub(super) async fn send_locked<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    mut pending: Vec<&(usize, Row<'_>)>,
    pace: &Pace,
    slots: &mut Slots,
) {
    let mut pause_ms = LOCK_PAUSE_MS;
    for attempt in 1..LOCK_TRIES {
        let locked = |row: &&(usize, Row<'_>)| {
            slots
                .get(row.0)
                .and_then(Option::as_ref)
                .is_some_and(is_locked)
        };
        if job.all_or_none {
            // One lock undid all of them, so all are sent again or none.
            if !pending.iter().any(locked) {
                return;
            }
        } else {
            pending.retain(locked);
        }
        if pending.is_empty() {
            return;
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
        let results = match send_once(api, job, &pending, pace).await {
            Ok(results) => results,
            // What is known of the other rows must not be lost, and of these
            // that they are locked, unless this try may have written them.
            Err(Error::UnknownOutcome) => pending.iter().map(|_| lost()).collect(),
            Err(_) => return,
        };
        fill(slots, &pending, results);
    }
}

fn fill(slots: &mut Slots, rows: &[&(usize, Row<'_>)], results: Vec<RecordResult>) {
    for (row, result) in rows.iter().zip(results) {
        if let Some(slot) = slots.get_mut(row.0) {
            *slot = Some(result);
        }
    }
}

/// Sends the rows once, and gives one result for each; an error only if all of
/// them came to the same nothing.
async fn send_once<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    pending: &[&(usize, Row<'_>)],
    pace: &Pace,
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
    let parents: Vec<Parents<'_>> = chunks.iter().map(|chunk| Parents::of(chunk)).collect();
    let send = async |at: usize| match chunks.get(at) {
        Some(chunk) => route::collection(api, job, chunk).await,
        None => Ok(Vec::new()),
    };
    let answers = overlapping(api, &parents, pace, send, |results: &Vec<RecordResult>| {
        results.iter().any(is_locked)
    })
    .await?;
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

/// Rows of one request.
type Chunk<'c, 'r, 'a> = &'c [&'r (usize, Row<'a>)];

/// Sends requests, one for each of these, so many at a time as the pace allows, those
/// that hold rows of one parent one after the other, and gives their answers in order.
/// The first error that shows that the next would fare no better ends it; an error
/// only if all of them came to the same nothing.
pub(super) async fn overlapping<H: Host, T>(
    api: &Api<H>,
    parents: &[Parents<'_>],
    pace: &Pace,
    send: impl AsyncFn(usize) -> Result<T, Error>,
    has_locked: impl Fn(&T) -> bool,
) -> Result<Vec<Result<T, Error>>, Error> {
    let mut answers: Vec<Option<Result<T, Error>>> = parents.iter().map(|_| None).collect();
    let mut tries = vec![0_u32; parents.len()];
    let mut waiting: VecDeque<usize> = (0..parents.len()).collect();
    let mut busy: Vec<usize> = Vec::new();
    let mut is_over = false;
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < pace.limit() {
            let meets = |at: &usize| busy.iter().any(|other| meet(parents, *at, *other));
            let next = waiting.iter().position(|at| !meets(at));
            let Some(at) = next.and_then(|next| waiting.remove(next)) else {
                break;
            };
            let epoch = pace.epoch();
            busy.push(at);
            let sending = send(at);
            under_way.push(async move { (at, epoch, sending.await) });
        }
        let Some((at, epoch, answer)) = under_way.next().await else {
            break;
        };
        busy.retain(|other| *other != at);
        match &answer {
            Ok(results) if has_locked(results) => pace.met_resistance(epoch),
            Ok(_) => pace.went_well(),
            Err(error) => {
                if let (Some(pause_ms), Some(tries)) = (too_much(error), tries.get_mut(at)) {
                    let can_slow = parents.len() > 1 && pace.can_slow(epoch);
                    pace.met_resistance(epoch);
                    *tries += 1;
                    if can_slow && !is_over && *tries < REFUSED_TRIES {
                        // Nothing of it was done.
                        waiting.push_front(at);
                        api.host.wait(pause_ms).await;
                        continue;
                    }
                }
                if let Some(next) = ends_all(error) {
                    is_over = true;
                    for at in waiting.drain(..) {
                        note(&mut answers, at, Err(next.clone()));
                    }
                }
            }
        }
        note(&mut answers, at, answer);
    }
    let unknown = || Err(Error::UnknownOutcome);
    let answers = answers.into_iter();
    let answers: Vec<_> = answers
        .map(|answer| answer.unwrap_or_else(unknown))
        .collect();
    match answers.first() {
        Some(Err(first))
            if answers
                .iter()
                .all(|answer| answer.as_ref().err() == Some(first)) =>
        {
            Err(first.clone())
        }
        _ => Ok(answers),
    }
}

fn note<T>(answers: &mut [Option<T>], at: usize, answer: T) {
    if let Some(place) = answers.get_mut(at) {
        *place = Some(answer);
    }
}

/// The pause after a refusal that fewer requests at a time may avoid, in
/// milliseconds.
fn too_much(error: &Error) -> Option<u32> {
    match error {
        Error::Unavailable(ms) | Error::OverQuota(ms) if *ms <= LONGEST_PAUSE_MS => {
            u32::try_from(*ms).ok()
        }
        _ => None,
    }
}

/// What becomes of requests that were not sent yet.
fn ends_all(error: &Error) -> Option<Error> {
    match error {
        Error::UnknownOutcome => Some(Error::Unavailable(BROKEN_PAUSE_MS)),
        Error::Reconnect | Error::OverQuota(_) | Error::Unavailable(_) => Some(error.clone()),
        Error::Refused(_) | Error::Unexpected(_) => None,
    }
}

/// The parents of the first and the last row of a request. Rows are grouped, so
/// these are the only ones that another request can have too.
pub(super) struct Parents<'a> {
    pub(super) first: Option<&'a str>,
    pub(super) last: Option<&'a str>,
}

impl<'a> Parents<'a> {
    fn of(chunk: Chunk<'_, '_, 'a>) -> Self {
        Self {
            first: chunk.first().and_then(|(_, row)| parent_of(row)),
            last: chunk.last().and_then(|(_, row)| parent_of(row)),
        }
    }
}

/// Whether two requests hold rows of one parent.
fn meet(parents: &[Parents<'_>], one: usize, other: usize) -> bool {
    let (Some(before), Some(behind)) = (parents.get(one.min(other)), parents.get(one.max(other)))
    else {
        return false;
    };
    before.last.is_some() && before.last == behind.first
}

pub(super) fn is_locked(result: &RecordResult) -> bool {
    match &result.outcome {
        Outcome::Failed(problems) => problems
            .iter()
            .all(|problem| problem.code == "UNABLE_TO_LOCK_ROW"),
        _ => false,
    }
}
