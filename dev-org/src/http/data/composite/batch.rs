//! `POST /composite/batch`: up to 25 requests in one, each with its own answer.
//! Only the batch counts, and its addresses stand in the body, so that they can
//! be longer than the edge would take.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::part;
use crate::fault::Fault;
use crate::http::answer;
use crate::http::data::call::{Answer, Call};
use crate::http::data::resource::Resource;
use crate::http::data::version::Version;

/// Most requests in one.
const MOST: usize = 25;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    batch_requests: Vec<Part>,
    #[serde(default)]
    halt_on_error: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    method: String,
    /// Begins with the version: `v60.0/query?q=...`.
    url: String,
    #[serde(default)]
    rich_input: Option<Value>,
}

/// Answers all of them, in order.
pub(in crate::http::data) fn run(call: &Call) -> Answer {
    let batch: Batch = call.json()?;
    if batch.batch_requests.len() > MOST {
        return Err(Fault::bad_request(
            "LIMIT_EXCEEDED",
            format!("The batch request exceeds the limit of {MOST} requests"),
        ));
    }
    let mut has_errors = false;
    let mut results = Vec::with_capacity(batch.batch_requests.len());
    for part in batch.batch_requests {
        let (status, result) = if has_errors && batch.halt_on_error {
            let halted = "Batch processing halted per request";
            (412, part::error("PROCESSING_HALTED", halted))
        } else {
            one(call, part)
        };
        has_errors |= status >= 400;
        results.push(json!({ "statusCode": status, "result": result }));
    }
    let answer = json!({ "hasErrors": has_errors, "results": results });
    Ok(answer::json(200, &answer))
}

fn one(call: &Call, part: Part) -> (u16, Value) {
    let (path, query) = part.url.split_once('?').unwrap_or((&part.url, ""));
    let mut segments = crate::http::data::segments(path);
    let version = Version::parse(&segments.next().unwrap_or_default()).ok();
    let resource = Resource::parse(&segments.collect::<Vec<_>>());
    let (Some(version), Some(resource)) = (version, resource.filter(fits)) else {
        let missing = "The requested resource does not exist";
        return (404, part::error("NOT_FOUND", missing));
    };
    let body = part
        .rich_input
        .map_or_else(Bytes::new, |input| input.to_string().into());
    let done = part::run(&call.part(version, &part.method, query, body), &resource);
    (done.status, done.body)
}

/// Batches, composites and collections do not nest.
fn fits(resource: &Resource) -> bool {
    !matches!(
        resource,
        Resource::Batch
            | Resource::Composite
            | Resource::Graph
            | Resource::Tree(_)
            | Resource::Collections
    )
}
