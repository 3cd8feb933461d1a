//! Asking for what is new: conditional requests, and what changed in a window.

use serde_json::json;

use super::support::{code, read, start};

#[tokio::test]
async fn an_account_is_not_sent_again_and_not_overwritten_blindly() {
    let session = start().await;
    let id = session.made("Account", json!({ "Name": "A" })).await;
    let path = format!("/sobjects/Account/{id}");
    let response = session.get(&path).await;
    let tag = response.headers()["etag"].clone();
    let modified = response.headers()["last-modified"].clone();
    let with = async |method: &str, name: &str, value: &reqwest::header::HeaderValue| {
        let request = session.request(method, &path).header(name, value);
        let request = if method == "PATCH" {
            request.json(&json!({ "Name": "B" }))
        } else {
            request
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(with("GET", "if-none-match", &tag).await, 304);
    assert_eq!(with("GET", "if-modified-since", &modified).await, 304);
    assert_eq!(with("PATCH", "if-none-match", &tag).await, 412);
    assert_eq!(with("PATCH", "if-match", &tag).await, 204);
    assert_eq!(with("PATCH", "if-match", &tag).await, 412);
    assert_eq!(with("GET", "if-none-match", &tag).await, 200);
}

#[tokio::test]
async fn no_record_is_overwritten_that_has_changed_since_a_date() {
    let session = start().await;
    let id = session.made("Contact", json!({ "LastName": "A" })).await;
    let path = format!("/sobjects/Contact/{id}");
    let modified = session.get(&path).await.headers()["last-modified"].clone();
    let modified = modified.to_str().unwrap();
    let write = async |name: &str, since: &str| {
        let request = session.request("PATCH", &path).header(name, since);
        let sent = request.json(&json!({ "LastName": "B" })).send().await;
        sent.unwrap().status().as_u16()
    };
    assert_eq!(write("if-unmodified-since", modified).await, 204);
    let before = "Fri, 01 May 2020 07:25:37 GMT";
    assert_eq!(write("if-unmodified-since", before).await, 412);
    assert_eq!(write("if-unmodified-since", "yesterday").await, 400);
    // Only accounts have ETags.
    assert_eq!(write("if-match", "\"x\"").await, 204);
}

#[tokio::test]
async fn a_described_object_is_not_sent_again_until_it_changes() {
    let session = start().await;
    for path in ["/sobjects", "/sobjects/Account/describe"] {
        let response = session.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let modified = response.headers()["last-modified"].clone();
        let again = session
            .request("GET", path)
            .header("if-modified-since", modified);
        assert_eq!(again.send().await.unwrap().status(), 304);
    }
}

#[tokio::test]
async fn updated_and_deleted_tell_what_happened_in_a_window() {
    let session = start().await;
    let kept = session.made("Account", json!({ "Name": "Kept" })).await;
    let gone = session.made("Account", json!({ "Name": "Gone" })).await;
    session
        .request("DELETE", &format!("/sobjects/Account/{gone}"))
        .send()
        .await
        .unwrap();
    let window = async |what: &str, start: &str, end: &str| {
        let request = session
            .request("GET", &format!("/sobjects/Account/{what}/"))
            .query(&[("start", start), ("end", end)]);
        read(request.send().await.unwrap()).await
    };
    let now = session.control.now_ms();
    let at = |minutes: i64| {
        let time = time::OffsetDateTime::from_unix_timestamp(now / 1000 + minutes * 60).unwrap();
        time.format(&time::format_description::well_known::Rfc3339)
            .unwrap()
    };
    let (status, updated) = window("updated", &at(-60), &at(2)).await;
    assert_eq!((status, &updated["ids"]), (200, &json!([kept])));
    let covered = updated["latestDateCovered"].as_str().unwrap();
    assert!(covered.ends_with(":00.000+0000"), "{covered}");
    let (_, deleted) = window("deleted", &at(-60), &at(2)).await;
    assert_eq!(deleted["deletedRecords"][0]["id"], gone.as_str());
    let (status, body) = window("updated", &at(2), &at(-60)).await;
    assert_eq!((status, code(&body)), (400, "INVALID_REPLICATION_DATE"));
    assert_eq!(window("updated", "x", "y").await.0, 400);
}
