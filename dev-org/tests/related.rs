//! What hangs on a record: parents, children, parents named by key.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::{read, start, start_with_schema};

#[tokio::test]
async fn children_are_read_below_their_parent_like_the_answer_of_a_query() {
    let session = start().await;
    let account = session.made("Account", json!({ "Name": "A" })).await;
    for name in ["One", "Two"] {
        session
            .made("Contact", json!({ "LastName": name, "AccountId": account }))
            .await;
    }
    let path = format!("/sobjects/Account/{account}/Contacts");
    let (status, body) = read(session.get(&format!("{path}?fields=LastName")).await).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["totalSize"], &body["done"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(body["records"][0]["LastName"], "One");
    assert!(body["records"][0].get("Email").is_none());
    let (_, body) = read(session.get(&path).await).await;
    assert!(body["records"][0].get("Email").is_some());
    let none = session
        .get("/sobjects/Account/001000000000001AAA/Contacts")
        .await;
    assert_eq!(none.status(), 404);
    let patched = session
        .send("PATCH", &path, &json!({ "LastName": "X" }))
        .await;
    assert_eq!(patched.status(), 405);
}

#[tokio::test]
async fn a_parent_is_read_changed_and_deleted_through_its_child() {
    let session = start().await;
    let account = session.made("Account", json!({ "Name": "A" })).await;
    let boss = session.made("Contact", json!({ "LastName": "Boss" })).await;
    let body = json!({ "LastName": "C", "AccountId": account, "ReportsToId": boss });
    let contact = session.made("Contact", body).await;
    let path = format!("/sobjects/Contact/{contact}/Account");
    let patched = session.send("PATCH", &path, &json!({ "Name": "B" })).await;
    assert_eq!(patched.status(), 204);
    let (_, body) = read(session.get(&format!("{path}?fields=Name")).await).await;
    assert_eq!(body["Name"], "B");
    let path = format!("/sobjects/Contact/{contact}/ReportsTo");
    let deleted = session.request("DELETE", &path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    // The lookup is empty now, and leads nowhere.
    assert_eq!(session.get(&path).await.status(), 404);
}

const KEYED: &str = r#"
[[extend]]
object = "Account"
fields = [{ name = "Key__c", type = "string", length = 40, external_id = true, unique = true }]
"#;

#[tokio::test]
async fn a_parent_may_be_named_by_a_key_instead_of_its_id() {
    let session = start_with_schema(KEYED).await;
    let account = session
        .made("Account", json!({ "Name": "A", "Key__c": "k1" }))
        .await;
    let contact = session
        .made(
            "Contact",
            json!({ "LastName": "C", "Account": { "Key__c": "k1" },
            "Owner": { "type": "User", "Username": "leads@example.com" } }),
        )
        .await;
    let fields = "AccountId,OwnerId";
    let (_, body) = read(
        session
            .get(&format!("/sobjects/Contact/{contact}?fields={fields}"))
            .await,
    )
    .await;
    assert_eq!(body["AccountId"], json!(account));
    let owner = body["OwnerId"].as_str().unwrap();
    let (_, owner) = read(
        session
            .get(&format!("/sobjects/User/{owner}?fields=Username"))
            .await,
    )
    .await;
    assert_eq!(owner["Username"], "leads@example.com");
    // A lookup to several objects has to say which.
    let what = |parent: Value| json!({ "Subject": "S", "What": parent });
    for parent in [
        json!({ "attributes": { "type": "Account" }, "Key__c": "k1" }),
        json!({ "type": "Account", "Key__c": "k1" }),
    ] {
        let task = session.made("Task", what(parent)).await;
        let (_, task) = read(
            session
                .get(&format!("/sobjects/Task/{task}?fields=WhatId"))
                .await,
        )
        .await;
        assert_eq!(task["WhatId"], json!(account));
    }
    for (parent, code) in [
        (json!({ "Key__c": "k1" }), "JSON_PARSER_ERROR"),
        (
            json!({ "type": "Account", "Key__c": "nope" }),
            "INVALID_FIELD",
        ),
    ] {
        let (status, body) =
            read(session.send("POST", "/sobjects/Task", &what(parent)).await).await;
        assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some(code)));
    }
}
