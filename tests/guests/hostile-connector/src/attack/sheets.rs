//! Attacks on files that the host makes of records: more of them than may be held, lines
//! that are wanted of what is gone, rules that are broken. What is found out comes back
//! as the reason of a failure.
#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here ends the call, and fails the test that made it"
)]

use serde_json::{Value, json};

use super::http::{refusal, request};
use crate::guest::bindings::lockgate::connector::http::{self, Method, Response};
use crate::guest::bindings::lockgate::connector::outgoing::{Batch, Sheet};
use crate::guest::bindings::lockgate::connector::tables::Telling;

/// Does a command with a batch.
pub(super) async fn attack(command: &str, batch: &Batch) -> Value {
    match command {
        "echo" => echo(batch).await,
        "hold" => hold(),
        "written" => written(batch).await,
        "null" => json!(Sheet::open("a,b").is_some()),
        "column" => find(&sheet(batch), 9, Vec::new(), 1).await,
        "cells" => find(&sheet(batch), 0, vec![0; 5], 1).await,
        "none" => find(&sheet(&Batch::new(b"[]")), 0, Vec::new(), 1).await,
        "no-array" => json!(Batch::new(b"{}").count()),
        "batches" => {
            let held: Vec<Batch> = (0..3).map(|_| Batch::new(b"[]")).collect();
            json!(held.len())
        }
        command => json!({ "unknown": command }),
    }
}

/// A sheet with all records of a batch.
fn sheet(batch: &Batch) -> Sheet {
    let sheet = Sheet::open("NULL").unwrap();
    let names = batch.outline().unwrap_or_default();
    let names: Vec<String> = names.into_iter().map(|member| member.name).collect();
    sheet.widen(&names);
    sheet.add(batch, 0);
    sheet
}

/// Sends a file to where it comes back, and looks for its own lines in it.
async fn echo(batch: &Batch) -> Value {
    let sheet = sheet(batch);
    let found = find(&sheet, 0, vec![1], 10_000).await;
    let again = find(&sheet, 0, vec![1], 10_000).await;
    sheet.lose_all();
    let lost = find(&sheet, 0, Vec::new(), 1).await;
    let late = json!([sheet.add(batch, 0), sheet.widen(&["late".to_owned()])]);
    sheet.let_file_go();
    let gone = find(&sheet, 0, Vec::new(), 1).await;
    json!({ "found": found, "again": again, "lost": lost, "late": late, "gone": gone })
}

async fn find(sheet: &Sheet, id: u32, cells: Vec<u32>, most: u32) -> Value {
    let sent = http::send_sheet(request(Method::Post, "/echo"), sheet).await;
    let table = match sent {
        Ok(response) => Response::take_table(response),
        Err(error) => return refusal(&error),
    };
    let telling = Telling {
        id,
        cells,
        records: true,
    };
    let found = table.find(sheet, telling, most).await.unwrap();
    json!(found.map(|found| json!({
        "lines": found.lines,
        "cells": found.cells,
        "records": found.records,
        "is_last": found.is_last,
    })))
}

/// Holds what rows tell of one line each until it may hold no more, then lets go of it
/// and looks on.
async fn written(batch: &Batch) -> Value {
    let sheet = sheet(batch);
    let sent = http::send_sheet(request(Method::Post, "/echo"), &sheet).await;
    let table = Response::take_table(sent.unwrap());
    let telling = Telling {
        id: 0,
        cells: Vec::new(),
        records: false,
    };
    let mut held = Vec::new();
    while let Ok(found) = table.find(&sheet, telling.clone(), 1).await {
        held.push(found.unwrap());
    }
    let n_held = held.len();
    held.clear();
    let next = table.find(&sheet, telling, 1).await.unwrap().unwrap();
    json!({ "held": n_held, "next": next.lines })
}

/// How many sheets there may be with their file, and how many in all.
fn hold() -> Value {
    let mut held = Vec::new();
    let mut counts = Vec::new();
    for lets_go in [false, true] {
        held.iter().for_each(Sheet::let_file_go);
        while let Some(sheet) = Sheet::open("") {
            if lets_go {
                sheet.let_file_go();
            }
            held.push(sheet);
        }
        counts.push(held.len());
    }
    json!(counts)
}
