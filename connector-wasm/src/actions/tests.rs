//! Each action, against real-shaped answers.

use super::*;
use crate::fake::{Fake, run};

fn invoked(fake: &Fake, action: &str, input: &str) -> Result<Value, Error> {
    run(invoke(&fake.api(), action, input.as_bytes()))
        .map(|output| serde_json::from_slice(&output).unwrap())
}

#[test]
fn every_action_is_listed_with_its_schemas() {
    let names: Vec<String> = list().into_iter().map(|action| action.name).collect();
    assert_eq!(
        names,
        ["limits", "record-counts", "updated", "deleted", "find"]
    );
    for action in list() {
        let schema: Value = serde_json::from_str(&action.input_schema).unwrap();
        assert_eq!(schema["type"], "object", "{}", action.name);
        // What a schema does not name is refused.
        let input = r#"{"no such member":1}"#;
        assert!(
            invoked(&Fake::new(), &action.name, input).is_err(),
            "{}",
            action.name
        );
    }
    assert!(invoked(&Fake::new(), "nope", "{}").is_err());
}

#[test]
fn limits_within_limits_are_told_as_well() {
    let fake = Fake::new().answer(
        200,
        r#"{"DailyApiRequests":{"Max":15000,"Remaining":14978},
            "PermissionSets":{"Max":1500,"Remaining":1499,"CreateCustom":{"Max":1000,"Remaining":999}}}"#,
    );
    let output = invoked(&fake, "limits", "").unwrap();
    assert_eq!(
        output["limits"],
        json!([
            { "name": "DailyApiRequests", "max": 15000, "remaining": 14978 },
            { "name": "PermissionSets", "max": 1500, "remaining": 1499 },
            { "name": "PermissionSets.CreateCustom", "max": 1000, "remaining": 999 },
        ])
    );
}

#[test]
fn an_object_without_records_counts_nought() {
    let fake = Fake::new().answer(200, r#"{"sObjects":[{"count":1,"name":"Account"}]}"#);
    let output = invoked(
        &fake,
        "record-counts",
        r#"{"objects":["Account","Contact"]}"#,
    )
    .unwrap();
    assert_eq!(
        output["counts"],
        json!([{ "object": "Account", "count": 1 }, { "object": "Contact", "count": 0 }])
    );
    assert_eq!(
        fake.lines(),
        ["GET /services/data/v62.0/limits/recordCount?sObjects=Account,Contact"]
    );
}

#[test]
fn windows_of_changes_can_follow_each_other() {
    let input = r#"{"object":"Contact","start":"2026-05-01T07:25:37.000+0000","end":"2026-05-02T00:00:00Z"}"#;
    let fake = Fake::new().answer(
        200,
        r#"{"ids":["003dM00001wBXYDQA4"],"latestDateCovered":"2026-05-02T00:00:00.000+0000"}"#,
    );
    let output = invoked(&fake, "updated", input).unwrap();
    assert_eq!(
        output,
        json!({ "ids": ["003dM00001wBXYDQA4"], "latest_covered": "2026-05-02T00:00:00.000+0000" })
    );
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data/v62.0/sobjects/Contact/updated/?start=2026-05-01T07:25:37.000+00:00&end=2026-05-02T00:00:00Z"
        ]
    );
    let fake = Fake::new().answer(
        200,
        r#"{"deletedRecords":[{"id":"a00D0000008pQRAIA2","deletedDate":"2013-05-07T22:07:19.000+0000"}],
            "earliestDateAvailable":"2013-05-03T15:57:00.000+0000","latestDateCovered":"2013-05-08T21:20:00.000+0000"}"#,
    );
    let output = invoked(&fake, "deleted", input).unwrap();
    assert_eq!(output["records"][0]["id"], "a00D0000008pQRAIA2");
    assert_eq!(output["earliest_available"], "2013-05-03T15:57:00.000+0000");
    let bad = r#"{"object":"Contact","start":"yesterday","end":"2026-05-02T00:00:00Z"}"#;
    assert!(invoked(&Fake::new(), "updated", bad).is_err());
}

#[test]
fn what_is_looked_for_cannot_change_the_query() {
    let answer = r#"{"totalSize":1,"done":true,"records":[{"Id":"1","Name":"x"}]}"#;
    let fake = Fake::new().answer(200, answer).answer(200, answer);
    let output = invoked(
        &fake,
        "find",
        r#"{"object":"Account","fields":["id","Name"],"field":"Ext__c","equals":"' OR Id != '"}"#,
    )
    .unwrap();
    assert_eq!(output["records"][0]["Name"], "x");
    invoked(
        &fake,
        "find",
        r#"{"object":"Account","fields":[],"field":"Name","starts_with":"50%","limit":5}"#,
    )
    .unwrap();
    assert_eq!(
        fake.lines(),
        [
            r"GET /services/data/v62.0/query?q=SELECT Id,Name FROM Account WHERE Ext__c = '\' OR Id != \'' LIMIT 200",
            r"GET /services/data/v62.0/query?q=SELECT Id FROM Account WHERE Name LIKE '50\%%' LIMIT 5",
        ]
    );
    for bad in [
        r#"{"object":"Account","fields":[],"field":"Name"}"#,
        r#"{"object":"Account","fields":["Id FROM User"],"field":"Name","equals":"x"}"#,
        r#"{"object":"Account a","fields":[],"field":"Name","equals":"x"}"#,
    ] {
        assert!(invoked(&Fake::new(), "find", bad).is_err(), "{bad}");
    }
}
