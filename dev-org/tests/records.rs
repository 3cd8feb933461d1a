//! Records over REST: rows, external ids, collections, queries with their
//! pages, conditional requests and replication.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use dev_org::Config;
use serde_json::{Value, json};
use support::{Session, read, start, start_with};

const KEYED: &str = r#"
[[extend]]
object = "Account"
fields = [
    { name = "Key__c", label = "Key", type = "string", length = 40, external_id = true },
]
"#;

async fn keyed() -> Session {
    start_with(Config {
        schema: Some(KEYED.to_owned()),
        ..Config::default()
    })
    .await
}

impl Session {
    async fn create(&self, object: &str, body: Value) -> String {
        let path = format!("/sobjects/{object}");
        let (status, body) = read(self.send("POST", &path, &body).await).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    async fn query(&self, text: &str) -> Value {
        let (status, body) = self.ask(text).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn ask(&self, text: &str) -> (u16, Value) {
        let request = self.request("GET", "/query").query(&[("q", text)]);
        read(request.send().await.unwrap()).await
    }

    async fn accounts(&self, count: usize) {
        for start in (0..count).step_by(200) {
            let records: Vec<Value> = (start..count.min(start + 200))
                .map(|at| json!({ "attributes": { "type": "Account" }, "Name": format!("A {at:05}") }))
                .collect();
            let body = json!({ "allOrNone": true, "records": records });
            let (status, body) = read(self.send("POST", "/composite/sobjects", &body).await).await;
            assert_eq!(status, 200, "{body}");
        }
    }
}

fn code(body: &Value) -> &str {
    body[0]["errorCode"]
        .as_str()
        .unwrap_or_else(|| panic!("no code in {body}"))
}

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
    let first = session.create("Contact", email.clone()).await;
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

#[tokio::test]
async fn a_query_is_fetched_page_by_page() {
    let session = start().await;
    session.accounts(450).await;
    let first = session
        .request("GET", "/query")
        .query(&[("q", "SELECT Name FROM Account ORDER BY Name")])
        .header("sforce-query-options", "batchSize=200");
    let (_, mut page) = read(first.send().await.unwrap()).await;
    let mut names = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let records = page["records"].as_array().unwrap();
        sizes.push(records.len());
        names.extend(records.iter().map(|record| record["Name"].clone()));
        assert_eq!(page["totalSize"], 450);
        let Some(next) = page["nextRecordsUrl"].as_str() else {
            assert_eq!(page["done"], true);
            break;
        };
        assert!(next.starts_with("/services/data/v60.0/query/0r8"), "{next}");
        assert!(next.ends_with(&format!("-{}", names.len())), "{next}");
        let url = format!("{}{next}", session.base);
        let more = session.http.get(url).bearer_auth(&session.token);
        page = read(more.send().await.unwrap()).await.1;
    }
    assert_eq!(sizes, [200, 200, 50]);
    assert!(
        names
            .windows(2)
            .all(|pair| pair[0].as_str() < pair[1].as_str())
    );
}

#[tokio::test]
async fn the_eleventh_open_query_pushes_the_oldest_out() {
    let session = start().await;
    session.accounts(201).await;
    let mut locators = Vec::new();
    for _ in 0..11 {
        let request = session
            .request("GET", "/query")
            .query(&[("q", "SELECT Id FROM Account")])
            .header("sforce-query-options", "batchSize=200");
        let (_, page) = read(request.send().await.unwrap()).await;
        let next = page["nextRecordsUrl"].as_str().unwrap();
        locators.push(next.rsplit('/').next().unwrap().to_owned());
    }
    let fetch = async |locator: &str| read(session.get(&format!("/query/{locator}")).await).await;
    let (status, body) = fetch(&locators[0]).await;
    assert_eq!((status, code(&body)), (400, "INVALID_QUERY_LOCATOR"));
    assert_eq!(fetch(&locators[1]).await.0, 200);
    assert_eq!(fetch("0r8nonsense-200").await.0, 400);
    session.control.set_clock_offset_ms(60 * 60 * 1000);
    assert_eq!(fetch(&locators[10]).await.0, 200);
}

#[tokio::test]
async fn children_are_paged_by_a_locator_of_their_own() {
    let session = start().await;
    let account = session.create("Account", json!({ "Name": "Parent" })).await;
    for start in [0, 200] {
        let records: Vec<Value> = (start..start + 150)
            .map(|at| {
                json!({
                    "attributes": { "type": "Contact" },
                    "LastName": format!("Child {at}"),
                    "AccountId": account,
                })
            })
            .collect();
        let body = json!({ "allOrNone": true, "records": records });
        session.send("POST", "/composite/sobjects", &body).await;
    }
    let request = session
        .request("GET", "/query")
        .query(&[(
            "q",
            "SELECT Id, (SELECT LastName FROM Contacts) FROM Account",
        )])
        .header("sforce-query-options", "batchSize=200");
    let (_, page) = read(request.send().await.unwrap()).await;
    assert_eq!(page["done"], true);
    let children = &page["records"][0]["Contacts"];
    assert_eq!(
        (&children["totalSize"], &children["done"]),
        (&json!(300), &json!(false))
    );
    let url = format!(
        "{}{}",
        session.base,
        children["nextRecordsUrl"].as_str().unwrap()
    );
    let more = session.http.get(url).bearer_auth(&session.token);
    let (_, rest) = read(more.send().await.unwrap()).await;
    assert_eq!(rest["records"].as_array().unwrap().len(), 100);
    assert_eq!(rest["done"], true);
}

#[tokio::test]
async fn query_hides_deleted_records_and_query_all_shows_them() {
    let session = start().await;
    let id = session.create("Account", json!({ "Name": "Gone" })).await;
    session
        .request("DELETE", &format!("/sobjects/Account/{id}"))
        .send()
        .await
        .unwrap();
    let text = "SELECT Id, IsDeleted FROM Account";
    assert_eq!(session.query(text).await["totalSize"], 0);
    let all = session.request("GET", "/queryAll").query(&[("q", text)]);
    let (_, all) = read(all.send().await.unwrap()).await;
    assert_eq!(all["records"][0]["IsDeleted"], true);
}

#[tokio::test]
async fn a_bad_query_answers_400_with_a_picture_of_where() {
    let session = start().await;
    let (status, body) = session.ask("SELECT Id, Foo FROM Account").await;
    assert_eq!((status, code(&body)), (400, "INVALID_FIELD"));
    let message = body[0]["message"].as_str().unwrap();
    assert!(
        message.contains("^\nERROR at Row:1:Column:12\n"),
        "{message}"
    );
    assert!(
        message.contains("No such column 'Foo' on entity 'Account'"),
        "{message}"
    );
    assert_eq!(code(&session.ask("").await.1), "MALFORMED_QUERY");
}

#[tokio::test]
async fn an_account_is_not_sent_again_and_not_overwritten_blindly() {
    let session = start().await;
    let id = session.create("Account", json!({ "Name": "A" })).await;
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
    assert_eq!(with("PATCH", "if-match", &tag).await, 204);
    assert_eq!(with("PATCH", "if-match", &tag).await, 412);
    assert_eq!(with("GET", "if-none-match", &tag).await, 200);
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
async fn basic_information_describes_an_object_in_short() {
    let session = start().await;
    session.create("Account", json!({ "Name": "Seen" })).await;
    let (status, body) = read(session.get("/sobjects/Account/").await).await;
    assert_eq!(status, 200);
    assert_eq!(body["objectDescribe"]["keyPrefix"], "001");
    assert_eq!(body["recentItems"][0]["Name"], "Seen");
    assert_eq!(session.get("/sobjects/Nope").await.status(), 404);
}

#[tokio::test]
async fn updated_and_deleted_tell_what_happened_in_a_window() {
    let session = start().await;
    let kept = session.create("Account", json!({ "Name": "Kept" })).await;
    let gone = session.create("Account", json!({ "Name": "Gone" })).await;
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

#[tokio::test]
async fn a_locked_row_cannot_be_written() {
    let session = start().await;
    let id = session.create("Account", json!({ "Name": "A" })).await;
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
        .create("Account", json!({ "Name": "A", "Phone": "1" }))
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
    let account = session.create("Account", json!({ "Name": "A" })).await;
    let body = json!({ "LastName": "C", "AccountId": account });
    let contact = session.create("Contact", body).await;
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

#[tokio::test]
async fn the_organization_says_which_edition_it_is() {
    let session = start_with(Config {
        edition: dev_org::Edition::Sandbox,
        ..Config::default()
    })
    .await;
    let answer = session
        .query("SELECT OrganizationType, IsSandbox FROM Organization")
        .await;
    let organization = &answer["records"][0];
    assert_eq!(organization["OrganizationType"], "Enterprise Edition");
    assert_eq!(organization["IsSandbox"], true);
}
