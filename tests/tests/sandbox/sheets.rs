//! Files that the host makes of records and holds for a guest: what is found in them, and
//! what comes of guests that want more than there is, or break a rule.

use lockgate::Error;
use lockgate_tests::loopback::Loopback;
use serde_json::json;

use crate::attack::{connector, one};
use crate::batches::{found, push};

const RECORDS: &str = r#"[{"a":"x,\"1\"","b":1.50},{"b":null},{"a":"x,\"1\"","b":1.50}]"#;

#[tokio::test]
async fn a_file_goes_up_as_its_records_and_its_lines_are_found_in_what_comes_back() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let report = found(&crm, "sheet-echo", RECORDS).await;
    let records = [r#"{"a":"x,\"1\"","b":1.50}"#, r#"{"b":null}"#];
    assert_eq!(
        report["found"],
        json!({
            "lines": [0, 1, 2],
            "cells": ["1.50", "NULL", "1.50"],
            "records": [records[0], records[1], records[0]],
            "is_last": true,
        })
    );
    assert_eq!(report["again"]["lines"], json!([]));
    assert_eq!(
        (&report["lost"]["lines"], &report["lost"]["is_last"]),
        (&json!([0]), &json!(false))
    );
    // What went up is as it is.
    assert_eq!(report["late"], json!([null, false]));
    let refused = json!({ "error": "Error::Invalid(InvalidPart::Body)" });
    assert_eq!(report["gone"], refused);
}

#[tokio::test]
async fn a_guest_holds_two_files_and_the_lines_of_sixteen() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    assert_eq!(found(&crm, "sheet-hold", "[]").await, json!([2, 16]));
}

#[tokio::test]
async fn a_line_is_not_lost_to_a_guest_that_has_no_place_for_what_is_told_of_it() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    let records: Vec<_> = (0..70).map(|n| json!({ "a": n.to_string() })).collect();
    let records = serde_json::Value::from(records).to_string();
    let report = found(&crm, "sheet-written", &records).await;
    assert_eq!(report, json!({ "held": 64, "next": [64] }));
}

#[tokio::test]
async fn who_breaks_a_rule_of_sheets_and_batches_is_stopped() {
    let server = Loopback::start().await;
    let (_host, crm) = server.attacked_by(&connector("")).await;
    for (command, rule) in [
        ("sheet-null", "32 bytes of ASCII without commas"),
        ("sheet-column", "columns that are there"),
        ("sheet-cells", "at most 4 of them"),
        ("sheet-no-array", "a JSON array in UTF-8"),
        ("sheet-batches", "one of 2 at most"),
    ] {
        let error = push(&crm, command, RECORDS).await.unwrap_err();
        assert!(matches!(error, Error::Crashed { .. }), "{error:?}");
        assert!(error.to_string().contains(rule), "{error}");
    }
    assert_eq!(found(&crm, "sheet-none", RECORDS).await, json!(null));
    assert_eq!(one(&crm, "send get /ok").await["status"], 200);
}
