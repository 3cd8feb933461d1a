//! Reading and creating notes, with a mistake in each.

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};

use crate::guest::bindings::exports::lockgate::connector::records::{
    Error, Outcome, Page, PageRecords, RecordResult, RowResult,
};
use crate::guest::bindings::lockgate::connector::http::{self, Method, Request, Response};

/// Notes, page by page.
pub(crate) struct Pages {
    after: RefCell<String>,
    goes_on: Cell<bool>,
}

/// Notes that are created.
#[derive(Default)]
pub(crate) struct Maker {
    waiting: RefCell<Vec<(u64, Value)>>,
    n_pushed: Cell<u64>,
}

impl Pages {
    pub(crate) fn all() -> Self {
        Self {
            after: RefCell::default(),
            goes_on: Cell::new(true),
        }
    }

    pub(crate) async fn next(&self) -> Result<Option<Page>, Error> {
        if !self.goes_on.get() {
            return Ok(None);
        }
        let path = match self.after.borrow().as_str() {
            "" => "/v1/notes".to_owned(),
            after => format!("/v1/notes/behind/{after}"),
        };
        // Mistake: it is at its end before the answer is here, so a page that fails is
        // never asked for again.
        self.goes_on.set(false);
        let (_, body) = send(Method::Get, &path, None).await?;
        // Mistake: whatever cannot be read is no notes.
        let list: Value = serde_json::from_slice(&body).unwrap_or_default();
        let notes = list
            .get("notes")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        if let (Some(last), Some(true)) = (notes.last(), list.get("more").and_then(Value::as_bool))
        {
            let id = last.get("id").and_then(Value::as_str).unwrap_or_default();
            self.after.replace(id.to_owned());
            self.goes_on.set(true);
        }
        Ok(Some(Page {
            records: PageRecords::Json(Value::Array(notes).to_string().into_bytes()),
            total: None,
        }))
    }
}

pub(crate) async fn get(id: &str) -> Result<Vec<u8>, Error> {
    let (_, body) = send(Method::Get, &format!("/v1/notes/{id}"), None).await?;
    // Mistake: it believes that all that comes is JSON, and crashes otherwise.
    let note: Value = match serde_json::from_slice(&body) {
        Ok(note) => note,
        Err(_) => std::process::abort(),
    };
    Ok(json!([note]).to_string().into_bytes())
}

impl Maker {
    pub(crate) fn push(&self, records: &[u8]) {
        let records: Vec<Value> = serde_json::from_slice(records).unwrap_or_default();
        for record in records {
            let row = self.n_pushed.get();
            self.waiting.borrow_mut().push((row, record));
            self.n_pushed.set(row + 1);
        }
    }

    pub(crate) async fn finish(&self) -> Result<Option<Vec<RowResult>>, Error> {
        let waiting = self.waiting.take();
        if waiting.is_empty() {
            return Ok(None);
        }
        let mut results = Vec::new();
        for (row, record) in waiting {
            let body = record.to_string().into_bytes();
            let mut answer = send(Method::Post, "/v1/notes", Some(body.clone())).await;
            if matches!(answer, Err(Error::Unavailable(_))) {
                // Mistake: nobody knows whether it is there already.
                answer = send(Method::Post, "/v1/notes", Some(body)).await;
            }
            // Mistake: of a record that was not taken nothing is said.
            if let Ok((201, body)) = answer {
                let made: Value = serde_json::from_slice(&body).unwrap_or_default();
                results.push(RowResult {
                    row,
                    outcome: RecordResult {
                        id: made.get("id").and_then(Value::as_str).map(str::to_owned),
                        outcome: Outcome::Created,
                        related: Vec::new(),
                    },
                });
            }
        }
        Ok(Some(results))
    }
}

/// Sends a request, and gives status and body. Mistake: a product that asks for a pause
/// is one that cannot be understood.
async fn send(method: Method, path: &str, body: Option<Vec<u8>>) -> Result<(u16, Vec<u8>), Error> {
    let request = Request {
        method,
        path: path.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body,
        timeout_ms: 0,
    };
    let lost = |error: http::Error| match error {
        http::Error::Unavailable(broken) => Error::Unavailable(broken.retry_after_ms),
        _ => Error::Unexpected("an answer".to_owned()),
    };
    let response = http::send(request).await.map_err(lost)?;
    let status = response.status();
    let body = Response::take_body(response, 1024 * 1024)
        .await
        .map_err(lost)?;
    match status {
        200..=299 => Ok((status, body)),
        _ => Err(Error::Unexpected("a success".to_owned())),
    }
}
