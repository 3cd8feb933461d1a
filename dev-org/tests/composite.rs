//! Several requests in one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::{Session, read, start, start_with_schema};

const TWINS: &str = r#"
[[duplicate]]
object = "Contact"
name = "Twins"
match = ["Email"]
"#;

const ROOT: &str = "/services/data/v60.0";

impl Session {
    async fn composite(&self, path: &str, body: Value) -> Value {
        let (status, answer) = read(self.send("POST", path, &body).await).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn count(&self, object: &str) -> u64 {
        let path = format!("/query?q=SELECT+COUNT()+FROM+{object}");
        let (_, answer) = read(self.get(&path).await).await;
        answer["totalSize"].as_u64().unwrap()
    }
}

fn create(reference: &str, object: &str, body: Value) -> Value {
    json!({ "method": "POST", "url": format!("{ROOT}/sobjects/{object}"),
        "referenceId": reference, "body": body })
}

fn query(reference: &str, soql: &str) -> Value {
    json!({ "method": "GET", "url": format!("{ROOT}/query?q={soql}"), "referenceId": reference })
}

fn statuses(answer: &Value) -> Vec<u64> {
    let parts = answer["compositeResponse"].as_array().unwrap();
    let status = |part: &Value| part["httpStatusCode"].as_u64().unwrap();
    parts.iter().map(status).collect()
}

#[tokio::test]
async fn parts_of_a_composite_use_what_earlier_ones_answered_and_count_as_one_request() {
    let session = start().await;
    let used = session.control.quota().used;
    let answer = session
        .composite(
            "/composite",
            json!({ "collateSubrequests": true, "compositeRequest": [
                create("a", "Account", json!({ "Name": "Acme" })),
                create("c", "Contact", json!({ "LastName": "Doe", "AccountId": "@{a.id}" })),
                query("found", "SELECT Id, AccountId FROM Contact WHERE AccountId = '@{a.id}'"),
                { "method": "PATCH", "referenceId": "p", "body": { "Title": "CEO" },
                    "url": format!("{ROOT}/sobjects/Contact/@{{found.records[0].Id}}") },
                { "method": "GET", "url": format!("{ROOT}/sobjects/Account/@{{a.id}}?fields=Name"),
                    "referenceId": "read" },
            ] }),
        )
        .await;
    assert_eq!(statuses(&answer), [201, 201, 200, 204, 200]);
    let parts = &answer["compositeResponse"];
    let id = parts[0]["body"]["id"].as_str().unwrap();
    assert_eq!(
        parts[0],
        json!({ "body": { "id": id, "success": true, "errors": [] },
            "httpHeaders": { "Location": format!("{ROOT}/sobjects/Account/{id}") },
            "httpStatusCode": 201, "referenceId": "a" })
    );
    assert_eq!(parts[2]["body"]["records"][0]["AccountId"], id);
    assert_eq!(parts[3]["body"], Value::Null);
    assert_eq!(parts[4]["body"]["Name"], "Acme");
    assert!(parts[4]["httpHeaders"]["ETag"].is_string());
    assert_eq!(session.control.quota().used, used + 1);
}

#[tokio::test]
async fn without_all_or_none_a_failure_halts_only_what_refers_to_it() {
    let session = start().await;
    let answer = session
        .composite(
            "/composite",
            json!({ "compositeRequest": [
                create("a", "Account", json!({})),
                create("c", "Contact", json!({ "LastName": "Doe", "AccountId": "@{a.id}" })),
                create("b", "Account", json!({ "Name": "B" })),
            ] }),
        )
        .await;
    assert_eq!(statuses(&answer), [400, 400, 201]);
    let parts = &answer["compositeResponse"];
    assert_eq!(parts[0]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(
        parts[1]["body"],
        json!([{ "errorCode": "PROCESSING_HALTED",
            "message": "Invalid reference specified. No value for a.id found in a" }])
    );
    assert_eq!(session.count("Account").await, 1);
}

#[tokio::test]
async fn with_all_or_none_the_culprit_keeps_its_error_and_the_rest_is_undone() {
    let session = start().await;
    let answer = session
        .composite(
            "/composite",
            json!({ "allOrNone": true, "compositeRequest": [
                create("a", "Account", json!({ "Name": "A" })),
                { "method": "PATCH", "url": format!("{ROOT}/sobjects/Account/@{{a.id}}"),
                    "referenceId": "p", "body": { "Nope": 1 } },
                create("b", "Account", json!({ "Name": "B" })),
            ] }),
        )
        .await;
    assert_eq!(statuses(&answer), [400, 400, 400]);
    let parts = &answer["compositeResponse"];
    let halted = json!([{ "errorCode": "PROCESSING_HALTED",
        "message": "The transaction was rolled back since another operation in the same transaction failed." }]);
    assert_eq!(parts[0]["body"], halted);
    assert_eq!(parts[1]["body"][0]["errorCode"], "INVALID_FIELD");
    assert_eq!(parts[2]["body"], halted);
    assert_eq!(session.count("Account").await, 0);
    // The org goes on as if nothing had been.
    let answer = session
        .composite(
            "/composite",
            json!({ "allOrNone": true,
                "compositeRequest": [create("a", "Account", json!({ "Name": "A" }))] }),
        )
        .await;
    assert_eq!(statuses(&answer), [201]);
    assert_eq!(session.count("Account").await, 1);
}

#[tokio::test]
async fn a_collection_inside_undoes_the_whole_only_when_it_is_all_or_none_itself() {
    let session = start().await;
    let run = async |inner: bool| {
        let records = json!([
            { "attributes": { "type": "Account" }, "Name": "In a collection" },
            { "attributes": { "type": "Account" } },
        ]);
        let collection = json!({ "method": "POST", "url": format!("{ROOT}/composite/sobjects"),
            "referenceId": "many", "body": { "allOrNone": inner, "records": records } });
        let first = create("a", "Account", json!({ "Name": "Before" }));
        let body = json!({ "allOrNone": true, "compositeRequest": [first, collection] });
        let answer = session.composite("/composite", body).await;
        (statuses(&answer), session.count("Account").await)
    };
    assert_eq!(run(true).await, (vec![400, 200], 0));
    assert_eq!(run(false).await, (vec![201, 200], 2));
}

#[tokio::test]
async fn twenty_six_parts_or_six_queries_are_refused_in_the_shape_of_an_answer() {
    let session = start().await;
    let refusal = async |parts: Vec<Value>| {
        let body = json!({ "compositeRequest": parts });
        let answer = session.composite("/composite", body).await;
        assert_eq!(answer["compositeResponse"].as_array().unwrap().len(), 1);
        assert_eq!(answer["compositeResponse"][0]["referenceId"], Value::Null);
        answer["compositeResponse"][0]["body"][0]["errorCode"].clone()
    };
    let account = |at: usize| create(&format!("a{at}"), "Account", json!({ "Name": "A" }));
    assert_eq!(
        refusal((0..26).map(account).collect()).await,
        "LIMIT_EXCEEDED"
    );
    let ask = |at: usize| query(&format!("q{at}"), "SELECT Id FROM Account");
    assert_eq!(refusal((0..6).map(ask).collect()).await, "LIMIT_EXCEEDED");
    assert_eq!(session.count("Account").await, 0);
    let body = json!({ "compositeRequest": (0..5).map(ask).collect::<Vec<_>>() });
    assert_eq!(
        statuses(&session.composite("/composite", body).await),
        [200; 5]
    );
}

#[tokio::test]
async fn a_reference_id_is_unique_and_of_letters_digits_and_underscores() {
    let session = start().await;
    let account = |name: &str| create(name, "Account", json!({ "Name": "A" }));
    let body = json!({ "compositeRequest": [account("a"), account("a"), account("a-b")] });
    let answer = session.composite("/composite", body).await;
    assert_eq!(statuses(&answer), [201, 400, 400]);
    let message = answer["compositeResponse"][2]["body"][0]["message"].clone();
    assert!(
        message
            .as_str()
            .unwrap()
            .starts_with("Provided referenceId ('a-b') must start")
    );
}

#[tokio::test]
async fn a_part_has_headers_of_its_own() {
    let session = start_with_schema(TWINS).await;
    let twin = |reference: &str, allow: bool| {
        let mut part = create(
            reference,
            "Contact",
            json!({ "LastName": "Twin", "Email": "t@example.com" }),
        );
        if allow {
            part["httpHeaders"] = json!({ "Sforce-Duplicate-Rule-Header": "allowSave=true" });
        }
        part
    };
    let parts = [twin("a", false), twin("b", false), twin("c", true)];
    let body = json!({ "compositeRequest": parts });
    let answer = session.composite("/composite", body).await;
    assert_eq!(statuses(&answer), [201, 400, 201]);
}

#[tokio::test]
async fn a_composite_holds_no_other_composite() {
    let session = start().await;
    for inner in [
        "composite",
        "composite/batch",
        "composite/graph",
        "composite/tree/Account",
    ] {
        let part = json!({ "method": "POST", "url": format!("{ROOT}/{inner}"),
            "referenceId": "a", "body": {} });
        let body = json!({ "allOrNone": true, "compositeRequest": [part] });
        let answer = session.composite("/composite", body).await;
        assert_eq!(statuses(&answer), [400], "{inner}");
    }
}

fn graph(id: &str, parts: Vec<Value>) -> Value {
    json!({ "graphId": id, "compositeRequest": parts })
}

#[tokio::test]
async fn each_graph_is_kept_or_undone_by_itself() {
    let session = start().await;
    let used = session.control.quota().used;
    let good = vec![
        create("a", "Account", json!({ "Name": "A" })),
        create(
            "c",
            "Contact",
            json!({ "LastName": "D", "AccountId": "@{a.id}" }),
        ),
    ];
    let bad = vec![
        create("a", "Account", json!({ "Name": "B" })),
        create("c", "Contact", json!({ "AccountId": "@{a.id}" })),
    ];
    let body = json!({ "graphs": [graph("good", good), graph("bad", bad)] });
    let answer = session.composite("/composite/graph", body).await;
    let graphs = &answer["graphs"];
    assert_eq!(graphs[0]["graphId"], "good");
    assert_eq!(graphs[0]["isSuccessful"], true);
    assert_eq!(statuses(&graphs[0]["graphResponse"]), [201, 201]);
    assert_eq!(graphs[1]["isSuccessful"], false);
    assert_eq!(statuses(&graphs[1]["graphResponse"]), [400, 400]);
    let parts = &graphs[1]["graphResponse"]["compositeResponse"];
    assert_eq!(parts[0]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(parts[1]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(session.count("Account").await, 1);
    // Two queries and the graph request.
    assert_eq!(session.control.quota().used, used + 2);
}

#[tokio::test]
async fn graphs_have_their_limits_in_number_nodes_depth_and_kinds() {
    let session = start().await;
    let account = |at: usize| create(&format!("a{at}"), "Account", json!({ "Name": "A" }));
    let refused = async |graphs: Vec<Value>| {
        let body = json!({ "graphs": graphs });
        let (status, answer) = read(session.send("POST", "/composite/graph", &body).await).await;
        assert_eq!(status, 400, "{answer}");
        answer[0]["message"].as_str().unwrap().to_owned()
    };
    let many = (0..76).map(|at| graph(&format!("g{at}"), vec![account(at)]));
    assert!(refused(many.collect()).await.contains("75 graphs"));
    let large = graph("g", (0..501).map(account).collect());
    assert!(refused(vec![large]).await.contains("500 nodes"));
    let chained = |at: usize| match at {
        0 => account(0),
        at => create(
            &format!("a{at}"),
            "Account",
            json!({ "Name": "A", "ParentId": format!("@{{a{}.id}}", at - 1) }),
        ),
    };
    let deep = graph("g", (0..16).map(chained).collect());
    assert!(refused(vec![deep]).await.contains("15 levels"));
    let kinds = (0..16).map(|at| {
        let mut part = account(at);
        let url = format!("/services/data/v{}.0/sobjects/Account", 50 + at);
        part["url"] = json!(url);
        part
    });
    assert!(
        refused(vec![graph("g", kinds.collect())])
            .await
            .contains("15 different")
    );
    let twice = vec![graph("g", vec![account(0)]), graph("g", vec![account(0)])];
    assert!(refused(twice).await.contains("graphId 'g'"));
    assert_eq!(session.count("Account").await, 0);
    let largest = graph("g", (0..500).map(account).collect());
    let answer = session
        .composite("/composite/graph", json!({ "graphs": [largest] }))
        .await;
    assert_eq!(answer["graphs"][0]["isSuccessful"], true);
}

#[tokio::test]
async fn after_fifteen_failed_graphs_the_rest_is_not_tried() {
    let session = start().await;
    let bad = (0..15).map(|at| graph(&format!("g{at}"), vec![create("a", "Account", json!({}))]));
    let good = graph("good", vec![create("a", "Account", json!({ "Name": "A" }))]);
    let graphs: Vec<Value> = bad.chain([good]).collect();
    let answer = session
        .composite("/composite/graph", json!({ "graphs": graphs }))
        .await;
    let last = &answer["graphs"][15];
    assert_eq!(last["isSuccessful"], false);
    let part = &last["graphResponse"]["compositeResponse"][0];
    assert_eq!(part["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(session.count("Account").await, 0);
}

#[tokio::test]
async fn a_graph_is_made_of_records_only() {
    let session = start().await;
    let body = json!({ "graphs": [graph("g", vec![query("q", "SELECT Id FROM Account")])] });
    let answer = session.composite("/composite/graph", body).await;
    assert_eq!(answer["graphs"][0]["isSuccessful"], false);
}

fn leaf(kind: &str, reference: &str, field: &str) -> Value {
    json!({ "attributes": { "type": kind, "referenceId": reference }, field: "X" })
}

#[tokio::test]
async fn a_tree_creates_parents_and_their_children() {
    let session = start().await;
    let mut root = leaf("Account", "r1", "Name");
    root["Contacts"] = json!({ "records": [leaf("Contact", "c1", "LastName")] });
    let body = json!({ "records": [root, leaf("Account", "r2", "Name")] });
    let (status, answer) = read(session.send("POST", "/composite/tree/Account", &body).await).await;
    assert_eq!((status, &answer["hasErrors"]), (201, &json!(false)));
    let results = answer["results"].as_array().unwrap();
    let order: Vec<_> = results
        .iter()
        .map(|result| result["referenceId"].clone())
        .collect();
    assert_eq!(order, ["r1", "r2", "c1"]);
    let contact = results[2]["id"].as_str().unwrap();
    let path = format!("/sobjects/Contact/{contact}?fields=AccountId");
    let (_, contact) = read(session.get(&path).await).await;
    assert_eq!(contact["AccountId"], results[0]["id"]);
}

#[tokio::test]
async fn a_tree_that_fails_names_the_culprit_alone_and_leaves_nothing() {
    let session = start().await;
    let mut root = leaf("Account", "r1", "Name");
    root["Contacts"] = json!({ "records": [leaf("Contact", "c1", "FirstName")] });
    let body = json!({ "records": [root] });
    let (status, answer) = read(session.send("POST", "/composite/tree/Account", &body).await).await;
    assert_eq!(status, 400);
    assert_eq!(
        answer,
        json!({ "hasErrors": true, "results": [{ "referenceId": "c1", "errors": [{
            "statusCode": "REQUIRED_FIELD_MISSING",
            "message": "Required fields are missing: [LastName]",
            "fields": ["LastName"] }] }] })
    );
    assert_eq!(session.count("Account").await, 0);
    let twice = json!({ "records": [leaf("Account", "r", "Name"), leaf("Account", "r", "Name")] });
    let (status, answer) = read(
        session
            .send("POST", "/composite/tree/Account", &twice)
            .await,
    )
    .await;
    assert_eq!(
        (status, answer["results"].as_array().unwrap().len()),
        (400, 2)
    );
}

#[tokio::test]
async fn a_tree_has_its_limits_in_records_and_levels() {
    let session = start().await;
    let tree = async |records: Vec<Value>| {
        let body = json!({ "records": records });
        read(session.send("POST", "/composite/tree/Account", &body).await).await
    };
    let account = |at: usize| leaf("Account", &format!("r{at}"), "Name");
    assert_eq!(tree((0..201).map(account).collect()).await.0, 400);
    let deep = |levels: usize| {
        (0..levels).rev().fold(Value::Null, |below, at| {
            let mut record = account(at);
            if !below.is_null() {
                record["ChildAccounts"] = json!({ "records": [below] });
            }
            record
        })
    };
    assert_eq!(tree(vec![deep(6)]).await.0, 400);
    assert_eq!(session.count("Account").await, 0);
    assert_eq!(tree(vec![deep(5)]).await.0, 201);
    assert_eq!(tree((0..200).map(account).collect()).await.0, 201);
    assert_eq!(session.count("Account").await, 205);
}

#[tokio::test]
async fn each_request_of_a_batch_has_its_own_answer_and_only_the_batch_counts() {
    let session = start().await;
    let used = session.control.quota().used;
    let body = json!({ "batchRequests": [
        { "method": "POST", "url": "v60.0/sobjects/Account", "richInput": { "Name": "A" } },
        { "method": "GET", "url": "v60.0/query?q=SELECT+Name+FROM+Account" },
        { "method": "GET", "url": "v60.0/query?q=SELECT+Nope+FROM+Account" },
    ] });
    let (status, answer) = read(session.send("POST", "/composite/batch", &body).await).await;
    assert_eq!((status, &answer["hasErrors"]), (200, &json!(true)));
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<_> = results
        .iter()
        .map(|result| result["statusCode"].as_u64())
        .collect();
    assert_eq!(statuses, [Some(201), Some(200), Some(400)]);
    assert_eq!(results[1]["result"]["records"][0]["Name"], json!("A"));
    assert_eq!(results[2]["result"][0]["errorCode"], json!("INVALID_FIELD"));
    assert_eq!(session.control.quota().used, used + 1);
}

#[tokio::test]
async fn a_batch_halts_where_it_was_told_to_and_has_its_limit() {
    let session = start().await;
    let part = json!({ "method": "GET", "url": "v60.0/sobjects/Nope/describe" });
    let body = json!({ "haltOnError": true, "batchRequests": [part, part] });
    let (_, answer) = read(session.send("POST", "/composite/batch", &body).await).await;
    assert_eq!(answer["results"][0]["statusCode"], json!(404));
    assert_eq!(answer["results"][1]["statusCode"], json!(412));
    let body = json!({ "batchRequests": vec![part; 26] });
    let (status, _) = read(session.send("POST", "/composite/batch", &body).await).await;
    assert_eq!(status, 400);
}
