//! Up to 200 records in one request.

use serde_json::{Value, json};

use super::client::keyed;
use super::support::{code, read, start};

#[tokio::test]
async fn a_collection_answers_for_each_record_in_order() {
    let session = start().await;
    let body = json!({ "records": [
        { "attributes": { "type": "Account" }, "Name": "One" },
        { "attributes": { "type": "Contact" }, "FirstName": "No last name" },
        { "Name": "Late", "attributes": { "type": "Account" } },
        { "attributes": { "type": "Account" }, "Name": "Two" },
    ] });
    let (status, results) = read(session.send("POST", "/composite/sobjects", &body).await).await;
    assert_eq!(status, 200);
    let worked: Vec<bool> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["success"].as_bool().unwrap())
        .collect();
    assert_eq!(worked, [true, false, false, true]);
    assert!(results[1].get("id").is_none());
    assert_eq!(
        results[1]["errors"][0]["statusCode"],
        "REQUIRED_FIELD_MISSING"
    );
    assert_eq!(results[2]["errors"][0]["statusCode"], "JSON_PARSER_ERROR");
    assert_eq!(
        session.query("SELECT COUNT() FROM Account").await["totalSize"],
        2
    );
}

#[tokio::test]
async fn all_or_none_undoes_every_record_and_says_which_were_innocent() {
    let session = start().await;
    let body = json!({ "allOrNone": true, "records": [
        { "attributes": { "type": "Account" }, "Name": "One" },
        { "attributes": { "type": "Account" } },
    ] });
    let (status, results) = read(session.send("POST", "/composite/sobjects", &body).await).await;
    assert_eq!(status, 200);
    assert_eq!(
        results[0]["errors"][0]["statusCode"],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    );
    assert_eq!(
        results[1]["errors"][0]["statusCode"],
        "REQUIRED_FIELD_MISSING"
    );
    assert_eq!(
        session.query("SELECT COUNT() FROM Account").await["totalSize"],
        0
    );
}

#[tokio::test]
async fn collections_update_upsert_read_and_delete() {
    let session = keyed().await;
    let path = "/composite/sobjects/Account/Key__c";
    let record = |key: &str, name: &str| json!({ "attributes": { "type": "Account" }, "Key__c": key, "Name": name });
    let body = json!({ "records": [record("a", "A"), record("b", "B")] });
    let (_, created) = read(session.send("PATCH", path, &body).await).await;
    let body = json!({ "records": [record("b", "B2"), record("c", "C")] });
    let (_, mixed) = read(session.send("PATCH", path, &body).await).await;
    assert_eq!(
        (&mixed[0]["created"], &mixed[1]["created"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(mixed[0]["id"], created[1]["id"]);

    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let (a, b) = (id(&created[0]), id(&created[1]));
    let body = json!({ "records": [
        { "attributes": { "type": "Account" }, "Id": a, "Phone": "1" },
        { "attributes": { "type": "Account" }, "Phone": "2" },
    ] });
    let (_, updated) = read(session.send("PATCH", "/composite/sobjects", &body).await).await;
    assert_eq!(
        updated[0],
        json!({ "id": a, "success": true, "errors": [] })
    );
    assert_eq!(updated[1]["errors"][0]["statusCode"], "MISSING_ARGUMENT");

    let missing = "001000000000000AAA";
    let path = format!("/composite/sobjects/Account?ids={b},{missing}&fields=Name,Phone");
    let (_, got) = read(session.get(&path).await).await;
    assert_eq!((&got[0]["Name"], &got[1]), (&json!("B2"), &Value::Null));
    let body = json!({ "ids": [a], "fields": ["Id", "Phone"] });
    let (_, got) = read(
        session
            .send("POST", "/composite/sobjects/Account", &body)
            .await,
    )
    .await;
    assert_eq!(got[0]["Phone"], "1");

    let path = format!("/composite/sobjects?ids={a},{missing},nonsense&allOrNone=false");
    let (_, gone) = read(session.request("DELETE", &path).send().await.unwrap()).await;
    assert_eq!(gone[0], json!({ "id": a, "success": true, "errors": [] }));
    assert_eq!(
        gone[1]["errors"][0]["statusCode"],
        "INVALID_CROSS_REFERENCE_KEY"
    );
    assert_eq!(gone[2]["errors"][0]["statusCode"], "MALFORMED_ID");
}

#[tokio::test]
async fn an_upsert_by_a_null_id_creates() {
    let session = start().await;
    let body = json!({ "records": [
        { "attributes": { "type": "Account" }, "Id": null, "Name": "New" },
    ] });
    let path = "/composite/sobjects/Account/Id";
    let (_, results) = read(session.send("PATCH", path, &body).await).await;
    assert_eq!(results[0]["created"], true, "{results}");
}

#[tokio::test]
async fn collections_have_their_limits() {
    let session = start().await;
    let account = json!({ "attributes": { "type": "Account" }, "Name": "A" });
    let contact = json!({ "attributes": { "type": "Contact" }, "LastName": "C" });
    let body = json!({ "records": vec![account.clone(); 201] });
    let (status, body) = read(session.send("POST", "/composite/sobjects", &body).await).await;
    assert_eq!((status, code(&body)), (400, "EXCEEDED_ID_LIMIT"));
    let turns: Vec<Value> = (0..12)
        .map(|turn| {
            if turn % 2 == 0 {
                account.clone()
            } else {
                contact.clone()
            }
        })
        .collect();
    let body = json!({ "records": turns });
    let (status, body) = read(session.send("POST", "/composite/sobjects", &body).await).await;
    assert_eq!(status, 400, "{body}");
}
