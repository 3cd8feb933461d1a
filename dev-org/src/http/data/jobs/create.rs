//! New jobs and their data.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::call::{Answer, Call};
use super::super::multipart;
use super::{Kind, find_own, media_type, show};
use crate::bulk::csv::{Delimiter, Dialect, LineEnding};
use crate::bulk::job::{Detail, Job, Task, Wanted};
use crate::bulk::{BulkJobState as State, check_query, check_target, wrong_state};
use crate::fault::Fault;
use crate::http::answer;
use crate::org::Operation;

/// Most characters of data that come with the job.
const MULTIPART_CHARS: usize = 100_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewIngest {
    object: String,
    operation: String,
    external_id_field_name: Option<String>,
    assignment_rule_id: Option<String>,
    content_type: Option<String>,
    column_delimiter: Option<Delimiter>,
    line_ending: Option<LineEnding>,
    /// Taken and not heeded: there is only one mode.
    #[serde(rename = "concurrencyMode")]
    _concurrency_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewQuery {
    operation: String,
    query: String,
    content_type: Option<String>,
    column_delimiter: Option<Delimiter>,
    line_ending: Option<LineEnding>,
}

/// `POST /jobs/ingest`, with the data when the body has two parts.
pub(super) fn ingest(call: &Call) -> Answer {
    if media_type(call) != "multipart/form-data" {
        let job = new_ingest(call, call.json()?)?;
        return show(&job, Detail::Created);
    }
    let kind = call.header(header::CONTENT_TYPE.as_str()).unwrap_or("");
    let parts = multipart::named(kind, &call.body)?;
    let part = |name: &str| {
        let found = parts.iter().find(|(part, _)| *part == name);
        found.map(|(_, body)| *body).ok_or_else(|| {
            Fault::bad_request(
                "CLIENTINPUTERROR",
                format!("The request has no part named {name}"),
            )
        })
    };
    let (job, content) = (part("job")?, part("content")?);
    if String::from_utf8_lossy(content).chars().count() > MULTIPART_CHARS {
        return Err(Fault::bad_request(
            "CLIENTINPUTERROR",
            format!(
                "The data of a multipart request has at most {MULTIPART_CHARS} characters; create \
                 the job first and upload the data"
            ),
        ));
    }
    let job = new_ingest(call, read_json(job)?)?;
    store(&job, Bytes::copy_from_slice(content));
    let now_ms = call.shared.clock.now_ms();
    let bulk = &call.shared.bulk;
    let mut jobs = bulk.jobs();
    let job = jobs
        .find(&job.work.id, now_ms)
        .ok_or_else(Fault::not_there)?;
    job.has_data = true;
    job.state = State::UploadComplete;
    let job = job.clone();
    drop(jobs);
    bulk.start(&call.shared, &job.work);
    show(&job, Detail::Created)
}

fn read_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(text)
        .map_err(|error| Fault::bad_request("JSON_PARSER_ERROR", error.to_string()))
}

fn new_ingest(call: &Call, wanted: NewIngest) -> Result<Job, Fault> {
    check_content_type(wanted.content_type.as_deref())?;
    let operation = match wanted.operation.as_str() {
        "insert" => Operation::Insert,
        "update" => Operation::Update,
        "upsert" => Operation::Upsert,
        "delete" => Operation::Delete,
        "hardDelete" => Operation::HardDelete,
        other => return Err(no_operation(other)),
    };
    let key = wanted
        .external_id_field_name
        .filter(|key| !key.is_empty() && operation == Operation::Upsert);
    let object = check_target(
        &call.shared.org(),
        &call.who,
        &wanted.object,
        operation,
        key.as_deref(),
    )?;
    let now_ms = call.shared.clock.now_ms();
    let bulk = &call.shared.bulk;
    {
        let mut jobs = bulk.jobs();
        let quota = &mut jobs.quota;
        if quota.batches.is_used_up(now_ms) || quota.rows.is_used_up(now_ms) {
            return Err(Fault::bad_request(
                "EXCEEDED_QUOTA",
                "ApiBatchItems Limit exceeded.",
            ));
        }
    }
    let task = Task::Ingest {
        operation,
        key,
        assignment_rule: wanted.assignment_rule_id,
    };
    Ok(bulk.create(Wanted {
        task,
        object,
        dialect: dialect(wanted.column_delimiter, wanted.line_ending),
        version: call.version,
        user: Arc::clone(&call.who),
        client: call.client().map(str::to_owned),
        created_ms: now_ms,
        answer: None,
    }))
}

