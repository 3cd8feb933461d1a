//! How a tree is written, and what its answers become.

use serde_json::{Value, json};

use crate::actions::tests::invoked;
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fake::Fake;

const FAMILY: &str = r#"{"object":"Account","records":[
    {"ref":"acme","fields":{"Name":"A","AnnualRevenue":1.10},
     "children":{"Contacts":{"object":"Contact","records":[{"fields":{"LastName":"B"}}]}}}]}"#;

#[test]
fn children_go_inside_their_parents_and_attributes_come_first() {
    let answer = json!({ "hasErrors": false, "results": [
        { "referenceId": "r1", "id": "003dM00001wBXYDQA4" },
        { "referenceId": "acme", "id": "001dM00003kRs59QAC" },
    ] });
    let fake = Fake::new().answer(201, answer.to_string());
    let output = invoked(&fake, "save-tree", FAMILY).unwrap();
    assert_eq!(
        fake.lines(),
        ["POST /services/data/v62.0/composite/tree/Account"]
    );
    assert_eq!(
        fake.body(0),
        r#"{"records":[{"attributes":{"type":"Account","referenceId":"acme"},"Name":"A","AnnualRevenue":1.10,"Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"r1"},"LastName":"B"}]}}]}"#
    );
    assert_eq!(
        output,
        json!({ "saved": 2, "records": [
            { "ref": "acme", "outcome": "created", "id": "001dM00003kRs59QAC" },
            { "ref": "r1", "outcome": "created", "id": "003dM00001wBXYDQA4" },
        ] })
    );
}

#[test]
fn the_record_to_blame_is_told_apart_from_the_others() {
    let answer = json!({ "hasErrors": true, "results": [{
        "referenceId": "r1",
        "errors": [{ "statusCode": "INVALID_EMAIL_ADDRESS", "message": "no", "fields": ["Email"] }],
    }] });
    let fake = Fake::new().answer(400, answer.to_string());
    let output = invoked(&fake, "save-tree", FAMILY).unwrap();
    assert_eq!(output["saved"], 0);
    assert_eq!(output["records"][0]["outcome"], "rolled-back");
    assert_eq!(output["records"][1]["outcome"], "failed");
    let problem = &output["records"][1]["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["object"]),
        (&json!("INVALID_EMAIL_ADDRESS"), &json!("Contact"))
    );
    // Refused as a whole.
    let fake = Fake::new().answer(400, r#"[{"errorCode":"INVALID_INPUT","message":"no"}]"#);
    let error = invoked(&fake, "save-tree", FAMILY).unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    // An answer that does not tell the ids.
    let fake = Fake::new().answer(201, r#"{"hasErrors":false,"results":[]}"#);
    let error = invoked(&fake, "save-tree", FAMILY).unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome), "{error:?}");
}

#[test]
fn a_tree_that_is_too_large_or_malformed_is_not_sent() {
    let tree = |n: usize| json!({ "object": "Account", "records": vec![json!({}); n] });
    let deep = (0..5).fold(tree(1), |inner, _| {
        json!({ "object": "Account", "records": [{ "children": { "ChildAccounts": inner } }] })
    });
    let kinds: Value = (0..6)
        .map(|n| {
            (
                format!("R{n}__r"),
                json!({ "object": format!("O{n}__c"), "records": [{}] }),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    let wide = json!({ "object": "Account", "records": [{ "children": kinds }] });
    for (input, number) in [
        (tree(201), "201 records"),
        (deep, "6 levels"),
        (wide, "7 kinds"),
    ] {
        let fake = Fake::new();
        match invoked(&fake, "save-tree", &input.to_string()).unwrap_err() {
            Error::Refused(problem) => {
                assert!(problem.message.starts_with(number), "{problem:?}");
            }
            error => panic!("{error:?}"),
        }
        assert!(fake.lines().is_empty());
    }
    for record in [
        json!({ "ref": "a b" }),
        json!({ "fields": { "attributes": {} } }),
        json!({ "fields": { "A/b": 1 } }),
        json!({ "children": { "../x": { "object": "Contact", "records": [] } } }),
    ] {
        let input = json!({ "object": "Account", "records": [record] }).to_string();
        assert!(
            invoked(&Fake::new(), "save-tree", &input).is_err(),
            "{input}"
        );
    }
    let twice = json!({ "object": "Account", "records": [{ "ref": "a" }, { "ref": "a" }] });
    assert!(invoked(&Fake::new(), "save-tree", &twice.to_string()).is_err());
    let nothing = invoked(&Fake::new(), "save-tree", &tree(0).to_string()).unwrap();
    assert_eq!(nothing, json!({ "saved": 0, "records": [] }));
}
