//! Single records, and what keeps one from being written or seen.

use serde_json::json;

use super::support::{code, read, start};

#[tokio::test]
async fn a_record_is_created_read_changed_and_deleted() {
    let session = start().await;
    let response = session
        .send("POST", "/sobjects/Account/", &json!({ "Name": "Acme" }))
        .await;
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let (_, body) = read(response).await;
    let id = body["id"].as_str().unwrap();
    assert_eq!(body, json!({ "id": id, "success": true, "errors": [] }));
    assert_eq!(
        location,
        format!("/services/data/v60.0/sobjects/Account/{id}")
    );

    let path = format!("/sobjects/Account/{id}");
    let (_, account) = read(session.get(&path).await).await;
    assert_eq!(account["attributes"]["url"], location.as_str());
    assert_eq!(account["Name"], "Acme");

    let changed = session.send("PATCH", &path, &json!({ "Phone": "1" })).await;
    assert_eq!(changed.status(), 204);
    let tunnelled = format!("{path}?_HTTP_METHOD=PATCH");
    let changed = session
        .send("POST", &tunnelled, &json!({ "Phone": "2" }))
        .await;
    assert_eq!(changed.status(), 204);
    let (_, account) = read(session.get(&format!("{path}?fields=Phone,Id")).await).await;
    assert_eq!(account["Phone"], "2");
    assert!(account.get("Name").is_none());

    let deleted = session.request("DELETE", &path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    let (status, body) = read(session.get(&path).await).await;
    assert_eq!((status, code(&body)), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn a_refused_record_answers_an_array_of_one_error() {
    let session = start().await;
    let (status, body) = read(session.send("POST", "/sobjects/Contact", &json!({})).await).await;
    assert_eq!(status, 400);
    assert_eq!(
        body,
        json!([{
            "message": "Required fields are missing: [LastName]",
            "errorCode": "REQUIRED_FIELD_MISSING",
            "fields": ["LastName"],
        }])
    );
    let (status, body) = read(session.send("POST", "/sobjects/Nope", &json!({})).await).await;
    assert_eq!((status, code(&body)), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn bodies_that_are_no_json_are_told_apart() {
    let session = start().await;
    let post = async |kind: &str, body: &'static str| {
        let request = session
            .request("POST", "/sobjects/Account")
            .header("content-type", kind)
            .body(body);
        let (status, body) = read(request.send().await.unwrap()).await;
        (status, code(&body).to_owned())
    };
    let parser = (400, "JSON_PARSER_ERROR".to_owned());
    assert_eq!(post("application/json", "{\"Name\":").await, parser);
    assert_eq!(post("application/json", "").await, parser);
    assert_eq!(post("application/json", "[]").await, parser);
    let xml = post("application/xml", "<Account/>").await;
    assert_eq!(xml, (415, "UNSUPPORTED_MEDIA_TYPE".to_owned()));
    let put = session
        .request("PUT", "/sobjects/Account")
        .send()
        .await
        .unwrap();
    let (status, body) = read(put).await;
    assert_eq!((status, code(&body)), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(
        body[0]["message"],
        "HTTP Method 'PUT' not allowed. Allowed are HEAD,GET,POST"
    );
    let xml = session
        .request("GET", "/limits")
        .header("accept", "application/xml");
    assert_eq!(xml.send().await.unwrap().status(), 406);
}

#[tokio::test]
async fn a_packed_request_body_is_unpacked() {
    use std::io::Write as _;
    let session = start().await;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(br#"{"Name":"Packed"}"#).unwrap();
    let request = session
        .request("POST", "/sobjects/Account")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(packer.finish().unwrap());
    assert_eq!(request.send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_locked_row_cannot_be_written() {
    let session = start().await;
    let id = session.made("Account", json!({ "Name": "A" })).await;
    let path = format!("/sobjects/Account/{id}");
    session.control.lock_rows(&[&id]);
    let (status, body) = read(session.send("PATCH", &path, &json!({ "Name": "B" })).await).await;
    assert_eq!((status, code(&body)), (400, "UNABLE_TO_LOCK_ROW"));
    session.control.unlock_all_rows();
    let patched = session.send("PATCH", &path, &json!({ "Name": "B" })).await;
    assert_eq!(patched.status(), 204);
}

#[tokio::test]
async fn a_field_hidden_from_the_user_vanishes() {
    let session = start().await;
    let id = session
        .made("Account", json!({ "Name": "A", "Phone": "1" }))
        .await;
    let url = format!("{}/__control/users/admin@example.com", session.base);
    let hide = session
        .http
        .put(url)
        .json(&json!({ "hide": ["Account.Phone"] }));
    assert_eq!(hide.send().await.unwrap().status(), 204);
    let (_, account) = read(session.get(&format!("/sobjects/Account/{id}")).await).await;
    assert!(account.get("Phone").is_none());
    let (status, body) = session.ask("SELECT Phone FROM Account").await;
    assert_eq!((status, code(&body)), (400, "INVALID_FIELD"));
}

#[tokio::test]
async fn a_lookup_leads_to_its_record_and_counts_are_by_object() {
    let session = start().await;
    let account = session.made("Account", json!({ "Name": "A" })).await;
    let body = json!({ "LastName": "C", "AccountId": account });
    let contact = session.made("Contact", body).await;
    let path = format!("/sobjects/Contact/{contact}/Account");
    let (status, parent) = read(session.get(&path).await).await;
    assert_eq!((status, &parent["Id"]), (200, &json!(account)));
    let (_, counts) = read(
        session
            .get("/limits/recordCount?sObjects=Account,Lead")
            .await,
    )
    .await;
    assert_eq!(
        counts,
        json!({ "sObjects": [{ "count": 1, "name": "Account" }] })
    );
}