fn dialect(delimiter: Option<Delimiter>, line_ending: Option<LineEnding>) -> Dialect {
    Dialect {
        delimiter: delimiter.unwrap_or_default(),
        line_ending: line_ending.unwrap_or_default(),
    }
}

/// `POST /jobs/query`
pub(super) fn query(call: &Call) -> Answer {
    let wanted: NewQuery = call.json()?;
    check_content_type(wanted.content_type.as_deref())?;
    let all_rows = match wanted.operation.as_str() {
        "query" => false,
        "queryAll" => true,
        other => return Err(no_operation(other)),
    };
    let now_ms = call.shared.clock.now_ms();
    let bulk = &call.shared.bulk;
    let (found, object) = {
        let org = call.shared.org();
        let found = check_query(&org, &call.who, &wanted.query, all_rows, call.version)?;
        let object = found.object(&org).to_owned();
        (found, object)
    };
    take_query_job(call, now_ms)?;
    let job = bulk.create(Wanted {
        task: Task::Query { all_rows },
        object,
        dialect: dialect(wanted.column_delimiter, wanted.line_ending),
        version: call.version,
        user: Arc::clone(&call.who),
        client: call.client().map(str::to_owned),
        created_ms: now_ms,
        answer: Some(found),
    });
    bulk.start(&call.shared, &job.work);
    show(&job, Detail::Created)
}

fn take_query_job(call: &Call, now_ms: i64) -> Result<(), Fault> {
    let mut jobs = call.shared.bulk.jobs();
    let limit = &mut jobs.quota.query_jobs;
    if limit.take(now_ms, 1) {
        return Ok(());
    }
    let most = limit.max;
    Err(Fault::bad_request(
        "EXCEEDED_QUOTA",
        format!("Max bulk v2 query jobs ({most}) per 24 hrs has been reached"),
    ))
}

/// `PUT /jobs/ingest/750.../batches`: all the data of a job, once.
pub(super) fn upload(call: &Call, id: &str) -> Answer {
    let media = media_type(call);
    if media != "text/csv" {
        return Err(Fault::new(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("Content-Type '{media}' is not supported; send text/csv"),
        ));
    }
    let job = find_own(call, Kind::Ingest, id)?;
    let now_ms = call.shared.clock.now_ms();
    {
        let mut jobs = call.shared.bulk.jobs();
        let job = jobs
            .find(&job.work.id, now_ms)
            .ok_or_else(Fault::not_there)?;
        if job.state != State::Open {
            return Err(wrong_state(&format!(
                "Data can be uploaded to an Open job only; this one is {}",
                job.state.name()
            )));
        }
        if job.has_data {
            return Err(Fault::bad_request(
                "CLIENTINPUTERROR",
                format!(
                    "Found multiple contents for job: <{}>, please 'Close' / 'Abort' / 'Delete' \
                     the current Job then create a new Job and make sure you only do 'PUT' once \
                     on a given Job.",
                    job.work.id
                ),
            ));
        }
        job.has_data = true;
    }
    store(&job, call.body.clone());
    Ok(answer::empty(201))
}

fn store(job: &Job, data: Bytes) {
    let mut outcome = job.work.outcome();
    match String::from_utf8(Vec::from(data)) {
        Ok(text) => outcome.data = text.into(),
        Err(error) => {
            outcome.data = String::from_utf8_lossy(error.as_bytes()).into();
            outcome.is_garbled = true;
        }
    }
}

fn no_operation(name: &str) -> Fault {
    Fault::bad_request(
        "INVALIDOPERATION",
        format!("The operation {name:?} is not one of this resource"),
    )
}

fn check_content_type(content_type: Option<&str>) -> Result<(), Fault> {
    match content_type {
        None | Some("CSV") => Ok(()),
        Some(other) => Err(Fault::bad_request(
            "INVALIDJOB",
            format!("Invalid contentType: {other}. Only CSV is supported"),
        )),
    }
}
