//! The two routes of a write: a record's own, and the collection's.

use serde_json::value::RawValue;

use crate::api::{Api, Ask, Kind};
use crate::bindings::exports::lockgate::connector::records::{
    Advice, Error, Outcome, Problem, RecordResult,
};
use crate::body::{Key, Row, collection_head, segment};
use crate::fault::{Effect, Entry, Fault, problem};
use crate::host::{Answer, Host, Level, Method};
use crate::wire::{self, RowResult, text};

use super::plan::{Job, Verb};
use super::{failed, told};

/// Where collections are written.
pub(super) const COLLECTIONS: &str = "/composite/sobjects";

/// Writes one record by its own route.
pub(super) async fn alone<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    row: &Row<'_>,
) -> Result<RecordResult, Error> {
    let object = job.object;
    let id = row.id_text().unwrap_or_default();
    let ask = match (job.verb, &row.key) {
        (Verb::Update, _) => {
            let path = format!("/sobjects/{object}/{id}");
            Ask::new(Method::Patch, path, Kind::Write).body(row.alone())
        }
        (Verb::Delete, _) => Ask::new(
            Method::Delete,
            format!("/sobjects/{object}/{id}"),
            Kind::Write,
        ),
        (Verb::Upsert(field), Key::External { value, .. }) => {
            let path = format!("/sobjects/{object}/{field}/{}", segment(value));
            Ask::new(Method::Patch, path, Kind::Write).body(row.alone())
        }
        (Verb::Create | Verb::Upsert(_), _) => {
            Ask::new(Method::Post, format!("/sobjects/{object}"), Kind::Write).body(row.alone())
        }
    };
    let answer = api.send(ask).await?;
    let known_id = row.id_text().map(str::to_owned);
    match (job.verb, answer.status) {
        (Verb::Create, 200 | 201) => created_alone(api, &answer, Outcome::Created),
        (Verb::Upsert(_), 201) => created_alone(api, &answer, Outcome::Created),
        (Verb::Upsert(_), 200) => created_alone(api, &answer, Outcome::Updated),
        // Before version 46, an upsert that updates says nothing more.
        (Verb::Update | Verb::Upsert(_), 204) => Ok(told(known_id, Outcome::Updated)),
        (Verb::Delete, 204) => Ok(told(known_id, Outcome::Deleted)),
        // Something on the way answered: a proxy with a page for people.
        (_, 200..300) => Err(unreadable(api)),
        (Verb::Upsert(field), 300) => Ok(failed(None, vec![ambiguous(job, field, &answer.body)])),
        (_, status) => {
            let fault = Fault::read(status, &answer.body);
            match fault.problems(Some(object)) {
                Some(mut problems) => {
                    for problem in &mut problems {
                        in_context(problem, job);
                    }
                    Ok(failed(known_id, problems))
                }
                None => Err(fault.error(Some(object), Effect::Write)),
            }
        }
    }
}

fn created_alone<H: Host>(
    api: &Api<H>,
    answer: &Answer,
    unless_told: Outcome,
) -> Result<RecordResult, Error> {
    let result = wire::read::<RowResult>(&answer.body);
    let Some(result) = result.filter(|result| result.id.is_some()) else {
        return Err(unreadable(api));
    };
    let outcome = match result.created {
        Some(true) => Outcome::Created,
        Some(false) => Outcome::Updated,
        None => unless_told,
    };
    Ok(told(result.id, outcome))
}

