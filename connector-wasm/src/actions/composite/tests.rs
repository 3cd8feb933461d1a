//! What composites and batches send, and how the culprit is told apart.

use serde_json::{Value, json};

use crate::actions::tests::invoked;
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fake::{Fake, broken};

const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

fn outcomes(output: &Value) -> Vec<&str> {
    let results = output["results"].as_array().unwrap().iter();
    results
        .map(|result| result["outcome"].as_str().unwrap())
        .collect()
}

fn part(name: &str, status: u16, body: &Value) -> Value {
    json!({ "body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": name })
}

fn error(code: &str, message: &str) -> Value {
    json!([{ "errorCode": code, "message": message }])
}

#[test]
fn addresses_get_the_version_that_is_spoken_and_bodies_stay_as_they_are() {
    let answer = json!({ "compositeResponse": [
        part("r1", 200, &json!({ "records": [] })),
        part("acme", 201, &json!({ "id": "001dM00003kRs59QAC", "success": true, "errors": [] })),
    ] });
    let fake = Fake::new().answer(200, answer.to_string());
    let input = r#"{"all_or_none":true,"requests":[
        {"ref":"acme","method":"POST","url":"/sobjects/Account","body":{"Z":1.10,"A":"x"},"headers":{"Sforce-Auto-Assign":"FALSE"}},
        {"method":"GET","url":"/services/data/v60.0/query?q=SELECT+Id"}]}"#;
    let output = invoked(&fake, "composite", input).unwrap();
    assert_eq!(
        fake.body(0),
        r#"{"allOrNone":true,"compositeRequest":[{"method":"POST","url":"/services/data/v62.0/sobjects/Account","referenceId":"acme","body":{"Z":1.10,"A":"x"},"httpHeaders":{"Sforce-Auto-Assign":"FALSE"}},{"method":"GET","url":"/services/data/v60.0/query?q=SELECT+Id","referenceId":"r1"}]}"#
    );
    assert_eq!(output["done"], 2);
    // In the order of the input, whatever that of the answer.
    assert_eq!(output["results"][0]["ref"], "acme");
    assert_eq!(output["results"][0]["body"]["id"], "001dM00003kRs59QAC");
    assert_eq!(output["results"][1]["status"], 200);

    let answer = json!({ "hasErrors": false, "results": [{ "statusCode": 200, "result": {} }] });
    let fake = Fake::new().answer(200, answer.to_string());
    let input = r#"{"requests":[{"method":"GET","url":"/limits"}]}"#;
    let output = invoked(&fake, "composite-batch", input).unwrap();
    assert_eq!(fake.lines(), ["POST /services/data/v62.0/composite/batch"]);
    assert_eq!(
        fake.body(0),
        r#"{"haltOnError":false,"batchRequests":[{"method":"GET","url":"v62.0/limits"}]}"#
    );
    assert_eq!(outcomes(&output), ["done"]);
}

#[test]
fn the_culprit_is_told_apart_from_what_was_undone_with_it() {
    let input = json!({ "all_or_none": true, "requests": [
        { "ref": "a", "method": "POST", "url": "/sobjects/Account", "body": {} },
        { "ref": "b", "method": "POST", "url": "/sobjects/Contact", "body": {} },
        { "ref": "c", "method": "POST", "url": "/sobjects/Contact", "body": {} },
    ] });
    let answer = json!({ "compositeResponse": [
        part("a", 400, &error("PROCESSING_HALTED", ROLLED_BACK)),
        part("b", 400, &json!([{ "errorCode": "STRING_TOO_LONG", "message": "no", "fields": ["Name"] }])),
        part("c", 400, &error("PROCESSING_HALTED", ROLLED_BACK)),
    ] });
    let fake = Fake::new().answer(200, answer.to_string());
    let output = invoked(&fake, "composite", &input.to_string()).unwrap();
    assert_eq!(outcomes(&output), ["rolled-back", "failed", "rolled-back"]);
    assert_eq!(output["done"], 0);
    let problem = &output["results"][1]["problems"][0];
    assert_eq!(
        (&problem["advice"], &problem["fields"]),
        (&json!("fix-record"), &json!(["Name"]))
    );

    // Not all or none: what refers to the one that failed was not tried.
    let missing = "Invalid reference specified. No value for a.id found in a";
    let answer = json!({ "compositeResponse": [
        part("a", 400, &error("REQUIRED_FIELD_MISSING", "no")),
        part("b", 400, &error("PROCESSING_HALTED", missing)),
        part("c", 201, &json!({ "id": "x", "success": true, "errors": [] })),
    ] });
    let fake = Fake::new().answer(200, answer.to_string());
    let output = invoked(&fake, "composite", &input.to_string()).unwrap();
    assert_eq!(outcomes(&output), ["failed", "not-tried", "done"]);

    // One that refers to what was never there is to blame itself.
    let answer = json!({ "compositeResponse": [
        part("a", 201, &json!({})),
        part("b", 400, &error("PROCESSING_HALTED", missing)),
        part("c", 201, &json!({})),
    ] });
    let fake = Fake::new().answer(200, answer.to_string());
    let output = invoked(&fake, "composite", &input.to_string()).unwrap();
    assert_eq!(outcomes(&output), ["done", "failed", "done"]);
    assert_eq!(output["results"][1]["problems"][0]["advice"], "fix-record");
}

