//! Records by external id.

use serde_json::json;

use super::client::keyed;
use super::support::{code, read, start};

#[tokio::test]
async fn an_upsert_answers_201_then_200_and_204_before_version_46() {
    let session = keyed().await;
    let path = "/sobjects/Account/Key__c/k%2F1";
    let (status, body) = read(session.send("PATCH", path, &json!({ "Name": "A" })).await).await;
    assert_eq!((status, &body["created"]), (201, &json!(true)));
    let response = session.send("PATCH", path, &json!({ "Name": "B" })).await;
    assert!(response.headers().contains_key("location"));
    let (status, again) = read(response).await;
    assert_eq!((status, &again["created"]), (200, &json!(false)));
    assert_eq!(again["id"], body["id"]);

    let url = format!("{}/services/data/v45.0{path}", session.base);
    let old = session.http.patch(url).bearer_auth(&session.token);
    let old = old.json(&json!({ "Name": "C" })).send().await.unwrap();
    assert_eq!(old.status(), 204);

    let (status, account) = read(session.get(path).await).await;
    assert_eq!((status, &account["Name"]), (200, &json!("C")));
    let deleted = session.request("DELETE", path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(session.get(path).await.status(), 404);
}

#[tokio::test]
async fn update_only_never_creates() {
    let session = keyed().await;
    let path = "/sobjects/Account/Key__c/none?updateOnly=true";
    let (status, body) = read(session.send("PATCH", path, &json!({ "Name": "A" })).await).await;
    assert_eq!((status, code(&body)), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn an_ambiguous_key_answers_300_with_addresses() {
    let session = start().await;
    let email = json!({ "LastName": "Twin", "Email": "twin@example.com" });
    let first = session.made("Contact", email.clone()).await;
    let second = session
        .request("POST", "/sobjects/Contact")
        .header("sforce-duplicate-rule-header", "allowSave=true")
        .json(&email);
    let (_, second) = read(second.send().await.unwrap()).await;
    let address = |id: &str| format!("/services/data/v60.0/sobjects/Contact/{id}");
    let expected = json!([address(&first), address(second["id"].as_str().unwrap())]);
    let path = "/sobjects/Contact/Email/twin@example.com";
    let patched = session
        .send("PATCH", path, &json!({ "LastName": "T" }))
        .await;
    assert_eq!(read(patched).await, (300, expected.clone()));
    assert_eq!(read(session.get(path).await).await, (300, expected));
}

#[tokio::test]
async fn a_key_field_that_is_none_is_not_found_by_name() {
    let session = start().await;
    let path = "/sobjects/Account/Nope__c/1";
    let (status, body) = read(session.send("PATCH", path, &json!({})).await).await;
    assert_eq!(status, 404);
    assert_eq!(
        body[0]["message"],
        "Provided external ID field does not exist or is not accessible: Nope__c"
    );
}
