//! The list of jobs, in pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::call::{Answer, Call};
use super::Kind;
use crate::bulk::job::Detail;
use crate::fault::Fault;
use crate::http::answer;

/// Jobs of one page.
const PAGE: usize = 1_000;

/// `GET /jobs/ingest` and `GET /jobs/query`
pub(super) fn all(call: &Call, kind: Kind) -> Answer {
    let before = match call.parameter("queryLocator") {
        Some(locator) => read_locator(locator)
            .ok_or_else(|| Fault::bad_request("INVALID_QUERY_LOCATOR", "invalid query locator"))?,
        None => u64::MAX,
    };
    let wanted_type = call.parameter("jobType");
    // Only jobs of the older Bulk API can be cut by id or work one by one.
    let is_never = call.flag("isPkChunkingEnabled")
        || call
            .parameter("concurrencyMode")
            .is_some_and(|mode| !mode.eq_ignore_ascii_case("parallel"));
    let now_ms = call.shared.clock.now_ms();
    let mut jobs = call.shared.bulk.jobs();
    let mut fitting = jobs
        .all(now_ms)
        .filter(|(serial, _)| *serial < before && !is_never)
        .filter(|(_, job)| job.work.task.is_query() == (kind == Kind::Query))
        .filter(|(_, job)| wanted_type.is_none_or(|wanted| wanted == job.work.task.job_type()));
    let mut records: Vec<Value> = Vec::new();
    let mut last = 0;
    for (serial, job) in fitting.by_ref().take(PAGE) {
        records.push(job.to_json(Detail::Listed));
        last = serial;
    }
    let is_done = fitting.next().is_none();
    drop(fitting);
    drop(jobs);
    let path = match kind {
        Kind::Ingest => "ingest",
        Kind::Query => "query",
    };
    let next = (!is_done).then(|| {
        let locator = URL_SAFE_NO_PAD.encode(last.to_string());
        format!("{}/jobs/{path}?queryLocator={locator}", call.version.path())
    });
    Ok(answer::json(
        200,
        &json!({ "done": is_done, "records": records, "nextRecordsUrl": next }),
    ))
}

fn read_locator(locator: &str) -> Option<u64> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(locator).ok()?).ok()?;
    text.parse().ok()
}
