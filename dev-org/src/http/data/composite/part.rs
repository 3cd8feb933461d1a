//! One request inside another: done like any other, then taken apart again,
//! since its answer becomes a piece of JSON.

use axum::body::to_bytes;
use futures_util::FutureExt as _;
use hyper::header;
use serde_json::{Map, Value, json};

use crate::http::body::FILE;
use crate::http::data::call::{self, Call};
use crate::http::data::resource::Resource;

/// Headers that a part's answer keeps, as they are written there.
const KEPT: [(&str, &str); 3] = [
    ("location", "Location"),
    ("etag", "ETag"),
    ("last-modified", "Last-Modified"),
];

/// What a part answered.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) status: u16,
    pub(super) headers: Map<String, Value>,
    /// Null for an answer without a body.
    pub(super) body: Value,
}

impl Done {
    pub(super) fn refused(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            headers: Map::new(),
            body: error(code, message),
        }
    }

    /// Only what is done or unchanged is good: a key that names several
    /// records is not.
    pub(super) fn is_good(&self) -> bool {
        self.status < 300 || self.status == 304
    }
}

/// Does a part.
pub(super) fn run(part: &Call, resource: &Resource) -> Done {
    let response =
        crate::http::data::work(part, resource).unwrap_or_else(|fault| call::refuse(&fault));
    let (head, body) = response.into_parts();
    if head.headers.get(header::CONTENT_TYPE) == Some(&FILE) {
        let message = "Binary content cannot be part of a composite request";
        return Done::refused(400, "INVALID_REQUEST", message);
    }
    // The answers of parts are whole already: there is nothing to wait for.
    let body = to_bytes(body, usize::MAX)
        .now_or_never()
        .and_then(Result::ok)
        .unwrap_or_default();
    let headers = KEPT
        .into_iter()
        .filter_map(|(name, shown)| {
            let value = head.headers.get(name)?.to_str().ok()?;
            Some((shown.to_owned(), json!(value)))
        })
        .collect();
    Done {
        status: head.status.as_u16(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

/// The body of an error.
pub(super) fn error(code: &str, message: &str) -> Value {
    json!([{ "errorCode": code, "message": message }])
}
