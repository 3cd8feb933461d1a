//! `/jobs/ingest` and `/jobs/query`: Bulk API 2.0 over HTTP. Every request
//! counts as one call, polls included.

mod create;
mod fetch;
mod list;

use axum::response::Response;
use hyper::header;
use serde::Deserialize;

use super::call::{Answer, Call};
use crate::bulk::job::{Detail, Job};
use crate::bulk::{BulkJobState as State, state_in_words, wrong_state};
use crate::fault::Fault;
use crate::http::answer;
use crate::http::body;

/// Ingest jobs are there since this version,
const INGEST_SINCE: u16 = 41;
/// query jobs since this one,
const QUERY_SINCE: u16 = 47;
/// their parallel results since this one,
const PAGES_SINCE: u16 = 58;
/// and the ids of failed rows since this one.
const FAILED_ID_SINCE: u16 = 53;

/// Most bytes of one upload: 150 MB once Salesforce has made it base64.
const UPLOAD_LIMIT: usize = 150 * 1024 * 1024 / 4 * 3;

/// Ingest or query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ingest,
    Query,
}

/// What a path behind `/jobs` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    All(Kind),
    One(Kind, String),
    Upload(String),
    Successful(String),
    Failed(String),
    Unprocessed(String),
    Results(String),
    ResultPages(String),
}

impl Path {
    pub(super) fn parse(segments: &[&str]) -> Option<Self> {
        let owned = |id: &&str| (*id).to_owned();
        Some(match segments {
            ["ingest"] => Self::All(Kind::Ingest),
            ["query"] => Self::All(Kind::Query),
            ["ingest", id] => Self::One(Kind::Ingest, owned(id)),
            ["query", id] => Self::One(Kind::Query, owned(id)),
            ["ingest", id, "batches"] => Self::Upload(owned(id)),
            ["ingest", id, "successfulResults"] => Self::Successful(owned(id)),
            ["ingest", id, "failedResults"] => Self::Failed(owned(id)),
            ["ingest", id, "unprocessedrecords" | "unprocessedRecords"] => {
                Self::Unprocessed(owned(id))
            }
            ["query", id, "results"] => Self::Results(owned(id)),
            // Salesforce spells it in two ways, one of them in its own links.
            ["query", id, "resultPages" | "resultpages"] => Self::ResultPages(owned(id)),
            _ => return None,
        })
    }

    pub(super) fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::All(_) => &["HEAD", "GET", "POST"],
            Self::One(..) => &["HEAD", "GET", "PATCH", "DELETE"],
            Self::Upload(_) => &["PUT"],
            _ => &["HEAD", "GET"],
        }
    }

    /// Most bytes of a request's body.
    pub(super) fn body_limit(&self) -> usize {
        match self {
            Self::Upload(_) => UPLOAD_LIMIT,
            _ => body::LIMIT,
        }
    }

    /// The first version that has it.
    fn since(&self) -> u16 {
        match self {
            Self::All(Kind::Query) | Self::One(Kind::Query, _) | Self::Results(_) => QUERY_SINCE,
            Self::ResultPages(_) => PAGES_SINCE,
            _ => INGEST_SINCE,
        }
    }
}

/// Answers a request about jobs. Errors are without `fields`, unlike others.
pub(super) fn serve(call: &Call, path: &Path) -> Response {
    if !call.version.is_at_least(path.since()) {
        return answer::not_found();
    }
    work(call, path).unwrap_or_else(|fault| answer::error(fault.status, fault.code, &fault.message))
}

