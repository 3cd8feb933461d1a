//! Platform events that are published as records are created.

use serde_json::{Value, json};

use super::client::start;
use super::support::read;

#[tokio::test]
async fn a_published_event_is_a_success_with_an_entry_in_its_errors() {
    let session = start().await;
    let body = json!({ "Printer_Model__c": "XZO-5", "Ink_Percentage__c": 0.2 });
    let (status, answer) = read(session.send("POST", "/sobjects/Low_Ink__e/", &body).await).await;
    assert_eq!(status, 201);
    assert_eq!(answer["success"], true);
    assert!(answer["id"].as_str().unwrap().starts_with("e00"));
    assert_eq!(answer["errors"][0]["statusCode"], "OPERATION_ENQUEUED");
    let [event] = session.kept("/event/Low_Ink__e").try_into().unwrap();
    assert_eq!(event["event"]["EventUuid"], answer["errors"][0]["message"]);
    assert_eq!(event["payload"]["Printer_Model__c"], "XZO-5");
    assert_eq!(event["payload"]["Ink_Percentage__c"], 0.2);
    let created = event["payload"]["CreatedDate"].as_str().unwrap();
    assert!(created.ends_with('Z'), "{created}");
    assert!(session.kept("/data/ChangeEvents").is_empty());
}

#[tokio::test]
async fn an_event_that_is_not_valid_is_not_published() {
    let session = start().await;
    let body = json!({ "Ink_Percentage__c": 0.2 });
    let (status, answer) = read(session.send("POST", "/sobjects/Low_Ink__e", &body).await).await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (400, &json!("REQUIRED_FIELD_MISSING"))
    );
    assert!(session.kept("/event/Low_Ink__e").is_empty());
}

#[tokio::test]
async fn many_events_are_published_in_one_request_unless_all_are_undone() {
    let session = start().await;
    let event =
        |model: Value| json!({ "attributes": { "type": "Low_Ink__e" }, "Printer_Model__c": model });
    let good = json!({ "records": [event(json!("A")), event(json!("B"))] });
    let (_, answer) = read(session.send("POST", "/composite/sobjects", &good).await).await;
    assert_eq!(answer[1]["success"], true);
    let uuid = &answer[1]["errors"][0]["message"];
    assert_eq!(
        session.kept("/event/Low_Ink__e")[1]["event"]["EventUuid"],
        *uuid
    );
    let bad = json!({ "allOrNone": true, "records": [event(json!("C")), event(json!(null))] });
    session.send("POST", "/composite/sobjects", &bad).await;
    assert_eq!(session.kept("/event/Low_Ink__e").len(), 2);
}

#[tokio::test]
async fn an_event_and_its_schema_id_lead_to_its_schema() {
    let session = start().await;
    let (_, schema) = read(session.get("/sobjects/Low_Ink__e/eventSchema").await).await;
    assert_eq!(schema["name"], "Low_Ink__e");
    let id = schema["uuid"].as_str().unwrap();
    let (_, same) = read(session.get(&format!("/event/eventSchema/{id}")).await).await;
    assert_eq!(same, schema);
    session
        .made("Low_Ink__e", json!({ "Printer_Model__c": "X" }))
        .await;
    assert_eq!(session.kept("/event/Low_Ink__e")[0]["schema"], id);
    assert_eq!(
        session.get("/event/eventSchema/nothing").await.status(),
        404
    );
    assert_eq!(
        session.get("/sobjects/Account/eventSchema").await.status(),
        404
    );
}

#[tokio::test]
async fn an_event_is_described_and_can_be_neither_queried_nor_read() {
    let session = start().await;
    let (_, describe) = read(session.get("/sobjects/Low_Ink__e/describe").await).await;
    assert_eq!(describe["createable"], true);
    for cannot in ["queryable", "updateable", "deletable", "replicateable"] {
        assert_eq!(describe[cannot], false, "{cannot}");
    }
    let (status, _) = read(
        session
            .get("/query?q=SELECT+ReplayId+FROM+Low_Ink__e")
            .await,
    )
    .await;
    assert_eq!(status, 400);
}