#[test]
fn a_collection_whose_rows_failed_is_no_success() {
    let row = |success: bool| {
        let errors = if success {
            json!([])
        } else {
            json!([{ "statusCode": "DUPLICATE_VALUE", "message": "no" }])
        };
        json!({ "success": success, "errors": errors })
    };
    for (rows, outcome) in [
        ([true, true], "done"),
        ([true, false], "partly-done"),
        ([false, false], "failed"),
    ] {
        let answer = json!({ "results": [{ "statusCode": 200, "result": rows.map(row) }] });
        let fake = Fake::new().answer(200, answer.to_string());
        let input = r#"{"requests":[{"method":"PATCH","url":"/composite/sobjects","body":{}}]}"#;
        let output = invoked(&fake, "composite-batch", input).unwrap();
        assert_eq!(outcomes(&output), [outcome]);
        let problems = rows.iter().filter(|success| !**success).count();
        assert_eq!(
            output["results"][0]["problems"]
                .as_array()
                .map_or(0, Vec::len),
            problems
        );
    }
}

#[test]
fn what_a_batch_left_out_is_not_what_failed() {
    let answer = json!({ "hasErrors": true, "results": [
        { "statusCode": 404, "result": error("NOT_FOUND", "no") },
        { "statusCode": 412, "result": error("PROCESSING_HALTED", "Batch processing halted per request") },
    ] });
    let fake = Fake::new().answer(200, answer.to_string());
    let input = r#"{"halt_on_error":true,"requests":[{"method":"GET","url":"/a"},{"method":"GET","url":"/b"}]}"#;
    let output = invoked(&fake, "composite-batch", input).unwrap();
    assert_eq!(outcomes(&output), ["failed", "not-tried"]);
}

#[test]
fn more_than_fits_is_refused_by_number_before_it_is_sent() {
    let many = |n: usize, url: &str| {
        let one = json!({ "method": "GET", "url": url });
        json!({ "requests": vec![one; n] }).to_string()
    };
    for (action, input, number) in [
        ("composite", many(26, "/limits"), "26 requests"),
        ("composite-batch", many(26, "/limits"), "26 requests"),
        ("composite", many(6, "/query?q=x"), "6 queries"),
        (
            "composite",
            many(6, "/services/data/v60.0/composite/sobjects/Account"),
            "6 queries",
        ),
    ] {
        let fake = Fake::new();
        match invoked(&fake, action, &input).unwrap_err() {
            Error::Refused(problem) => {
                assert_eq!(problem.code, "LIMIT_EXCEEDED");
                assert!(problem.message.starts_with(number), "{problem:?}");
            }
            error => panic!("{error:?}"),
        }
        assert!(fake.lines().is_empty());
    }
    let wrong = [
        r#"{"requests":[{"method":"GET","url":"limits"}]}"#,
        r#"{"requests":[{"method":"GET","url":"/services/apexrest/x"}]}"#,
        r#"{"requests":[{"ref":"a","method":"GET","url":"/a"},{"ref":"a","method":"GET","url":"/b"}]}"#,
        r#"{"requests":[{"ref":"1","method":"GET","url":"/a"}]}"#,
    ];
    for input in wrong {
        assert!(
            invoked(&Fake::new(), "composite", input).is_err(),
            "{input}"
        );
    }
    let nothing = invoked(&Fake::new(), "composite", r#"{"requests":[]}"#).unwrap();
    assert_eq!(nothing, json!({ "done": 0, "results": [] }));
}

#[test]
fn a_composite_that_is_refused_as_a_whole_is_an_error() {
    let refusal = json!({ "compositeResponse": [{
        "body": { "errorCode": "LIMIT_EXCEEDED", "message": "no" },
        "httpStatusCode": 400, "referenceId": null,
    }] });
    let fake = Fake::new().answer(200, refusal.to_string());
    let input = r#"{"requests":[{"method":"GET","url":"/limits"}]}"#;
    match invoked(&fake, "composite", input).unwrap_err() {
        Error::Refused(problem) => assert_eq!(problem.code, "LIMIT_EXCEEDED"),
        error => panic!("{error:?}"),
    }
}

#[test]
fn a_lost_answer_is_in_doubt_only_if_a_part_writes() {
    for (method, in_doubt) in [("GET", false), ("PATCH", true)] {
        let input =
            json!({ "requests": [{ "method": method, "url": "/sobjects/Account/1" }] }).to_string();
        let fake = Fake::new().lose(broken(true));
        let error = invoked(&fake, "composite", &input).unwrap_err();
        assert_eq!(
            matches!(error, Error::UnknownOutcome),
            in_doubt,
            "{error:?}"
        );
        // Nor is an answer that tells nothing of a part a success.
        let fake = Fake::new().answer(200, r#"{"compositeResponse":[]}"#);
        let error = invoked(&fake, "composite", &input).unwrap_err();
        assert_eq!(
            matches!(error, Error::UnknownOutcome),
            in_doubt,
            "{error:?}"
        );
    }
}
