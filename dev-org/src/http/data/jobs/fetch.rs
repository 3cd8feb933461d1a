//! Results of jobs: rows as CSV, and where to get them.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::super::call::{Answer, Call};
use super::{FAILED_ID_SINCE, Kind, find_own};
use crate::bulk::job::Job;
use crate::bulk::{BulkJobState as State, results, wrong_state};
use crate::fault::Fault;
use crate::http::answer;
use crate::soql::CsvAnswer;

/// Rows of a page when nobody says how many.
const PAGE_ROWS: usize = 50_000;
/// Pages that one answer of `resultPages` names.
const PAGES: usize = 5;

const CSV: HeaderValue = HeaderValue::from_static("text/csv;charset=UTF-8");

/// `GET /jobs/ingest/750.../successfulResults`
pub(super) fn successful(call: &Call, id: &str) -> Answer {
    ingest(call, id, results::Kind::Successful)
}

/// `GET /jobs/ingest/750.../failedResults`
pub(super) fn failed(call: &Call, id: &str) -> Answer {
    let with_id = call.version.is_at_least(FAILED_ID_SINCE);
    ingest(call, id, results::Kind::Failed { with_id })
}

/// `GET /jobs/ingest/750.../unprocessedrecords`
pub(super) fn unprocessed(call: &Call, id: &str) -> Answer {
    ingest(call, id, results::Kind::Unprocessed)
}

fn ingest(call: &Call, id: &str, kind: results::Kind) -> Answer {
    let job = find_own(call, Kind::Ingest, id)?;
    if !job.state.is_final() {
        return Err(not_finished(&job));
    }
    Ok(csv(results::ingest(&job.work, kind)))
}

fn csv(body: Body) -> Response {
    answer::with_type(200, CSV, body)
}

fn not_finished(job: &Job) -> Fault {
    wrong_state(&format!(
        "Results are there when the job is finished; it is {}",
        job.state.name()
    ))
}

/// A finished query job with its answer.
fn answered(call: &Call, id: &str) -> Result<(Job, CsvAnswer), Fault> {
    let job = find_own(call, Kind::Query, id)?;
    if job.state != State::JobComplete {
        return Err(not_finished(&job));
    }
    if job.work.version != call.version {
        return Err(Fault::new(
            409,
            "API_VERSION_MISMATCH",
            format!(
                "Get the results with the version that the job was created with: {}",
                job.work.version.name()
            ),
        ));
    }
    let found = job.work.outcome().answer.clone();
    let found = found.ok_or_else(|| not_finished(&job))?;
    Ok((job, found))
}

/// `GET /jobs/query/750.../results?locator=&maxRecords=`
pub(super) fn results(call: &Call, id: &str) -> Answer {
    let (job, found) = answered(call, id)?;
    let locators = Locators::of(call);
    let from = match call.parameter("locator").filter(|text| !text.is_empty()) {
        Some(locator) => locators
            .read(locator)
            .filter(|from| *from < found.total())
            .ok_or_else(no_locator)?,
        None => 0,
    };
    let size = match call.parameter("maxRecords") {
        Some(most) => most.parse().ok().filter(|most| *most > 0).ok_or_else(|| {
            let message = format!("maxRecords has to be a number above zero, not {most:?}");
            Fault::bad_request("INVALID_ARGUMENT", message)
        })?,
        None => locators.page_rows,
    };
    let to = found.total().min(from.saturating_add(size));
    // The word, not an absent header.
    let next = match to < found.total() {
        true => locators.write(to),
        false => "null".to_owned(),
    };
    let mut response = csv(results::query(
        &call.shared,
        found,
        job.work.dialect,
        from..to,
    ));
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("sforce-numberofrecords"),
        HeaderValue::from(to - from),
    );
    if let Ok(next) = HeaderValue::from_str(&next) {
        headers.insert(HeaderName::from_static("sforce-locator"), next);
    }
    Ok(response)
}

/// `GET /jobs/query/750.../resultPages`: addresses of pages that can be
/// fetched side by side.
pub(super) fn result_pages(call: &Call, id: &str) -> Answer {
    let (job, found) = answered(call, id)?;
    let locators = Locators::of(call);
    let from = match call.parameter("locator") {
        Some(locator) => locators
            .read(locator)
            .filter(|from| *from < found.total())
            .ok_or_else(no_locator)?,
        None => 0,
    };
    let starts: Vec<usize> = (from..found.total())
        .step_by(locators.page_rows)
        .take(PAGES + 1)
        .collect();
    let base = format!("{}/jobs/query/{}", call.version.path(), job.work.id);
    let pages: Vec<Value> = starts
        .iter()
        .take(PAGES)
        .map(|start| {
            let locator = locators.write(*start);
            json!({ "resultUrl": format!("{base}/results?locator={locator}") })
        })
        .collect();
    let next = starts.get(PAGES);
    let mut body = Map::new();
    body.insert("resultPages".to_owned(), pages.into());
    if let Some(next) = next {
        // In small letters, as Salesforce links to itself.
        let locator = locators.write(*next);
        let url = format!("{base}/resultpages?locator={locator}");
        body.insert("nextRecordsUrl".to_owned(), url.into());
    }
    body.insert("done".to_owned(), next.is_none().into());
    Ok(answer::json(200, &Value::Object(body)))
}

fn no_locator() -> Fault {
    Fault::bad_request("INVALID_QUERY_LOCATOR", "invalid query locator")
}

/// How the number of a row is written into a locator and read again.
struct Locators {
    /// Locators of earlier epochs have expired.
    epoch: u32,
    page_rows: usize,
}

impl Locators {
    fn of(call: &Call) -> Self {
        let jobs = call.shared.bulk.jobs();
        let page_rows = jobs.switches.page_rows.filter(|rows| *rows > 0);
        Self {
            epoch: jobs.switches.locator_epoch,
            page_rows: page_rows.map_or(PAGE_ROWS, |rows| rows as usize),
        }
    }

    /// `MTAwMDA` for row 10000.
    fn write(&self, row: usize) -> String {
        STANDARD_NO_PAD.encode(match self.epoch {
            0 => row.to_string(),
            epoch => format!("{row}-{epoch}"),
        })
    }

    fn read(&self, locator: &str) -> Option<usize> {
        let text = String::from_utf8(STANDARD_NO_PAD.decode(locator).ok()?).ok()?;
        let (row, epoch) = text.split_once('-').unwrap_or((&text, "0"));
        (epoch.parse() == Ok(self.epoch)).then(|| row.parse().ok())?
    }
}
