//! The REST API below `/services/data`.

pub(crate) mod admit;
mod limits;
mod version;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Map, Value};

use self::version::Version;
use crate::http::answer;
use crate::state::Shared;

/// The list of versions. Open to everyone, free, and without a limit header.
pub(crate) async fn versions() -> Response {
    answer::json(200, &version::list())
}

/// Everything below a version.
pub(crate) async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let mut segments = path
        .split('/')
        .skip(3)
        .filter(|segment| !segment.is_empty());
    let version = match Version::parse(segments.next().unwrap_or_default()) {
        Ok(version) => version,
        Err(refused) => return *refused,
    };
    let caller = match admit::admit(&shared, request.headers()) {
        Ok(caller) => caller,
        Err(refused) => return *refused,
    };
    let segments: Vec<&str> = segments.collect();
    let response = match segments.as_slice() {
        [] => answer::json(200, &resources(version)),
        ["limits"] => limits::limits(&shared),
        _ => answer::not_found(),
    };
    caller.sign(&shared, response)
}

/// What there is below a version.
fn resources(version: Version) -> Value {
    let entries = ["sobjects", "query", "queryAll", "limits", "composite"];
    let entries: Map<String, Value> = entries
        .iter()
        .map(|name| {
            let path = format!("{}/{name}", version.path());
            ((*name).to_owned(), Value::from(path))
        })
        .collect();
    Value::Object(entries)
}
