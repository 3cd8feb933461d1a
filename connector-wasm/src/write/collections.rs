//! Writing by REST: one record by its own route, which tells exactly what
//! happened, more as collections of up to 200, some at a time.
//!
//! A write whose answer was lost is never sent again: only rows that Salesforce
//! says it did not write, because another writer held a lock, are.

use super::pace::Pace;
use super::plan::{Job, MAX_ROWS, Verb};
use super::send::send_all;
use super::{failed, lost};
use crate::actions::graph::MAX_NODES;
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Outcome, Problem, RecordResult,
};
use crate::body::Row;
use crate::describe::{Access, Age, described, explain, is_about_fields};
use crate::fault::{problem, refused};
use crate::host::Host;

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
            let (_, prefix) = described(api, object, Age::Recent).await?;
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
pub(super) type Slots = Vec<Option<RecordResult>>;

/// Writes rows, and gives one result for each in their order.
pub(super) async fn run<H: Host>(
    api: &Api<H>,
    job: Job<'_>,
    mut rows: Vec<Result<Row<'_>, Problem>>,
    pace: &Pace,
) -> Result<Vec<RecordResult>, Error> {
    let all_or_none = job.all_or_none;
    if all_or_none && rows.len() > MAX_ROWS {
        return Err(too_many_for_all_or_none());
    }
    if job.verb == Verb::Delete && rows.len() > 1 {
        keep_to_object(api, job.object, &mut rows).await?;
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
    send_all(api, &job, &sound, pace, &mut slots).await?;
    explain_fields(api, &job, &sound, &mut slots).await;
    Ok(slots
        .into_iter()
        .map(|slot| slot.unwrap_or_else(lost))
        .collect())
}

/// One description of the object explains all refused fields.
pub(super) async fn explain_fields<H: Host>(
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
    let Ok((description, _)) = described(api, job.object, Age::Anew).await else {
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

/// Says how many can be undone together.
pub(super) fn too_many_for_all_or_none() -> Error {
    refused(
        Advice::FixRecord,
        "EXCEEDED_ID_LIMIT",
        &format!(
            "all-or-none holds for one request, since Salesforce cannot undo across requests: at most \
             {MAX_ROWS} records, or {MAX_NODES} created or upserted by the way `graph`"
        ),
    )
}

pub(super) fn rolled_back() -> RecordResult {
    failed(
        None,
        vec![problem(
            Advice::RolledBack,
            "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            "not sent: another record of the batch is wrong",
        )],
    )
}
