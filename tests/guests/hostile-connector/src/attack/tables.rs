//! Attacks on tables: shapes that break the rules, more tables and rows than there
//! may be, bodies that are none or never end.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here ends the call, and fails the test that made it"
)]

use serde_json::{Value, json};

use super::http::request;
use crate::guest::bindings::exports::lockgate::connector::records::{Page, PageRecords};
use crate::guest::bindings::lockgate::connector::http::{self, Method, Response};
use crate::guest::bindings::lockgate::connector::tables::{
    Error, Member, Object, Part, Shape, Table, Value as Column,
};

/// The body of a path as a table; with a text for the server to send back.
async fn table(path: &str, text: Option<&str>) -> Table {
    let mut request = request(Method::Post, path);
    // Commands are of one line.
    request.body = text.map(|text| text.replace('|', "\n").into_bytes());
    match http::send(request).await {
        Ok(response) => Response::take_table(response),
        Err(error) => panic!("{error:?}"),
    }
}

/// The first column as a text.
fn shape() -> Shape {
    shaped(vec![("a", Column::Text(0))])
}

fn shaped(members: Vec<(&str, Column)>) -> Shape {
    let member = |(name, value): (&str, Column)| Member {
        name: name.to_owned(),
        value,
    };
    Shape {
        objects: vec![Object {
            present: None,
            members: members.into_iter().map(member).collect(),
        }],
    }
}

fn told(part: &Result<Part, Error>) -> Value {
    match part {
        Ok(part) => json!({ "count": part.count }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

fn page(part: Part) -> Page {
    Page {
        records: PageRecords::Rows(part.rows),
        total: None,
    }
}

/// Hands on the rows of a text that the server sends back.
pub(super) async fn hand_on(text: &str) -> Page {
    let table = table("/echo", Some(text)).await;
    page(table.next(shape(), 10_000).await.unwrap())
}

/// Hands on what comes of a body that is no table.
pub(super) async fn hand_on_body(path: &str) -> Page {
    let table = table(path, None).await;
    page(table.next(shape(), u32::MAX).await.unwrap())
}

/// Begins more tables than there may be, and holds more rows.
pub(super) async fn hold() -> Vec<Value> {
    let mut tables = Vec::new();
    for _ in 0..3 {
        tables.push(table("/echo", Some("a|1|2|3|")).await);
    }
    let mut held = Vec::new();
    let mut reports = Vec::new();
    for _ in 0..3 {
        let part = tables[0].next(shape(), 1).await;
        reports.push(told(&part));
        held.extend(part);
    }
    held.clear();
    for table in &tables {
        let part = table.next(shape(), 1).await;
        reports.push(told(&part));
    }
    // Now there is room for one more.
    tables.remove(0);
    reports.push(told(&tables[1].next(shape(), 1).await));
    reports
}

/// Gives a shape that breaks a rule.
pub(super) async fn misshape(kind: &str) -> Value {
    let wrong = match kind {
        "circle" => shaped(vec![("a", Column::Object(0))]),
        "column" => shaped(vec![("a", Column::Text(7))]),
        "uses" => shaped(vec![("a", Column::Text(0)); 5]),
        _ => Shape {
            objects: Vec::new(),
        },
    };
    let table = table("/echo", Some("a|1|")).await;
    told(&table.next(wrong, 1).await)
}
