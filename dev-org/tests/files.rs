//! Files and notes, up and down again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{Session, read, start};

impl Session {
    async fn refusal(&self, object: &str, body: Value) -> Value {
        let (status, body) = self.make(object, body).await;
        assert_eq!(status, 400, "{body}");
        body[0].clone()
    }

    async fn bytes(&self, path: &str) -> Vec<u8> {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }

    async fn upload(&self, object: &str, record: &Value, field: &str, file: &[u8]) -> (u16, Value) {
        let mut body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"entity\"\r\nContent-Type: application/json\r\n\r\n{record}\r\n--edge\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"f.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let request = self
            .request("POST", &format!("/sobjects/{object}"))
            .header("content-type", "multipart/form-data; boundary=\"edge\"")
            .body(body);
        read(request.send().await.unwrap()).await
    }
}

/// Every byte there is, and what looks like the end of a part.
fn any_bytes() -> Vec<u8> {
    (0..=255).chain(*b"\r\n--edg\r\n").collect()
}

#[tokio::test]
async fn a_file_goes_up_in_base64_and_comes_down_as_it_was() {
    let session = start().await;
    let account = session.made("Account", json!({ "Name": "A" })).await;
    let body = json!({ "PathOnClient": "a.bin", "VersionData": STANDARD.encode(any_bytes()),
        "FirstPublishLocationId": account });
    let id = session.made("ContentVersion", body).await;
    let record = session.record("ContentVersion", &id).await;
    let path = format!("/sobjects/ContentVersion/{id}/VersionData");
    assert_eq!(record["VersionData"], format!("/services/data/v60.0{path}"));
    assert_eq!(
        (&record["Title"], &record["FileExtension"]),
        (&json!("a.bin"), &json!("bin"))
    );
    assert_eq!(record["ContentSize"], any_bytes().len());
    assert_eq!(session.bytes(&path).await, any_bytes());
    // The record it was published at links to the document.
    let query = format!(
        "/query?q=SELECT+ContentDocumentId+FROM+ContentDocumentLink+WHERE+LinkedEntityId='{account}'"
    );
    let (_, links) = read(session.get(&query).await).await;
    assert_eq!(
        links["records"][0]["ContentDocumentId"],
        record["ContentDocumentId"]
    );
}

#[tokio::test]
async fn a_file_goes_up_in_parts_without_base64() {
    let session = start().await;
    let record = json!({ "PathOnClient": "a.bin", "Title": "In parts" });
    let (status, body) = session
        .upload("ContentVersion", &record, "VersionData", &any_bytes())
        .await;
    assert_eq!(status, 201, "{body}");
    let id = body["id"].as_str().unwrap();
    let path = format!("/sobjects/ContentVersion/{id}/VersionData");
    assert_eq!(session.bytes(&path).await, any_bytes());
    let request = session
        .request("POST", "/sobjects/ContentVersion")
        .header("content-type", "multipart/form-data; boundary=\"edge\"")
        .body("--edge\r\n");
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (400, &json!("INVALID_MULTIPART_REQUEST"))
    );
}

#[tokio::test]
async fn a_new_version_of_a_document_is_its_latest() {
    let session = start().await;
    let version = |document: Value| json!({ "PathOnClient": "a.txt", "VersionData": "YQ==", "ContentDocumentId": document });
    let first = session.made("ContentVersion", version(Value::Null)).await;
    let document = session.record("ContentVersion", &first).await["ContentDocumentId"].clone();
    let second = session.made("ContentVersion", version(document)).await;
    assert_eq!(
        session.record("ContentVersion", &first).await["IsLatest"],
        false
    );
    let latest = session.record("ContentVersion", &second).await;
    assert_eq!(
        (&latest["IsLatest"], &latest["VersionNumber"]),
        (&json!(true), &json!("2"))
    );
}

#[tokio::test]
async fn a_file_needs_a_name_and_content_that_is_base64() {
    let session = start().await;
    let refusal = session
        .refusal("ContentVersion", json!({ "Title": "T" }))
        .await;
    assert_eq!(refusal["fields"], json!(["VersionData", "PathOnClient"]));
    let body = json!({ "PathOnClient": "a", "VersionData": "no base64!" });
    let refusal = session.refusal("ContentVersion", body).await;
    assert_eq!(refusal["fields"], json!(["VersionData"]));
}

