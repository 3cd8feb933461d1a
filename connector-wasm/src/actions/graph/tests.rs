//! Graphs, against real-shaped answers.

use super::*;
use crate::fake::{Fake, broken, run};

const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

fn saved(fake: &Fake, input: &Value) -> Result<Value, Error> {
    saved_with(fake, "{}", input)
}

fn saved_with(fake: &Fake, settings: &str, input: &Value) -> Result<Value, Error> {
    let text = input.to_string();
    let output = run(super::super::invoke(
        &fake.api_with(settings),
        "save-graph",
        text.as_bytes(),
    ));
    output.map(|output| serde_json::from_slice(&output).unwrap())
}

fn refusal(input: &Value) -> String {
    match saved(&Fake::new(), input).unwrap_err() {
        Error::Refused(problem) => problem.message,
        error => panic!("{error:?}"),
    }
}

fn one(nodes: &Value) -> Value {
    json!({ "graphs": [{ "nodes": nodes }] })
}

fn part(name: &str, status: u16, body: &Value) -> Value {
    json!({ "referenceId": name, "httpStatusCode": status, "body": body, "httpHeaders": {} })
}

fn graph(id: &str, good: bool, parts: &[Value]) -> Value {
    json!({ "graphId": id, "isSuccessful": good, "graphResponse": { "compositeResponse": parts } })
}

fn answer(graphs: &[Value]) -> String {
    json!({ "graphs": graphs }).to_string()
}

fn halted(name: &str) -> Value {
    let body = json!([{ "errorCode": "PROCESSING_HALTED", "message": ROLLED_BACK }]);
    part(name, 400, &body)
}

/// `n` graphs of one account each.
fn accounts(n: usize) -> Value {
    let nodes = json!([{ "ref": "a", "object": "Account", "fields": { "Name": "A" } }]);
    let graphs: Vec<Value> = (0..n).map(|_| json!({ "nodes": nodes })).collect();
    json!({ "graphs": graphs })
}

fn created(id: &str) -> Value {
    let body = json!({ "id": "001dM00003kRs59QAC", "success": true, "errors": [] });
    graph(id, true, &[part("a", 201, &body)])
}

#[test]
fn references_become_those_of_salesforce_and_nodes_follow_what_they_use() {
    let fake = Fake::new().answer(
        200,
        answer(&[graph(
            "g0",
            true,
            &[
                part("old", 204, &Value::Null),
                part("acct", 201, &json!({ "id": "001dM00003kRs59QAC", "success": true, "errors": [] })),
                part("c", 201, &json!({ "id": "003dM00001wBXYDQA4", "success": true, "created": true, "errors": [] })),
                part("gone", 204, &Value::Null),
            ],
        )]),
    );
    let input = one(&json!([
        { "ref": "c", "method": "upsert", "object": "Contact", "key_field": "Key__c", "key": "a/b @{x.id}",
          "fields": { "LastName": "O\"Hara", "AccountId": { "ref": "acct" }, "ReportsToId": { "ref": "old" } } },
        { "ref": "old", "method": "update", "object": "Contact", "id": "003dM00001wBXYD", "fields": { "Title": null } },
        { "ref": "acct", "object": "Account", "fields": { "Name": "A", "Owner": { "Key__c": "1" } } },
        { "ref": "gone", "method": "delete", "object": "Lead", "id": "00QdM00003kRs59" },
    ]));
    let output = saved_with(&fake, r#"{"auto_assign":false,"update_mru":true}"#, &input).unwrap();
    let outcomes: Vec<(&Value, &Value)> = output["graphs"][0]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (&node["ref"], &node["outcome"]))
        .collect();
    let text = |text: &str| json!(text);
    let expected = [
        ("c", "created"),
        ("old", "updated"),
        ("acct", "created"),
        ("gone", "deleted"),
    ]
    .map(|(name, outcome)| (text(name), text(outcome)));
    assert_eq!(
        outcomes,
        expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>()
    );
    assert_eq!(output["saved"], 1);
    assert_eq!(output["graphs"][0]["nodes"][1]["id"], "003dM00001wBXYDQA4");
    assert_eq!(fake.lines(), ["POST /services/data/v62.0/composite/graph"]);
    let root = "/services/data/v62.0/sobjects";
    let headers = json!({ "Sforce-Auto-Assign": "FALSE", "Sforce-Mru": "updateMru=true" });
    let body: Value = serde_json::from_str(&fake.body(0)).unwrap();
    assert_eq!(
        body,
        json!({ "graphs": [{ "graphId": "g0", "compositeRequest": [
            { "method": "PATCH", "url": format!("{root}/Contact/003dM00001wBXYDQA4"), "referenceId": "old",
              "httpHeaders": headers, "body": { "Title": null } },
            { "method": "POST", "url": format!("{root}/Account"), "referenceId": "acct",
              "httpHeaders": headers, "body": { "Name": "A", "Owner": { "Key__c": "1" } } },
            { "method": "PATCH", "url": format!("{root}/Contact/Key__c/a%2Fb%20%40%7Bx%2Eid%7D"), "referenceId": "c",
              "httpHeaders": headers,
              "body": { "LastName": "O\"Hara", "AccountId": "@{acct.id}", "ReportsToId": "003dM00001wBXYDQA4" } },
            { "method": "DELETE", "url": format!("{root}/Lead/00QdM00003kRs59UAC"), "referenceId": "gone",
              "httpHeaders": headers },
        ] }] })
    );
}

