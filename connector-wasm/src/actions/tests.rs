//! Each action, against real-shaped answers.

use serde_json::json;

use super::*;
use crate::fake::{Fake, run};

pub(super) fn invoked(fake: &Fake, action: &str, input: &str) -> Result<Value, Error> {
    run(invoke(&fake.api(), action, input.as_bytes()))
        .map(|output| serde_json::from_slice(&output).unwrap())
}

#[test]
fn every_action_is_listed_with_its_schemas() {
    let names: Vec<String> = list().into_iter().map(|action| action.name).collect();
    assert_eq!(
        names,
        [
            "limits",
            "record-counts",
            "updated",
            "deleted",
            "find",
            "search",
            "parameterized-search",
            "picklist-values",
            "get-by-key",
            "delete-by-key",
            "update-by-key",
            "update-if-unchanged",
            "related",
            "save-note",
            "notes-of",
            "save-graph",
            "save-tree",
            "composite",
            "composite-batch",
            "request",
            "activate-order",
            "set-price",
            "convert-leads",
            "publish-events",
            "add-key-field",
        ]
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

#[test]
fn a_statement_goes_out_as_it_came_and_words_are_escaped() {
    let answer = r#"{"searchRecords":[{"attributes":{"type":"Account"},"Id":"1"}]}"#;
    let fake = Fake::new().answer(200, answer).answer(200, answer);
    let sosl = "FIND {Acme} RETURNING Account(Id)";
    let output = invoked(&fake, "search", &json!({ "sosl": sosl }).to_string()).unwrap();
    assert_eq!(output["records"][0]["Id"], "1");
    let input = json!({
        "text": "O'Hara & {Sons} OR",
        "in": "name",
        "objects": [
            { "object": "Account", "fields": ["Id", "Name"], "limit": 5,
              "equals": { "Industry": "' OR Id != '", "NumberOfEmployees": 5, "Site": null } },
            { "object": "Contact" },
        ],
    });
    invoked(&fake, "parameterized-search", &input.to_string()).unwrap();
    assert_eq!(
        fake.lines(),
        [
            "GET /services/data/v62.0/search?q=FIND {Acme} RETURNING Account(Id)",
            "POST /services/data/v62.0/parameterizedSearch",
        ]
    );
    let body: Value = serde_json::from_str(&fake.body(1)).unwrap();
    assert_eq!(
        body,
        json!({
            "q": r#"O\'Hara \& \{Sons\} "OR""#,
            "in": "NAME",
            "overallLimit": 2000,
            "sobjects": [
                { "name": "Account", "fields": ["Id", "Name"], "limit": 5,
                  "where": r"Industry = '\' OR Id != \'' AND NumberOfEmployees = 5 AND Site = null" },
                { "name": "Contact" },
            ],
        })
    );
}

#[test]
fn a_search_that_cannot_be_is_refused_before_it_is_sent() {
    let long = json!({ "sosl": "{".repeat(5_000) }).to_string();
    let many: Vec<Value> = (0..21).map(|_| json!({ "object": "Account" })).collect();
    let many = json!({ "text": "a", "objects": many }).to_string();
    for (action, input) in [
        ("search", long.as_str()),
        ("parameterized-search", &many),
        (
            "parameterized-search",
            r#"{"text":" ","objects":[{"object":"Account"}]}"#,
        ),
        ("parameterized-search", r#"{"text":"a","objects":[]}"#),
        (
            "parameterized-search",
            r#"{"text":"a","objects":[{"object":"A b"}]}"#,
        ),
        (
            "parameterized-search",
            r#"{"text":"a","objects":[{"object":"A","fields":["Id FROM"]}]}"#,
        ),
        (
            "parameterized-search",
            r#"{"text":"a","objects":[{"object":"A","equals":{"x y":1}}]}"#,
        ),
        (
            "parameterized-search",
            r#"{"text":"a","objects":[{"object":"A","equals":{"x":[1]}}]}"#,
        ),
    ] {
        let error = invoked(&Fake::new(), action, input).unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{input}: {error:?}");
    }
}

#[test]
fn values_of_dependent_picklists_say_what_they_go_with() {
    let state = r#"{"controllerValues":{"US":0,"AU":1},"defaultValue":null,"eTag":"x","url":"/y","values":[
        {"attributes":null,"label":"Western Australia","validFor":[1],"value":"WA"},
        {"attributes":null,"label":"Both","validFor":[0,1],"value":"B"}]}"#;
    let all = r#"{"eTag":"1","picklistFieldValues":{"Rating":{"controllerValues":{},
        "defaultValue":{"attributes":null,"label":"Hot!","validFor":[],"value":"Hot"},
        "values":[{"attributes":null,"label":"Hot!","validFor":[],"value":"Hot"}]}}}"#;
    let fake = Fake::new().answer(200, all).answer(200, state);
    let output = invoked(&fake, "picklist-values", r#"{"object":"Account"}"#).unwrap();
    assert_eq!(
        output["fields"],
        json!([{ "field": "Rating", "default": "Hot", "values": [{ "value": "Hot", "label": "Hot!" }] }])
    );
    let output = invoked(
        &fake,
        "picklist-values",
        r#"{"object":"Account","record_type":"0125J000000TNtz","field":"BillingStateCode"}"#,
    )
    .unwrap();
    assert_eq!(
        output["fields"][0]["values"],
        json!([
            { "value": "WA", "label": "Western Australia", "valid_for": ["AU"] },
            { "value": "B", "label": "Both", "valid_for": ["AU", "US"] },
        ])
    );
    let lines = fake.lines();
    assert_eq!(
        lines[0],
        "GET /services/data/v62.0/ui-api/object-info/Account/picklist-values/012000000000000AAA"
    );
    assert!(lines[1].ends_with("/BillingStateCode"), "{lines:?}");
}

