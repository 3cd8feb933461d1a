//! Queries with their pages and errors.

use dev_org::Config;
use serde_json::{Value, json};

use super::support::{code, read, start, start_with};

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
async fn a_query_that_nobody_reads_is_forgotten_after_two_days() {
    let session = start_with(Config {
        session_ms: u64::MAX,
        ..Config::default()
    })
    .await;
    session.accounts(401).await;
    let request = session
        .request("GET", "/query")
        .query(&[("q", "SELECT Id FROM Account")])
        .header("sforce-query-options", "batchSize=200");
    let (_, page) = read(request.send().await.unwrap()).await;
    let locator = page["nextRecordsUrl"].as_str().unwrap().to_owned();
    let fetch = async || {
        let url = format!("{}{locator}", session.base);
        let page = session.http.get(url).bearer_auth(&session.token);
        read(page.send().await.unwrap()).await
    };
    let two_days_ms = 2 * 24 * 60 * 60 * 1000;
    session.control.set_clock_offset_ms(two_days_ms - 60_000);
    assert_eq!(fetch().await.0, 200);
    session.control.set_clock_offset_ms(two_days_ms + 60_000);
    let (status, body) = fetch().await;
    assert_eq!((status, code(&body)), (400, "INVALID_QUERY_LOCATOR"));
}

#[tokio::test]
async fn children_are_paged_by_a_locator_of_their_own() {
    let session = start().await;
    let account = session.made("Account", json!({ "Name": "Parent" })).await;
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
    let id = session.made("Account", json!({ "Name": "Gone" })).await;
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