#[tokio::test]
async fn attachments_and_documents_have_a_body_of_their_own() {
    let session = start().await;
    let account = session.made("Account", json!({ "Name": "A" })).await;
    let body = json!({ "ParentId": account, "Name": "a.txt", "Body": "YWJj" });
    let id = session.made("Attachment", body).await;
    let record = session.record("Attachment", &id).await;
    assert_eq!(record["BodyLength"], 3);
    let path = format!("/sobjects/Attachment/{id}/Body");
    assert_eq!(record["Body"], format!("/services/data/v60.0{path}"));
    assert_eq!(session.bytes(&path).await, b"abc");
    let record = json!({ "ParentId": account, "Name": "b.bin" });
    let (status, _) = session
        .upload("Attachment", &record, "Body", &any_bytes())
        .await;
    assert_eq!(status, 201);
    let (_, all) = read(
        session
            .get(&format!(
                "/sobjects/Account/{account}/Attachments?fields=Name"
            ))
            .await,
    )
    .await;
    assert_eq!(all["totalSize"], 2);
    let (_, user) = read(session.get("/query?q=SELECT+Id+FROM+User+LIMIT+1").await).await;
    let document = json!({ "FolderId": user["records"][0]["Id"], "Name": "D",
        "DeveloperName": "D", "Body": "YWJj" });
    let id = session.made("Document", document.clone()).await;
    assert_eq!(
        session
            .bytes(&format!("/sobjects/Document/{id}/Body"))
            .await,
        b"abc"
    );
    assert_eq!(
        session.refusal("Document", document).await["errorCode"],
        "DUPLICATE_VALUE"
    );
}

#[tokio::test]
async fn notes_of_both_kinds_are_kept_and_read() {
    let session = start().await;
    let account = session.made("Account", json!({ "Name": "A" })).await;
    let old = session
        .made(
            "Note",
            json!({ "ParentId": account, "Title": "T", "Body": "plain" }),
        )
        .await;
    assert_eq!(session.record("Note", &old).await["Body"], "plain");
    let content = STANDARD.encode("<p>Tom &amp; Ann</p>");
    let note = session
        .made("ContentNote", json!({ "Title": "N", "Content": content }))
        .await;
    assert!(note.starts_with("069"));
    let link = json!({ "ContentDocumentId": note, "LinkedEntityId": account, "ShareType": "V" });
    session.made("ContentDocumentLink", link).await;
    let record = session.record("ContentNote", &note).await;
    assert_eq!(record["FileType"], "SNOTE");
    let version = record["LatestPublishedVersionId"].as_str().unwrap();
    let path = format!("/sobjects/ContentVersion/{version}/VersionData");
    assert_eq!(session.bytes(&path).await, b"<p>Tom &amp; Ann</p>");
    let path = format!("/sobjects/ContentVersion/{version}?fields=TextPreview");
    let (_, body) = read(session.get(&path).await).await;
    assert_eq!(body["TextPreview"], "Tom &amp; Ann");
    for content in [
        "<p>".to_owned(),
        STANDARD.encode("Tom & Ann"),
        STANDARD.encode("<form>"),
    ] {
        let note = json!({ "Title": "N", "Content": content });
        let refusal = session.refusal("ContentNote", note).await;
        assert_eq!(refusal["fields"], json!(["Content"]), "{content}");
    }
    let link = json!({ "ContentDocumentId": note, "LinkedEntityId": account, "ShareType": "V" });
    let refusal = session.refusal("ContentDocumentLink", link).await;
    assert_eq!(refusal["errorCode"], "DUPLICATE_VALUE");
}

#[tokio::test]
async fn the_content_of_a_file_is_no_part_of_a_composite() {
    let session = start().await;
    let body = json!({ "PathOnClient": "a.txt", "VersionData": STANDARD.encode("text") });
    let id = session.made("ContentVersion", body).await;
    let url = format!("/services/data/v60.0/sobjects/ContentVersion/{id}/VersionData");
    let body =
        json!({ "compositeRequest": [{ "method": "GET", "url": url, "referenceId": "file" }] });
    let (_, answer) = read(session.send("POST", "/composite", &body).await).await;
    assert_eq!(
        answer["compositeResponse"][0]["httpStatusCode"], 400,
        "{answer}"
    );
}
