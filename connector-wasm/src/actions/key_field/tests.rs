//! The field, its permission set and its assignment, each made once.

use serde_json::{Value, json};

use crate::actions::tests::invoked;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fake::Fake;

const INPUT: &str = r#"{"object":"Contact","field":"Lockgate_Key__c"}"#;
const SET: &str = "0PSdM00003kRs59WAC";
const USER: &str = "005dM00000aYaE3QAK";

/// The answer to a query with one record, or none.
fn found(id: Option<&str>) -> String {
    let records: Vec<Value> = id.map(|id| json!({ "Id": id })).into_iter().collect();
    json!({ "totalSize": records.len(), "done": true, "records": records }).to_string()
}

fn made(id: &str) -> String {
    json!({ "id": id, "success": true, "errors": [] }).to_string()
}

/// The list of resources, of which the end of one address matters.
fn resources() -> String {
    let identity = format!("https://login.salesforce.com/id/00DdM00000vfgTuUAI/{USER}");
    json!({ "identity": identity, "query": "/services/data/v62.0/query" }).to_string()
}

fn refusal(code: &str) -> String {
    json!([{ "message": "no", "errorCode": code }]).to_string()
}

#[test]
fn a_field_is_added_and_the_connected_user_is_let_see_it() {
    let fake = Fake::new()
        .answer(201, made("00NdM00003kRs59UAC"))
        .answer(200, found(None))
        .answer(201, made(SET))
        .answer(200, found(None))
        .answer(201, made("01kdM00003kRs59QAC"))
        .answer(200, resources())
        .answer(200, found(None))
        .answer(201, made("0PadM00003kRs59SAC"));
    let output = invoked(&fake, "add-key-field", INPUT).unwrap();
    assert_eq!(output["outcome"], "created");
    assert_eq!(output["permission_set"], "Lockgate_Keys");
    let field: Value = serde_json::from_str(&fake.body(0)).unwrap();
    assert_eq!(field["FullName"], "Contact.Lockgate_Key__c");
    assert_eq!(field["Metadata"]["label"], "Lockgate Key");
    for yes in ["externalId", "unique", "caseSensitive"] {
        assert_eq!(field["Metadata"][yes], true, "{yes}");
    }
    let permission: Value = serde_json::from_str(&fake.body(4)).unwrap();
    assert_eq!(permission["Field"], "Contact.Lockgate_Key__c");
    assert_eq!(permission["PermissionsEdit"], true);
    let assignment = fake.body(7);
    assert!(
        assignment.contains(SET) && assignment.contains(USER),
        "{assignment}"
    );
}

#[test]
fn what_is_there_already_stays_as_it_is() {
    let fake = Fake::new()
        .answer(400, refusal("DUPLICATE_DEVELOPER_NAME"))
        .answer(200, found(Some(SET)))
        .answer(200, found(Some("01kdM00003kRs59QAC")))
        .answer(200, resources())
        .answer(200, found(Some("0PadM00003kRs59SAC")));
    let output = invoked(&fake, "add-key-field", INPUT).unwrap();
    assert_eq!(output["outcome"], "unchanged");
    assert_eq!(fake.lines().len(), 5);
}

#[test]
fn who_may_not_add_fields_is_told_what_an_administrator_has_to_add() {
    let fake = Fake::new().answer(400, refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"));
    let error = invoked(&fake, "add-key-field", INPUT).unwrap_err();
    let Error::Refused(problem) = error else {
        panic!("{error:?}");
    };
    assert_eq!(problem.advice, Advice::AskPermission);
    assert!(
        problem.message.contains("Contact.Lockgate_Key__c"),
        "{problem:?}"
    );
}

#[test]
fn a_name_that_no_added_field_can_have_is_refused_before_anything_is_asked() {
    for (object, field) in [
        ("Contact", "Key"),
        ("Contact", "Account.Key__c"),
        ("Contact", "a b__c"),
        ("Con/tact", "Key__c"),
    ] {
        let input = json!({ "object": object, "field": field }).to_string();
        let fake = Fake::new();
        let error = invoked(&fake, "add-key-field", &input);
        assert!(matches!(error, Err(Error::Refused(_))), "{input}");
        assert!(fake.lines().is_empty());
    }
    let long = json!({ "object": "Contact", "field": "Key__c", "label": "x".repeat(41) });
    assert!(invoked(&Fake::new(), "add-key-field", &long.to_string()).is_err());
}