#[test]
fn a_record_type_that_is_not_there_is_told_as_a_matter_of_schema() {
    let fake = Fake::new().answer(404, r#"[{"errorCode":"NOT_FOUND","message":"no"}]"#);
    let error = invoked(&fake, "picklist-values", r#"{"object":"Account"}"#).unwrap_err();
    let Error::Refused(problem) = error else {
        panic!("{error:?}")
    };
    assert_eq!(problem.advice, Advice::FixSchema);
    assert!(problem.message.contains("record type"), "{problem:?}");
}

#[test]
fn a_window_that_is_refused_says_what_windows_can_be() {
    let input =
        r#"{"object":"Contact","start":"2026-05-01T07:25:37Z","end":"2026-05-01T07:25:38Z"}"#;
    for (code, hint) in [
        ("INVALID_REPLICATION_DATE", "30 days"),
        ("EXCEEDED_ID_LIMIT", "shorter windows"),
    ] {
        let body = json!([{ "errorCode": code, "message": "no" }]).to_string();
        let error = invoked(&Fake::new().answer(400, body), "updated", input).unwrap_err();
        let Error::Refused(problem) = error else {
            panic!("{error:?}")
        };
        assert!(problem.message.contains(hint), "{problem:?}");
        assert_eq!(problem.advice, Advice::FixRecord);
    }
}

#[test]
fn an_order_is_activated_by_its_status_alone() {
    let input = r#"{"order":"801dM00003kRs59"}"#;
    let fake = Fake::new().answer(204, "");
    let output = invoked(&fake, "activate-order", input).unwrap();
    assert_eq!(output["status"], "Activated");
    let line = format!(
        "PATCH /services/data/v62.0/sobjects/Order/{}",
        output["order"].as_str().unwrap()
    );
    assert_eq!(fake.lines(), [line]);
    assert_eq!(fake.body(0), r#"{"Status":"Activated"}"#);

    let body = r#"[{"errorCode":"FAILED_ACTIVATION","message":"no products"}]"#;
    let error = invoked(&Fake::new().answer(400, body), "activate-order", input).unwrap_err();
    assert!(
        matches!(&error, Error::Refused(problem) if problem.advice == Advice::FixRecord),
        "{error:?}"
    );
    let fake = Fake::new().lose(crate::fake::broken(true));
    assert_eq!(
        invoked(&fake, "activate-order", input),
        Err(Error::UnknownOutcome)
    );
}

const STANDARD: &str = "01sdM00003kRs59QAC";
const CUSTOM: &str = "01sdM00001wBXYDQA4";

fn price(price_book: &str) -> String {
    json!({ "product": "01tdM00003kRs59", "price_book": price_book, "unit_price": 12.50, "currency": "EUR" }).to_string()
}

fn with_books(entries: &Value) -> Fake {
    let books = json!({ "totalSize": 1, "done": true, "records": [{ "Id": STANDARD }] });
    let entries = json!({ "totalSize": 1, "done": true, "records": entries });
    Fake::new()
        .answer(200, books.to_string())
        .answer(200, entries.to_string())
}

#[test]
fn a_standard_price_comes_before_another_one() {
    let made = r#"{"id":"01udM00003kRs59QAC","success":true,"errors":[]}"#;
    let fake = with_books(&json!([])).answer(201, made).answer(201, made);
    let output = invoked(&fake, "set-price", &price(CUSTOM)).unwrap();
    assert_eq!(output["price"]["outcome"], "created");
    assert_eq!(output["standard"]["outcome"], "created");
    let lines = fake.lines();
    assert!(
        lines[1].ends_with("WHERE Product2Id = '01tdM00003kRs59QAC' AND CurrencyIsoCode = 'EUR'"),
        "{lines:?}"
    );
    assert!(fake.body(2).contains(STANDARD), "{}", fake.body(2));
    assert!(fake.body(3).contains(CUSTOM), "{}", fake.body(3));
    assert!(fake.body(3).contains(r#""CurrencyIsoCode":"EUR""#));
}

#[test]
fn a_price_that_is_there_is_changed_or_left() {
    let entry = |amount: f64, is_active: bool| json!([{ "Id": "01udM00003kRs59QAC", "Pricebook2Id": STANDARD, "UnitPrice": amount, "IsActive": is_active }]);
    let fake = with_books(&entry(12.5, true));
    let output = invoked(&fake, "set-price", &price(STANDARD)).unwrap();
    assert_eq!(output["price"]["outcome"], "unchanged");
    assert_eq!(output["price"], output["standard"]);
    for known in [entry(11.0, true), entry(12.5, false)] {
        let fake = with_books(&known).answer(204, "");
        let output = invoked(&fake, "set-price", &price(STANDARD)).unwrap();
        assert_eq!(output["price"]["outcome"], "updated");
        assert!(
            fake.body(2).contains(r#""UnitPrice":12.5"#),
            "{}",
            fake.body(2)
        );
    }
    for (member, bad) in [
        ("unit_price", json!("5")),
        ("unit_price", json!(-1)),
        ("standard_price", json!([1])),
        ("currency", json!("eu' OR")),
        ("product", json!("x")),
    ] {
        let mut input: Value = serde_json::from_str(&price(STANDARD)).unwrap();
        input[member] = bad;
        let result = invoked(&Fake::new(), "set-price", &input.to_string());
        assert!(
            matches!(result, Err(Error::Refused(_))),
            "{input}: {result:?}"
        );
    }
}

#[test]
fn leads_are_converted_by_the_class_that_the_settings_name() {
    let input = json!({ "leads": [
        { "lead": "00QdM00003kRs59", "status": "Closed - Converted", "no_opportunity": true },
        { "lead": "00QdM00001wBXYD", "status": "\"Open\"", "account": "001dM00003kRs59" },
    ] })
    .to_string();
    let invoked = |fake: &Fake, input: &str| {
        let api = fake.api_with(r#"{"lead_conversion":"acme/LeadConversion"}"#);
        run(invoke(&api, "convert-leads", input.as_bytes()))
            .map(|output| serde_json::from_slice::<Value>(&output).unwrap())
    };
    let fake = Fake::new().answer(
        200,
        json!([
            { "leadId": "00QdM00001wBXYDUA4", "success": false,
              "errors": [{ "statusCode": "CANNOT_UPDATE_CONVERTED_LEAD", "message": "no", "fields": [] }] },
            { "leadId": "00QdM00003kRs59", "success": true, "accountId": "001dM00003kRs59QAC",
              "contactId": "003dM00001wBXYDQA4", "opportunityId": null, "errors": null },
        ])
        .to_string(),
    );
    let output = invoked(&fake, &input).unwrap();
    assert_eq!(output["converted"], 1);
    assert_eq!(output["leads"][0]["contact"], "003dM00001wBXYDQA4");
    assert_eq!(
        output["leads"][1]["problems"][0]["code"],
        "CANNOT_UPDATE_CONVERTED_LEAD"
    );
    assert_eq!(
        fake.lines(),
        ["POST /services/apexrest/acme/LeadConversion"]
    );
    let body: Value = serde_json::from_str(&fake.body(0)).unwrap();
    assert_eq!(body["leadConverts"][0]["doNotCreateOpportunity"], true);
    assert_eq!(body["leadConverts"][1]["accountId"], "001dM00003kRs59QAC");
    assert_eq!(body["leadConverts"][1]["convertedStatus"], "\"Open\"");

    // What cannot be read may have happened.
    for lost in ["[]", "{}", "null"] {
        let fake = Fake::new().answer(200, lost);
        assert_eq!(invoked(&fake, &input), Err(Error::UnknownOutcome), "{lost}");
    }
    for (status, code, advice) in [
        (404, "NOT_FOUND", Advice::FixSchema),
        (500, "APEX_ERROR", Advice::FixRecord),
    ] {
        let body = json!([{ "errorCode": code, "message": "no" }]).to_string();
        let error = invoked(&Fake::new().answer(status, body), &input).unwrap_err();
        assert!(
            matches!(&error, Error::Refused(problem) if problem.advice == advice),
            "{error:?}"
        );
    }
    for bad in [
        r#"{"leads":[{"lead":"x","status":"s"}]}"#,
        r#"{"leads":[{"lead":"00QdM00003kRs59","status":"s"},{"lead":"00QdM00003kRs59UAC","status":"s"}]}"#,
    ] {
        assert!(
            matches!(invoked(&Fake::new(), bad), Err(Error::Refused(_))),
            "{bad}"
        );
    }
}
