//! An Apex REST class that every dev org has: it answers with the request it
//! got. Tests use it to see which headers really left the host, so the answer
//! holds the `Authorization` header too. Nothing like it exists in a real org.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::http::data::admit;
use crate::http::{answer, body};
use crate::state::Shared;

/// Answers any method.
pub(crate) async fn echo(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, content) = request.into_parts();
    let caller = match admit::admit(&shared, &parts.headers) {
        Ok(caller) => caller,
        Err(refused) => return *refused,
    };
    let Ok(content) = body::read(&parts.headers, content, body::LIMIT).await else {
        return answer::error(400, "JSON_PARSER_ERROR", "The request body cannot be read");
    };
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        // A header that was sent twice is shown as one list, as HTTP reads it.
        headers
            .entry(name.as_str())
            .and_modify(|seen| {
                if let Value::String(seen) = seen {
                    *seen = format!("{seen}, {value}");
                }
            })
            .or_insert_with(|| Value::from(value.as_ref()));
    }
    let shown = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "query": parts.uri.query(),
        "headers": headers,
        "body": String::from_utf8_lossy(&content),
    });
    caller.sign(&shared, answer::json(200, &shown))
}