/// Writes up to 200 records.
pub(super) async fn collection<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    rows: &[&(usize, Row<'_>)],
) -> Result<Vec<RecordResult>, Error> {
    let all_or_none = job.all_or_none;
    let ask = match job.verb {
        Verb::Create => Ask::new(Method::Post, COLLECTIONS, Kind::Write),
        Verb::Update => Ask::new(Method::Patch, COLLECTIONS, Kind::Write),
        Verb::Upsert(field) => {
            let path = format!("{COLLECTIONS}/{}/{field}", job.object);
            Ask::new(Method::Patch, path, Kind::Write)
        }
        Verb::Delete => {
            let ids: Vec<&str> = rows.iter().filter_map(|(_, row)| row.id_text()).collect();
            Ask::new(Method::Delete, COLLECTIONS, Kind::Write)
                .pair("ids", ids.join(","))
                .pair("allOrNone", all_or_none.to_string())
        }
    };
    let ask = match job.verb {
        Verb::Delete => ask,
        _ => ask.body(collection_body(job, rows)),
    };
    let answer = api.send(ask).await?;
    if answer.status != 200 && answer.status != 201 {
        return Err(refusal(job, &answer));
    }
    let results = wire::read::<Vec<RowResult>>(&answer.body);
    match results {
        Some(results) if results.len() == rows.len() => Ok(rows
            .iter()
            .zip(results)
            .map(|((_, row), result)| row_result(api, job, row.id_text(), result))
            .collect()),
        _ => Err(unreadable(api)),
    }
}

/// Why a collection was refused as a whole.
pub(super) fn refusal(job: &Job<'_>, answer: &Answer) -> Error {
    let fault = Fault::read(answer.status, &answer.body);
    match fault.error(Some(job.object), Effect::Write) {
        Error::Refused(mut problem) => {
            in_context(&mut problem, job);
            Error::Refused(problem)
        }
        error => error,
    }
}

fn collection_body(job: &Job<'_>, rows: &[&(usize, Row<'_>)]) -> Vec<u8> {
    let head = collection_head(job.object);
    let lengths = rows.iter().map(|(_, row)| head.len() + row.length());
    // And an id or a key, and commas.
    let size: usize = lengths.map(|length| length + 64).sum();
    let mut body = Vec::with_capacity(size + 64);
    body.extend_from_slice(b"{\"allOrNone\":");
    body.extend_from_slice(job.all_or_none.to_string().as_bytes());
    body.extend_from_slice(b",\"records\":[");
    for (at, (_, row)) in rows.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        row.push_for_collection(&mut body, &head, job.key_field());
    }
    body.extend_from_slice(b"]}");
    body
}

/// What became of a row that had this id, if any.
pub(super) fn row_result<H: Host>(
    api: &Api<H>,
    job: &Job<'_>,
    known_id: Option<&str>,
    result: RowResult,
) -> RecordResult {
    let id = result.id.or_else(|| known_id.map(str::to_owned));
    if !result.success {
        let problems = result.errors.iter().map(|entry| {
            let mut problem = entry.problem(400, Some(job.object));
            in_context(&mut problem, job);
            problem
        });
        return failed(id, problems.collect());
    }
    if !result.errors.iter().all(Entry::is_enqueued) {
        // Some rules report what they let pass. It was written all the same.
        api.host.log(
            Level::Warn,
            "a record was written with remarks",
            &[
                ("object", job.object.to_owned()),
                ("remarks", result.errors.len().to_string()),
            ],
        );
    }
    let outcome = match (job.verb, result.created) {
        (Verb::Create, _) | (Verb::Upsert(_), Some(true)) => Outcome::Created,
        (Verb::Update | Verb::Upsert(_), _) => Outcome::Updated,
        (Verb::Delete, _) => Outcome::Deleted,
    };
    told(id, outcome)
}

/// A create cannot miss a record, nor can an upsert: what was not found is the
/// object or the key field.
fn in_context(problem: &mut Problem, job: &Job<'_>) {
    if problem.code != "NOT_FOUND" {
        return;
    }
    match job.verb {
        Verb::Create => problem.advice = Advice::FixSchema,
        Verb::Upsert(field) => {
            problem.advice = Advice::FixSchema;
            if problem.fields.is_empty() {
                problem.fields.push(field.to_owned());
            }
        }
        Verb::Update | Verb::Delete => {}
    }
}

/// Several records hold the key. The answer lists their addresses, as texts.
fn ambiguous(job: &Job<'_>, field: &str, body: &[u8]) -> Problem {
    let urls: Vec<&RawValue> = wire::read(body).unwrap_or_default();
    let ids: Vec<String> = urls
        .iter()
        .filter_map(|raw| text(raw))
        .filter_map(|url| crate::names::id(url.rsplit('/').next()?).ok())
        .take(10)
        .collect();
    let mut problem = problem(
        Advice::ResolveDuplicate,
        "DUPLICATE_EXTERNAL_ID",
        &format!("{} records hold this value: {}", urls.len(), ids.join(", ")),
    );
    problem.object = Some(job.object.to_owned());
    problem.fields.push(field.to_owned());
    problem
}

/// Salesforce says that it wrote, and not legibly what.
pub(super) fn unreadable<H: Host>(api: &Api<H>) -> Error {
    api.host
        .log(Level::Error, "the answer to a write could not be read", &[]);
    Error::UnknownOutcome
}