#[test]
fn graphs_that_cannot_be_saved_are_refused_before_anything_is_sent() {
    let node =
        |name: &str, fields: Value| json!({ "ref": name, "object": "Account", "fields": fields });
    let to = |name: &str| json!({ "ParentId": { "ref": name } });
    for (nodes, said) in [
        (json!([]), "1 to 500"),
        (
            json!([node("a", json!({})), node("a", json!({}))]),
            "same ref",
        ),
        (json!([node("a", to("b")), node("b", to("a"))]), "circle"),
        (json!([node("a", to("a"))]), "circle"),
        (json!([node("a", to("x"))]), "no node with the ref x"),
        (json!([node("a.id", json!({}))]), "letters"),
        (
            json!([node("a", json!({ "Name": "mail me @{home.id}" }))]),
            "@{",
        ),
        (
            json!([node("a", json!({ "Owner": { "Key__c": "@{home}" } }))]),
            "@{",
        ),
        (json!([node("a", json!({ "Na me": 1 }))]), "API name"),
        (json!([node("a", json!({ "id": "x" }))]), "member id"),
        (json!([{ "ref": "a", "object": "A b" }]), "API name"),
        (
            json!([{ "ref": "a", "object": "A", "id": "003dM00001wBXYD" }]),
            "neither id nor key",
        ),
        (
            json!([{ "ref": "a", "object": "A", "method": "update" }]),
            "has an id",
        ),
        (
            json!([{ "ref": "a", "object": "A", "method": "update", "id": "x/y" }]),
            "letters and digits",
        ),
        (
            json!([{ "ref": "a", "object": "A", "method": "upsert", "key_field": "K" }]),
            "as key",
        ),
        (
            json!([{ "ref": "a", "object": "A", "method": "delete", "id": "003dM00001wBXYD", "fields": {} }]),
            "no fields",
        ),
        (
            json!([{ "ref": "a", "object": "A", "method": "delete", "id": "003dM00001wBXYD" }, node("b", to("a"))]),
            "deleted",
        ),
    ] {
        let message = refusal(&one(&nodes));
        assert!(message.contains(said), "{nodes}: {message}");
    }
    // An escaped sign is the same sign.
    let text = r#"{"graphs":[{"nodes":[{"ref":"a","object":"A","fields":{"Name":"\u0040{x}"}}]}]}"#;
    let result = run(super::super::invoke(
        &Fake::new().api(),
        "save-graph",
        text.as_bytes(),
    ));
    assert!(matches!(result, Err(Error::Refused(_))), "{result:?}");

    let deep: Vec<Value> = (0..16)
        .map(|at| match at {
            0 => node("n0", json!({})),
            at => node(&format!("n{at}"), to(&format!("n{}", at - 1))),
        })
        .collect();
    assert!(refusal(&one(&json!(deep))).contains("in a row"));
    let kinds: Vec<Value> = (0..16)
        .map(|at| json!({ "ref": format!("n{at}"), "object": format!("O{at}__c") }))
        .collect();
    assert!(refusal(&one(&json!(kinds))).contains("kinds"));
    assert!(refusal(&accounts(301)).contains("300"));

    let old = Fake::new();
    old.keep("api-versions", r#"{"asked_ms":5000,"majors":[48]}"#);
    assert!(matches!(saved(&old, &accounts(1)), Err(Error::Refused(_))));
}

#[test]
fn the_culprit_is_told_from_those_that_were_undone_with_it() {
    let missing =
        json!([{ "errorCode": "REQUIRED_FIELD_MISSING", "message": "no", "fields": ["Name"] }]);
    let fake = Fake::new().answer(
        200,
        answer(&[graph("g0", false, &[halted("a"), part("b", 400, &missing)])]),
    );
    let input =
        one(&json!([{ "ref": "a", "object": "Contact" }, { "ref": "b", "object": "Account" }]));
    let output = saved(&fake, &input).unwrap();
    assert_eq!(
        output,
        json!({ "saved": 0, "graphs": [{ "outcome": "failed", "nodes": [
            { "ref": "a", "outcome": "rolled-back" },
            { "ref": "b", "outcome": "failed", "problems": [{
                "advice": "fix-record", "code": "REQUIRED_FIELD_MISSING", "message": "no",
                "object": "Account", "fields": ["Name"] }] },
        ] }] })
    );
}

#[test]
fn a_halted_node_with_words_of_its_own_is_a_culprit_and_so_is_a_key_of_several() {
    let invalid =
        json!([{ "errorCode": "PROCESSING_HALTED", "message": "Invalid reference specified." }]);
    for (status, body, code) in [
        (400, invalid, "PROCESSING_HALTED"),
        (300, json!(["/x/001", "/x/002"]), "DUPLICATE_EXTERNAL_ID"),
    ] {
        let fake = Fake::new().answer(
            200,
            answer(&[graph("g0", false, &[part("a", status, &body), halted("b")])]),
        );
        let input =
            one(&json!([{ "ref": "a", "object": "Account" }, { "ref": "b", "object": "Account" }]));
        let output = saved(&fake, &input).unwrap();
        let problem = &output["graphs"][0]["nodes"][0]["problems"][0];
        assert_eq!(problem["code"], code, "{output}");
        assert_ne!(problem["advice"], "rolled-back", "{output}");
    }
}

#[test]
fn graphs_that_were_not_tried_are_sent_again_and_others_never() {
    let bad = json!([{ "errorCode": "STRING_TOO_LONG", "message": "no" }]);
    let bad = |id: &str| graph(id, false, &[part("a", 400, &bad)]);
    let untried = |id: &str| graph(id, false, &[halted("a")]);
    let fake = Fake::new()
        .answer(200, answer(&[bad("g0"), untried("g1"), untried("g2")]))
        .answer(200, answer(&[created("g2"), untried("g1")]))
        .answer(200, answer(&[untried("g1")]));
    let output = saved(&fake, &accounts(3)).unwrap();
    let outcomes: Vec<&Value> = output["graphs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|graph| &graph["outcome"])
        .collect();
    assert_eq!(outcomes, ["failed", "not-sent", "saved"]);
    assert!(fake.is_done());
    assert!(!fake.body(1).contains("\"g0\""), "{}", fake.body(1));
}

#[test]
fn more_than_one_request_holds_is_set_aside_and_split() {
    let all: Vec<Value> = (0..80).map(|at| created(&format!("g{at}"))).collect();
    let fake = Fake::new()
        .answer(200, answer(&all[..75]))
        .answer(200, answer(&all[75..]));
    let output = saved(&fake, &accounts(80)).unwrap();
    assert_eq!(output["saved"], 80);
    assert_eq!(fake.0.reserved.borrow().as_slice(), [2]);
    assert!(fake.is_done());
}

#[test]
fn a_lost_answer_is_told_and_what_came_before_it_is_kept() {
    let fake = Fake::new().lose(broken(true));
    assert_eq!(saved(&fake, &accounts(1)), Err(Error::UnknownOutcome));
    let fake = Fake::new().answer(200, "nonsense");
    assert_eq!(saved(&fake, &accounts(1)), Err(Error::UnknownOutcome));

    let all: Vec<Value> = (0..75).map(|at| created(&format!("g{at}"))).collect();
    let fake = Fake::new().answer(200, answer(&all)).lose(broken(true));
    let output = saved(&fake, &accounts(160)).unwrap();
    assert_eq!(output["graphs"][74]["outcome"], "saved");
    assert_eq!(output["graphs"][75]["outcome"], "unknown");
    assert_eq!(
        output["graphs"][75]["problems"][0]["advice"],
        "check-outcome"
    );
    assert_eq!(output["graphs"][150]["outcome"], "not-sent");
    assert_eq!(output["graphs"][150]["problems"][0]["advice"], "retry");
    assert!(fake.is_done());
}

#[test]
fn a_graph_that_is_neither_whole_nor_undone_is_in_doubt_and_not_sent_again() {
    let done = json!({ "id": "001dM00003kRs59QAC", "success": true, "errors": [] });
    for (good, part) in [(false, part("a", 201, &done)), (true, halted("a"))] {
        let fake = Fake::new().answer(200, answer(&[graph("g0", good, &[part])]));
        let output = saved(&fake, &accounts(1)).unwrap();
        assert_eq!(output["graphs"][0]["outcome"], "unknown", "{output}");
    }
}

#[test]
fn a_graph_that_the_answer_leaves_out_is_in_doubt() {
    let fake = Fake::new().answer(200, answer(&[created("g1")]));
    let output = saved(&fake, &accounts(2)).unwrap();
    assert_eq!(output["graphs"][0]["outcome"], "unknown");
    assert_eq!(output["graphs"][1]["outcome"], "saved");
}
