//! Fields that programs add by the Tooling API, which nobody sees until a permission
//! set says so.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::{Session, read, start};

const FIELD: &str = "Lockgate_Key__c";

impl Session {
    async fn add_field(&self, full_name: &str, metadata: Value) -> (u16, Value) {
        let path = "/tooling/sobjects/CustomField";
        let body = json!({ "FullName": full_name, "Metadata": metadata });
        read(self.send("POST", path, &body).await).await
    }

    /// Whether a describe shows the field, and its permission to be written.
    async fn sees(&self) -> Option<bool> {
        let (_, described) = read(self.get("/sobjects/Contact/describe").await).await;
        let fields = described["fields"].as_array().unwrap();
        let field = fields.iter().find(|field| field["name"] == FIELD)?;
        assert_eq!(field["externalId"], true);
        field["updateable"].as_bool()
    }

    async fn user(&self) -> String {
        let (_, root) = read(self.get("/").await).await;
        let identity = root["identity"].as_str().unwrap();
        identity.rsplit('/').next().unwrap().to_owned()
    }
}

fn text(length: u32) -> Value {
    json!({ "type": "Text", "label": "Key", "length": length, "externalId": true, "unique": true })
}

#[tokio::test]
async fn a_field_that_was_added_is_seen_once_a_permission_set_gives_it_and_then_keeps_values() {
    let session = start().await;
    let (status, made) = session.add_field("Contact.Lockgate_Key__c", text(64)).await;
    assert_eq!((status, &made["success"]), (201, &json!(true)), "{made}");
    assert_eq!(session.sees().await, None);

    let set = json!({ "Name": "Keys", "Label": "Keys" });
    let set = session.made("PermissionSet", set).await;
    let assignment = json!({ "PermissionSetId": set, "AssigneeId": session.user().await });
    session.made("PermissionSetAssignment", assignment).await;
    assert_eq!(session.sees().await, None, "the set gives nothing yet");
    let permission = json!({ "ParentId": set, "SobjectType": "Contact",
        "Field": "Contact.Lockgate_Key__c", "PermissionsRead": true, "PermissionsEdit": true });
    session.made("FieldPermissions", permission.clone()).await;
    assert_eq!(session.sees().await, Some(true));

    let row = json!({ "LastName": "Doe", FIELD: "k-1" });
    let path = format!("/sobjects/Contact/{FIELD}/k-2");
    session.made("Contact", row).await;
    let (status, _) = read(
        session
            .send("PATCH", &path, &json!({ "LastName": "Roe" }))
            .await,
    )
    .await;
    assert_eq!(status, 201, "it is a key");

    let path = "/sobjects/FieldPermissions";
    let (status, again) = read(session.send("POST", path, &permission).await).await;
    assert_eq!(status, 400);
    assert_eq!(again[0]["errorCode"], "DUPLICATE_VALUE");
}

#[tokio::test]
async fn a_field_that_cannot_be_is_refused_and_the_org_stays_as_it_was() {
    let session = start().await;
    session.add_field("Contact.Lockgate_Key__c", text(64)).await;
    let number = json!({ "type": "Number", "label": "N", "precision": 18, "scale": 0 });
    for (name, metadata, code) in [
        (
            "Contact.Lockgate_Key__c",
            text(64),
            "DUPLICATE_DEVELOPER_NAME",
        ),
        ("Nothing.Key__c", text(64), "INVALID_CROSS_REFERENCE_KEY"),
        ("Contact.Key", text(64), "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.A__B__c", text(64), "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.Long__c", text(256), "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.Number__c", number, "FIELD_INTEGRITY_EXCEPTION"),
    ] {
        let (status, answer) = session.add_field(name, metadata).await;
        assert_eq!(status, 400, "{name}: {answer}");
        assert_eq!(answer[0]["errorCode"], code, "{name}: {answer}");
    }
}
