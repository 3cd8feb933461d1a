//! Creating, changing and deleting records, with one result for each in their
//! order.
//!
//! One record goes by its own route, which tells exactly what happened; more go
//! as collections of up to 200, some at a time. A write whose answer was lost is
//! never sent again: only rows that Salesforce says it did not write, because
//! another writer held a lock, are.

mod plan;
mod route;

use std::cell::RefCell;

use futures_util::stream::{self, StreamExt};

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Outcome, Problem, RecordResult, WriteOptions,
};
use crate::body::{KeyedBy, Row, split};
use crate::describe::{Access, described, explain, is_about_fields};
use crate::fault::{as_problem, problem, refused};
use crate::host::{Host, Level, QuotaError};
use crate::names;
use plan::{Job, MAX_ROWS, Verb, chunks};

/// Tries of rows that were locked, the first one included.
const LOCK_TRIES: u32 = 4;
/// The pause before the second try, in milliseconds; it doubles. Salesforce
/// itself waits 10 s for a lock before it gives up.
const LOCK_PAUSE_MS: u32 = 500;

/// The pause that a caller is told after a connection that broke in between.
const BROKEN_PAUSE_MS: u64 = 1_000;

/// Creates records.
pub(crate) async fn create<H: Host>(
    api: &Api<H>,
    object: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    names::object(object)?;
    let rows = read_rows(records, KeyedBy::Nothing)?;
    run(
        api,
        Job {
            verb: Verb::Create,
            object,
            options,
        },
        rows,
    )
    .await
}

/// Changes records, each with its `Id`.
pub(crate) async fn update<H: Host>(
    api: &Api<H>,
    object: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    names::object(object)?;
    let rows = read_rows(records, KeyedBy::Id)?;
    run(
        api,
        Job {
            verb: Verb::Update,
            object,
            options,
        },
        rows,
    )
    .await
}

/// Creates or changes records, found by a key field.
pub(crate) async fn upsert<H: Host>(
    api: &Api<H>,
    object: &str,
    key_field: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    names::object(object)?;
    names::field(key_field)?;
    let rows = read_rows(records, KeyedBy::Field(key_field))?;
    run(
        api,
        Job {
            verb: Verb::Upsert(key_field),
            object,
            options,
        },
        rows,
    )
    .await
}

/// Deletes records.
pub(crate) async fn delete<H: Host>(
    api: &Api<H>,
    object: &str,
    ids: &[String],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    names::object(object)?;
    let mut rows: Vec<Result<Row<'_>, Problem>> =
        ids.iter().map(|id| names::id(id).map(Row::of_id)).collect();
    if rows.len() > 1 {
        keep_to_object(api, object, &mut rows).await?;
    }
    run(
        api,
        Job {
            verb: Verb::Delete,
            object,
            options,
        },
        rows,
    )
    .await
}

fn read_rows<'a>(
    records: &'a [u8],
    keyed_by: KeyedBy<'_>,
) -> Result<Vec<Result<Row<'a>, Problem>>, Error> {
    Ok(split(records)?
        .into_iter()
        .map(|raw| Row::read(raw, keyed_by))
        .collect())
}

