//! Creating, changing and deleting records, with one result for each in their
//! order.
//!
//! One record goes by its own route, which tells exactly what happened; more go
//! as collections of up to 200, some at a time. A write whose answer was lost is
//! never sent again: only rows that Salesforce says it did not write, because
//! another writer held a lock, are.

mod plan;
mod route;
mod send;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Outcome, Problem, RecordResult, WriteOptions,
};
use crate::body::{KeyedBy, Row, split};
use crate::describe::{Access, described, explain, is_about_fields};
use crate::fault::{as_problem, problem, refused};
use crate::host::Host;
use crate::names;
use plan::{Job, MAX_ROWS, Verb};
use send::send_all;

/// Creates records.
pub(crate) async fn create<H: Host>(
    api: &Api<H>,
    object: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    let job = Job::new(Verb::Create, object, options)?;
    run(api, job, read_rows(records, KeyedBy::Nothing)?).await
}

/// Changes records, each with its `Id`.
pub(crate) async fn update<H: Host>(
    api: &Api<H>,
    object: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    let job = Job::new(Verb::Update, object, options)?;
    run(api, job, read_rows(records, KeyedBy::Id)?).await
}

/// Creates or changes records, found by a key field.
pub(crate) async fn upsert<H: Host>(
    api: &Api<H>,
    object: &str,
    key_field: &str,
    records: &[u8],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    names::key_field(key_field)?;
    let job = Job::new(Verb::Upsert(key_field), object, options)?;
    run(api, job, read_rows(records, KeyedBy::Field(key_field))?).await
}

/// Deletes records.
pub(crate) async fn delete<H: Host>(
    api: &Api<H>,
    object: &str,
    ids: &[String],
    options: WriteOptions,
) -> Result<Vec<RecordResult>, Error> {
    let job = Job::new(Verb::Delete, object, options)?;
    let mut rows: Vec<Result<Row<'_>, Problem>> =
        ids.iter().map(|id| names::id(id).map(Row::of_id)).collect();
    if rows.len() > 1 {
        keep_to_object(api, object, &mut rows).await?;
    }
    run(api, job, rows).await
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