fn work(call: &Call, path: &Path) -> Answer {
    let method = match call.method.as_str() {
        "HEAD" => "GET",
        method => method,
    };
    match (method, path) {
        ("POST", Path::All(Kind::Ingest)) => create::ingest(call),
        ("POST", Path::All(Kind::Query)) => create::query(call),
        ("GET", Path::All(kind)) => list::all(call, *kind),
        ("GET", Path::One(kind, id)) => show(&find(call, *kind, id)?, Detail::Full),
        ("PATCH", Path::One(kind, id)) => change(call, *kind, id),
        ("DELETE", Path::One(kind, id)) => delete(call, *kind, id),
        ("PUT", Path::Upload(id)) => create::upload(call, id),
        ("GET", Path::Successful(id)) => fetch::successful(call, id),
        ("GET", Path::Failed(id)) => fetch::failed(call, id),
        ("GET", Path::Unprocessed(id)) => fetch::unprocessed(call, id),
        ("GET", Path::Results(id)) => fetch::results(call, id),
        ("GET", Path::ResultPages(id)) => fetch::result_pages(call, id),
        _ => Ok(super::not_allowed(call, path.methods())),
    }
}

fn show(job: &Job, detail: Detail) -> Answer {
    Ok(answer::json(200, &job.to_json(detail)))
}

/// A job of a kind by id.
fn find(call: &Call, kind: Kind, id: &str) -> Result<Job, Fault> {
    let now_ms = call.shared.clock.now_ms();
    call.shared
        .bulk
        .jobs()
        .find(id, now_ms)
        .filter(|job| job.work.task.is_query() == (kind == Kind::Query))
        .cloned()
        .ok_or_else(Fault::not_there)
}

/// A job that the caller may change and whose rows they may see: their own,
/// or any with the permission to manage data integrations, which
/// administrators have.
fn find_own(call: &Call, kind: Kind, id: &str) -> Result<Job, Fault> {
    let job = find(call, kind, id)?;
    let is_own = job.work.user.id == call.who.id || call.who.profile == "System Administrator";
    if is_own {
        return Ok(job);
    }
    Err(Fault::new(
        403,
        "INVALIDUSER",
        "The job was created by another user",
    ))
}

#[derive(Deserialize)]
struct Change {
    state: String,
}

/// `PATCH`: closes or aborts a job.
fn change(call: &Call, kind: Kind, id: &str) -> Answer {
    let wanted: Change = call.json()?;
    let job = find_own(call, kind, id)?;
    let bulk = &call.shared.bulk;
    let now_ms = call.shared.clock.now_ms();
    match (wanted.state.as_str(), kind) {
        ("Aborted", _) => show(&bulk.abort(&job.work.id, now_ms)?, Detail::Changed),
        ("UploadComplete", Kind::Ingest) => {
            let mut jobs = bulk.jobs();
            let job = jobs.find(id, now_ms).ok_or_else(Fault::not_there)?;
            if job.state != State::Open {
                return Err(wrong_state(&format!(
                    "Closing already {} Job not allowed",
                    state_in_words(job.state)
                )));
            }
            job.state = State::UploadComplete;
            job.modified_ms = now_ms;
            let job = job.clone();
            drop(jobs);
            bulk.start(&call.shared, &job.work);
            show(&job, Detail::Changed)
        }
        (other, _) => Err(wrong_state(&format!(
            "A job cannot be set to the state {other:?}"
        ))),
    }
}

/// `DELETE`: forgets a job and its data.
fn delete(call: &Call, kind: Kind, id: &str) -> Answer {
    let job = find_own(call, kind, id)?;
    let is_waiting = job.state == State::UploadComplete && kind == Kind::Ingest;
    if !job.state.is_final() && !is_waiting {
        return Err(wrong_state(&format!(
            "Deleting {} Job not allowed; abort it first",
            job.state.name()
        )));
    }
    let bulk = &call.shared.bulk;
    if is_waiting {
        bulk.abort(&job.work.id, call.shared.clock.now_ms())?;
    }
    bulk.jobs().remove(&job.work.id);
    bulk.changed();
    Ok(answer::empty(204))
}

/// The media type of the body, without its parameters.
fn media_type(call: &Call) -> String {
    let kind = call.header(header::CONTENT_TYPE.as_str()).unwrap_or("");
    let media = kind.split(';').next().unwrap_or_default();
    media.trim().to_ascii_lowercase()
}
