//! Attacks on records that the host holds: batches that are kept, bodies that are too
//! large or of records that are not there, answers that are handed on wrongly. What is
//! found out comes back as the reason of a failure.
#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here ends the call, and fails the test that made it"
)]

use std::cell::RefCell;

use serde_json::{Value, json};

use super::http::{refusal, request};
use crate::guest::bindings::exports::lockgate::connector::records::{
    Batch, Done, Error, Results, WrittenRows,
};
use crate::guest::bindings::lockgate::connector::http::{self, Method, Response};
use crate::guest::bindings::lockgate::connector::outgoing::{Form, Frame, Told};

const MAX_BODY: u64 = 1024 * 1024;

/// Does a command with a batch.
pub(crate) async fn push(
    command: &str,
    batch: Batch,
    kept: &RefCell<Vec<Batch>>,
) -> Result<Results, Error> {
    let report = match command {
        "show" => show(&batch),
        "keep" => {
            let earlier = kept.borrow().first().map(Batch::count);
            kept.borrow_mut().push(batch);
            json!({ "earlier": earlier })
        }
        "echo" => json!([
            echo(&batch, &[1, 0, 1]).await,
            echo(&batch, &[]).await,
            echo(&batch, &[7]).await,
            echo(&batch, &vec![2; 1_000_000]).await,
            with_body(&batch).await,
        ]),
        sheets if sheets.starts_with("sheet-") => {
            let command = sheets.trim_start_matches("sheet-");
            super::sheets::attack(command, &batch).await
        }
        "results" => told(&told_of(&batch, form(1)).await.unwrap()),
        "large-form" => told(&told_of(&batch, form(9)).await.unwrap()),
        "hold" => {
            let mut held = Vec::new();
            while let Ok(told) = told_of(&batch, form(1)).await {
                held.push(told);
            }
            let count = held.len();
            held.pop();
            json!({ "held": count, "again": told_of(&batch, form(1)).await.is_ok() })
        }
        rows => {
            let rows = rows.split(',').filter_map(|row| row.parse().ok()).collect();
            let told = told_of(&batch, form(1)).await.unwrap().unwrap();
            return Ok(Results {
                rows: Vec::new(),
                written: vec![WrittenRows {
                    written: told.written,
                    done: Done::Created,
                    rows,
                }],
            });
        }
    };
    Err(Error::Unexpected(report.to_string()))
}

fn show(batch: &Batch) -> Value {
    let outline = batch.outline();
    let names: Option<Vec<String>> =
        outline.map(|members| members.into_iter().map(|member| member.name).collect());
    json!({
        "count": batch.count(),
        "json": String::from_utf8(batch.json()).unwrap(),
        "names": names,
        "column": batch.column(0),
        "nothing": batch.column(u32::MAX),
    })
}

fn frame() -> Frame {
    Frame {
        before: "[".to_owned(),
        first: String::new(),
        after: "]".to_owned(),
    }
}

/// What comes back of a body of these records.
async fn echo(batch: &Batch, records: &[u32]) -> Value {
    let request = request(Method::Post, "/echo");
    match http::send_batch(request, batch, records.to_vec(), frame()).await {
        Ok(response) => {
            let body = Response::take_body(response, MAX_BODY).await.unwrap();
            json!(String::from_utf8(body).unwrap())
        }
        Err(error) => refusal(&error),
    }
}

/// A request that has a body already.
async fn with_body(batch: &Batch) -> Value {
    let mut request = request(Method::Post, "/echo");
    request.body = Some(Vec::new());
    match http::send_batch(request, batch, vec![0], frame()).await {
        Ok(response) => json!(response.status()),
        Err(error) => refusal(&error),
    }
}

/// Objects with an id and `"ok":true` are written; with more members than are needed
/// to say so.
fn form(members: usize) -> Form {
    Form {
        id: "id".to_owned(),
        written: vec![("ok".to_owned(), "true".to_owned()); members],
    }
}

/// What an answer with all records of a batch tells.
async fn told_of(batch: &Batch, form: Form) -> Result<Option<Told>, http::Error> {
    let mut request = request(Method::Post, "/echo");
    request.body = Some(batch.json());
    let response = http::send(request).await?;
    Response::take_results(response, form, MAX_BODY).await
}

fn told(told: &Option<Told>) -> Value {
    let other = |told: &Told| {
        let others = told.others.iter();
        others
            .map(|other| json!([other.at, other.object]))
            .collect::<Vec<_>>()
    };
    json!(
        told.as_ref()
            .map(|told| json!({ "count": told.count, "others": other(told) }))
    )
}
