//! `POST /composite/batch`: up to 25 requests in one, each with its own answer.
//! Only the batch counts, and its addresses stand in the body, so that they can
//! be longer than the edge would take.

use axum::body::to_bytes;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::resource::Resource;
use super::version::Version;
use crate::fault::Fault;
use crate::http::answer;

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
pub(super) async fn run(call: &Call) -> Answer {
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
            (412, error("PROCESSING_HALTED", halted))
        } else {
            one(call, part).await
        };
        has_errors |= status >= 400;
        results.push(json!({ "statusCode": status, "result": result }));
    }
    let answer = json!({ "hasErrors": has_errors, "results": results });
    Ok(answer::json(200, &answer))
}

async fn one(call: &Call, part: Part) -> (u16, Value) {
    let (path, query) = part.url.split_once('?').unwrap_or((&part.url, ""));
    let mut segments = super::segments(path);
    let Ok(version) = Version::parse(&segments.next().unwrap_or_default()) else {
        return (
            404,
            error("NOT_FOUND", "The requested resource does not exist"),
        );
    };
    let resource = Resource::parse(&segments.collect::<Vec<_>>());
    let body = part
        .rich_input
        .map_or_else(Bytes::new, |input| input.to_string().into());
    let part = call.part(version, &part.method, query, body);
    let response = match resource {
        // Batches and collections do not nest.
        None | Some(Resource::Batch | Resource::Collections) => answer::not_found(),
        Some(resource) => {
            super::work(&part, &resource).unwrap_or_else(|fault| super::call::refuse(&fault))
        }
    };
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await;
    let body = body.unwrap_or_default();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn error(code: &str, message: &str) -> Value {
    json!([{ "message": message, "errorCode": code }])
}