/// Refuses ids of other objects: a collection deletes whatever it is given.
async fn keep_to_object<H: Host>(
    api: &Api<H>,
    object: &str,
    rows: &mut [Result<Row<'_>, Problem>],
) -> Result<(), Error> {
    let key = format!("prefix/{object}");
    // An object's prefix never changes. Empty: it has none of its own.
    let prefix = match api.host.load(&key).await.map(String::from_utf8) {
        Some(Ok(prefix)) => prefix,
        _ => {
            let (_, prefix) = described(api, object).await?;
            let prefix = prefix.unwrap_or_default();
            api.host.store(&key, prefix.clone().into_bytes()).await;
            prefix
        }
    };
    for row in rows {
        let fits = row
            .as_ref()
            .is_ok_and(|row| row.id_text().is_some_and(|id| id.starts_with(&prefix)));
        if row.is_ok() && !fits {
            *row = Err(problem(
                Advice::FixRecord,
                "MALFORMED_ID",
                &format!("this is the id of another object: those of {object} start with {prefix}"),
            ));
        }
    }
    Ok(())
}

/// What is known of each row so far.
type Slots = Vec<Option<RecordResult>>;

async fn run<H: Host>(
    api: &Api<H>,
    job: Job<'_>,
    rows: Vec<Result<Row<'_>, Problem>>,
) -> Result<Vec<RecordResult>, Error> {
    let all_or_none = job.options.all_or_none;
    if all_or_none && rows.len() > MAX_ROWS {
        return Err(refused(
            Advice::FixRecord,
            "EXCEEDED_ID_LIMIT",
            &format!(
                "all-or-none holds for one request of at most {MAX_ROWS} records: Salesforce \
                 cannot undo across requests"
            ),
        ));
    }
    let mut slots: Slots = Vec::with_capacity(rows.len());
    let mut sound: Vec<(usize, Row<'_>)> = Vec::with_capacity(rows.len());
    for (at, row) in rows.into_iter().enumerate() {
        match row {
            Ok(row) => {
                slots.push(None);
                sound.push((at, row));
            }
            Err(mut problem) => {
                problem.object.get_or_insert_with(|| job.object.to_owned());
                slots.push(Some(failed(None, vec![problem])));
            }
        }
    }
    if all_or_none && sound.len() < slots.len() {
        return Ok(slots
            .into_iter()
            .map(|slot| slot.unwrap_or_else(rolled_back))
            .collect());
    }
    if sound.is_empty() {
        return Ok(slots.into_iter().flatten().collect());
    }
    send_all(api, &job, &sound, &mut slots).await?;
    explain_fields(api, &job, &sound, &mut slots).await;
    Ok(slots
        .into_iter()
        .map(|slot| slot.unwrap_or_else(lost))
        .collect())
}

/// Sends the rows, and those that were locked again.
async fn send_all<H: Host>(
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
        if job.options.all_or_none {
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
        Some(reserve(api, chunks.len()).await?)
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

/// Sets the calls of a large write aside, so that it does not stop half-way for
/// want of them.
async fn reserve<H: Host>(api: &Api<H>, chunks: usize) -> Result<H::Reserved, Error> {
    let calls = u32::try_from(chunks).unwrap_or(u32::MAX);
    api.host.reserve(calls).await.map_err(|error| match error {
        QuotaError::Exhausted(ms) => Error::OverQuota(ms),
        QuotaError::TooMany(most) => refused(
            Advice::WaitForQuota,
            "REQUEST_LIMIT_EXCEEDED",
            &format!("{calls} calls are needed, and the budget never holds more than {most}"),
        ),
    })
}

/// One description of the object explains all refused fields.
async fn explain_fields<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    rows: &[(usize, Row<'_>)],
    slots: &mut Slots,
) {
    let access = match job.verb {
        Verb::Create => Access::Create,
        Verb::Update | Verb::Upsert(_) => Access::Update,
        Verb::Delete => return,
    };
    let refused = |slot: &RecordResult| match &slot.outcome {
        Outcome::Failed(problems) => problems.iter().any(is_about_fields),
        _ => false,
    };
    if !slots.iter().flatten().any(refused) {
        return;
    }
    let Ok((description, _)) = described(api, job.object).await else {
        // Salesforce's own words stand as they are.
        return;
    };
    for (at, row) in rows {
        let Some(Some(RecordResult {
            outcome: Outcome::Failed(problems),
            ..
        })) = slots.get_mut(*at)
        else {
            continue;
        };
        for problem in problems
            .iter_mut()
            .filter(|problem| is_about_fields(problem))
        {
            explain(problem, &description, row.fields(), access);
        }
    }
}

fn is_locked(result: &RecordResult) -> bool {
    match &result.outcome {
        Outcome::Failed(problems) => problems
            .iter()
            .all(|problem| problem.code == "UNABLE_TO_LOCK_ROW"),
        _ => false,
    }
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

fn rolled_back() -> RecordResult {
    failed(
        None,
        vec![problem(
            Advice::RolledBack,
            "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            "not sent: another record of the batch is wrong",
        )],
    )
}

fn lost() -> RecordResult {
    failed(None, vec![as_problem(&Error::UnknownOutcome)])
}

#[cfg(test)]
mod tests;
